// Starts the console: the frame first, then the page that the address names.
import { api, ApiError } from "./api.js";
import { announce, fill, h } from "./dom.js";
import { start } from "./router.js";
import { match } from "./routes.js";
import { linkButton } from "./ui/page.js";
import { markNavigation, startFigures, startShell } from "./ui/shell.js";
import { describe, emptyState, errorState, loading } from "./ui/states.js";

const main = document.getElementById("main");
let current = null;

/** How often a server that does not answer is asked whether it is there again, and when a page may be loaded anew by itself. */
const AGAIN = 3000;
const RELOAD_PAUSE = 30000;

/** The script of a page did not come: browsers keep that in mind, so only loading all anew helps. */
class ScriptError extends ApiError {}

async function scriptOf(load) {
  try { return await load(); } catch (error) {
    if (!(error instanceof TypeError)) throw error;  // a fault of the script itself
    throw new ScriptError("the console's server does not answer, or was replaced by another version. Is Swiftwater still running? This page comes as soon as it does.", 0);
  }
}

/** Loads all anew, but not again and again. */
function reloadOnce() {
  let last = 0;
  try { last = Number(sessionStorage.getItem("swiftwater.reloaded")) || 0; sessionStorage.setItem("swiftwater.reloaded", String(Date.now())); } catch { return; }
  if (Date.now() - last > RELOAD_PAUSE) location.reload();
}

/** What pages of one thing are about, and where all of its kind are, by the first part of their address. */
const kinds = {
  topics: ["topic", "All topics"], groups: ["consumer group", "All consumer groups"], connectors: ["connector", "All connectors"],
  dashboards: ["dashboard", "All dashboards"],
};

/** An old link, or a name that was typed: asking again would not help, looking at what there is may. */
function absentThing(error) {
  const first = location.pathname.split("/")[1];
  const kind = kinds[first];
  if (error?.status !== 404 || error.absent || !kind) return null;
  return h("div", {}, h("div", { class: "page-head" }, h("div", { class: "titles" }, h("h1", { tabindex: -1 }, `There is no such ${kind[0]}`))),
    emptyState(describe(error), "It may have been deleted, or its name is another one.", linkButton(kind[1], `/${first}`, { kind: "primary" })));
}

function showFailure(error, visit) {
  const absent = absentThing(error);
  if (absent) { fill(main, absent); return; }
  const again = async (isAsked) => {
    if (!(error instanceof ScriptError)) { render(); return; }
    // The browser's own page on a server that is not there would be the end of this one.
    try { await api.get("about", { signal: visit.signal }); } catch { return; }
    if (isAsked) location.reload(); else reloadOnce();
  };
  fill(main, h("div", { class: "page-head" }, h("div", { class: "titles" }, h("h1", { tabindex: -1 }, "This page did not load"))),
    errorState(error, () => again(true)));
  if (error?.status !== 0) return;
  const timer = setInterval(() => {
    if (visit.signal.aborted) clearInterval(timer);
    else if (!document.hidden) api.get("about", { signal: visit.signal }).then(() => { clearInterval(timer); again(false); }, () => {});
  }, AGAIN);
}

async function render() {
  current?.abort();
  const visit = (current = new AbortController());
  const first = !main.dataset.ready;
  markNavigation();
  const found = match(location.pathname);
  const waiting = setTimeout(() => { if (!visit.signal.aborted) fill(main, loading("Loading the page")); }, first ? 60 : 120);
  try {
    const module = await scriptOf(found ? found.load : () => import("./pages/missing.js"));
    if (visit.signal.aborted) return;
    const query = new URLSearchParams(location.search);
    const page = await module.default({ params: found?.params ?? {}, query, signal: visit.signal, reload: render });
    if (visit.signal.aborted) return;
    clearTimeout(waiting);
    fill(main, page);
  } catch (error) {
    clearTimeout(waiting);
    if (visit.signal.aborted) return;
    showFailure(error, visit);
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
