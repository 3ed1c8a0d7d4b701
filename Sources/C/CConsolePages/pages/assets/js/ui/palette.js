// Search over everything that has a name, and jump there.
import { api, ksql, path } from "../api.js";
import { fill, h } from "../dom.js";
import { navigate } from "../router.js";
import { icon } from "./icons.js";
import { dialog } from "./dialog.js";

const pages = [
  ["overview", "Overview", "/overview"], ["topics", "Topics", "/topics"], ["groups", "Consumer groups", "/groups"], ["schemas", "Schemas", "/schemas"],
  ["connectors", "Connectors", "/connectors"], ["plus", "New connector", "/connectors/new"], ["plus", "New topic", "/topics?new=1"], ["sql", "SQL", "/sql"],
  ["lineage", "Lineage", "/lineage"], ["dashboards", "Dashboards", "/dashboards"], ["alerts", "Alerts", "/alerts"],
].map(([image, name, to]) => ({ image, name, to, kind: "page" }));

async function everything() {
  const quiet = (promise, turn) => promise.then(turn, () => []);
  const lists = await Promise.all([
    quiet(api.get("topics"), (all) => all.map((topic) => ({ image: "topics", name: topic.name, to: path`/topics/${topic.name}`, kind: "topic" }))),
    quiet(api.get("groups"), (all) => all.map((group) => ({ image: "groups", name: group.id, to: path`/groups/${group.id}`, kind: "consumer group" }))),
    quiet(api.get("registry/subjects"), (all) => all.map((name) => ({ image: "schemas", name, to: path`/schemas/${name}`, kind: "schema" }))),
    quiet(api.get("connect/connectors"), (all) => all.map((name) => ({ image: "connectors", name, to: path`/connectors/${name}`, kind: "connector" }))),
    quiet(ksql("SHOW QUERIES;"), (all) => (all[0]?.queries ?? []).map((query) => ({ image: "sql", name: query.id, to: path`/queries/${query.id}`, kind: "query" }))),
    quiet(api.get("dashboards"), (all) => all.map((entry) => ({ image: "dashboards", name: entry.title || entry.id, to: path`/dashboards/${entry.id}`, kind: "dashboard" }))),
  ]);
  return lists.flat();
}

function rank(name, wanted) {
  const text = name.toLowerCase();
  const at = text.indexOf(wanted);
  if (at === 0) return 0;
  if (at > 0) return /[^a-z0-9]/.test(text[at - 1]) ? 1 : 2;
  let from = 0;  // letters in their order, with others between
  for (const sign of wanted) {
    from = text.indexOf(sign, from) + 1;
    if (!from) return -1;
  }
  return 3;
}

export function openPalette() {
  let all = pages;
  let shown = [];
  let at = 0;
  const list = h("ul", { id: "palette-list", role: "listbox", "aria-label": "Results" });
  const input = h("input", {
    type: "text", role: "combobox", "aria-label": "Search topics, groups, schemas, connectors, queries and pages", "aria-controls": "palette-list",
    "aria-expanded": "true", "aria-autocomplete": "list", placeholder: "Search topics, groups, schemas, connectors…", autocomplete: "off", spellcheck: "false",
    on: { input: () => show(), keydown: (event) => {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        at = (at + (event.key === "ArrowDown" ? 1 : -1) + shown.length) % Math.max(1, shown.length);
        mark();
      } else if (event.key === "Enter") { event.preventDefault(); go(shown[at]); }
    } },
  });
  const view = dialog({ title: "Search", body: [input, list] });
  view.element.classList.add("palette");
  view.element.querySelector(".dialog-head").remove();
  view.element.removeAttribute("aria-labelledby");
  view.element.setAttribute("aria-label", "Search");
  fill(view.body.parentElement, input, list);
  input.focus();
  function go(entry) { if (entry) { view.close(); navigate(entry.to); } }
  function mark() {
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
    const chosen = list.children[at];
    if (chosen?.id) { input.setAttribute("aria-activedescendant", chosen.id); chosen.scrollIntoView({ block: "nearest" }); }
  }
  function show() {
    const wanted = input.value.trim().toLowerCase();
    shown = all.map((entry) => ({ entry, score: wanted ? rank(entry.name, wanted) : entry.kind === "page" ? 0 : -1 }))
      .filter(({ score }) => score >= 0).sort((a, b) => a.score - b.score || a.entry.name.length - b.entry.name.length).slice(0, 40).map(({ entry }) => entry);
    at = 0;
    fill(list, shown.length ? shown.map((entry, index) => h("li", { id: `palette-${index}`, role: "option", "aria-selected": "false", on: { click: () => go(entry) } },
      icon(entry.image), h("span", {}, entry.name), h("span", { class: "muted small" }, entry.kind))) : h("li", { class: "muted" }, "Nothing has such a name."));
    mark();
  }
  show();
  everything().then((found) => { all = [...pages, ...found]; show(); });
}
