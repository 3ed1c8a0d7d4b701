// Keys: "/" and Ctrl-K search, "g" and a letter go to a page, "?" helps, "n" makes a new thing, "r" refreshes.
import { h } from "../dom.js";
import { navigate } from "../router.js";
import { dialog } from "./dialog.js";

const places = {
  o: ["/overview", "Overview"], t: ["/topics", "Topics"], g: ["/groups", "Consumer groups"], s: ["/schemas", "Schemas"],
  c: ["/connectors", "Connectors"], q: ["/sql", "SQL"], l: ["/lineage", "Lineage"], d: ["/dashboards", "Dashboards"], a: ["/alerts", "Alerts"],
};

function showHelp() {
  const keys = (...names) => h("span", {}, names.map((name, at) => [at ? " " : null, h("kbd", {}, name)]));
  const rows = [
    [keys("/"), "Filter the list of this page, or search everything"], [keys("Ctrl", "K"), "Search and jump anywhere"],
    [keys("n"), "New: topic, schema, connector, dashboard"], [keys("r"), "Load the page again"], [keys("Ctrl", "Enter"), "Run SQL in the editor"],
    [keys("Ctrl", "Space"), "Completions in the editor"], [keys("Esc"), "Close what is open"], [keys("?"), "This help"],
    ...Object.entries(places).map(([key, [, name]]) => [keys("g", key), `Go to ${name}`]),
  ];
  dialog({ title: "Keyboard shortcuts", body: h("div", { class: "shortcuts" }, rows.flat().map((cell) => h("div", {}, cell))) });
}

const showPalette = () => import("./palette.js").then((module) => module.openPalette());

const typing = (target) => Boolean(target.closest?.("input, textarea, select, [contenteditable]"));

export function startShortcuts() {
  let leader = 0;
  document.getElementById("help").addEventListener("click", showHelp);
  document.getElementById("palette").addEventListener("click", showPalette);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (!document.querySelector("dialog[open]")) showPalette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || document.querySelector("dialog[open]")) return;
    if (leader && Date.now() - leader < 1500 && places[event.key]) {
      event.preventDefault();
      leader = 0;
      navigate(places[event.key][0]);
      return;
    }
    leader = event.key === "g" ? Date.now() : 0;
    if (event.key === "?") { event.preventDefault(); showHelp(); }
    if (event.key === "/") {
      event.preventDefault();
      const field = document.querySelector("main [data-search]");
      if (field) field.focus(); else showPalette();
    }
    if (event.key === "n") document.querySelector("main [data-new]")?.click();
    if (event.key === "r") { event.preventDefault(); navigate(location.pathname + location.search, { replace: true }); }
  });
}
