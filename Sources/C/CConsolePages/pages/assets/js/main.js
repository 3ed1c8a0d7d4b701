// Starts the console: the frame first, then the page that the address names.
import { announce, fill, h } from "./dom.js";
import { match, start } from "./router.js";
import { markNavigation, startFigures, startShell } from "./ui/shell.js";
import { errorState, loading } from "./ui/states.js";

const main = document.getElementById("main");
let current = null;

function showFailure(error, retry) {
  fill(main, h("div", { class: "page-head" }, h("div", { class: "titles" }, h("h1", { tabindex: -1 }, "This page did not load"))),
    errorState(error, retry));
}

async function render() {
  current?.abort();
  const visit = (current = new AbortController());
  const first = !main.dataset.ready;
  markNavigation();
  const found = match(location.pathname);
  const waiting = setTimeout(() => { if (!visit.signal.aborted) fill(main, loading("Loading the page")); }, first ? 60 : 120);
  try {
    const module = found ? await found.load() : await import("./pages/missing.js");
    if (visit.signal.aborted) return;
    const query = new URLSearchParams(location.search);
    const page = await module.default({ params: found?.params ?? {}, query, signal: visit.signal, reload: render });
    if (visit.signal.aborted) return;
    clearTimeout(waiting);
    fill(main, page);
  } catch (error) {
    clearTimeout(waiting);
    if (visit.signal.aborted) return;
    showFailure(error, render);
  }
  main.dataset.ready = "1";
  const heading = main.querySelector("h1");
  const title = heading?.textContent ?? "Swiftwater";
  document.title = `${title} · Swiftwater`;
  if (first) {
    startFigures();
  } else {
    scrollTo(0, 0);
    heading?.focus({ preventScroll: true });
    announce(title);
  }
}

startShell();
start(render);
// A page that is left holds no connection: browsers give a server six of them. One that comes back begins anew.
addEventListener("pagehide", () => current?.abort());
addEventListener("pageshow", (event) => { if (event.persisted) render(); });
