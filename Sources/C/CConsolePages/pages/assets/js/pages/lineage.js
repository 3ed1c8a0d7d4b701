// How data flows: connectors, topics, queries, groups, with what moves on the edges now.
import { api } from "../api.js";
import { fill, h, s } from "../dom.js";
import { count, plural, rate } from "../format.js";
import { poll } from "../live.js";
import { setQuery } from "../router.js";
import { around, connected } from "../graph/around.js";
import { graphView, kindNames } from "../graph/view.js";
import { checkbox, searchInput, select } from "../ui/form.js";
import { button, linkButton, pageHead, segmented } from "../ui/page.js";
import { emptyState, note, stateBadge } from "../ui/states.js";
import { table } from "../ui/table.js";

/** More parts than this are listed first: nobody finds anything in a drawing of them all. */
const LARGE = 120;
/** What is not drawn when a service does not answer. */
const lacking = { connect: "Connectors are missing here", sql: "Queries are missing here" };
const distances = [["1", "neighbours"], ["2", "two steps"], ["3", "three steps"], ["all", "everything before and after"]];

function connectionsTable(nameOf, link) {
  const kindOf = (id) => kindNames[nameOf(id)?.kind] ?? "";
  return table({
    label: "Lineage", key: (row) => `${row.from} ${row.to}`, sort: { id: "from", down: false },
    columns: [
      { id: "from", title: "From", value: (row) => nameOf(row.from)?.name ?? row.from, cell: (row) => link(row.from) },
      { id: "fromKind", title: "which is a", low: true, value: (row) => kindOf(row.from) },
      { id: "to", title: "To", value: (row) => nameOf(row.to)?.name ?? row.to, cell: (row) => link(row.to) },
      { id: "toKind", title: "which is a", low: true, value: (row) => kindOf(row.to) },
      { id: "rate", title: "Records", end: true, value: (row) => row.rate, cell: (row) => rate(row.rate) },
      { id: "lag", title: "Lag", end: true, value: (row) => row.lag, cell: (row) => count(row.lag) },
    ],
    empty: () => emptyState("Nothing is connected", "Edges appear once a connector, a query or a group reads or writes a topic."),
  });
}

/** The parts one by one, to choose one to look around from. */
function partsTable(link, choose) {
  return table({
    label: "Parts", key: (row) => row.id, sort: { id: "lag", down: true },
    columns: [
      { id: "name", title: "Part", value: (row) => row.name, cell: (row) => link(row.id) },
      { id: "kind", title: "Kind", value: (row) => kindNames[row.kind] ?? row.kind },
      { id: "state", title: "State", low: true, value: (row) => row.state, cell: (row) => (row.state && row.state !== "OK" ? stateBadge(row.state) : "–") },
      { id: "before", title: "Fed by", end: true, low: true, value: (row) => row.before },
      { id: "after", title: "Feeds", end: true, low: true, value: (row) => row.after },
      { id: "lag", title: "Lag", end: true, low: true, value: (row) => row.lag, cell: (row) => count(row.lag) },
      { id: "around", title: "", name: "Look around", sortable: false, value: (row) => row.id, cell: (row) => button("Show around it", { small: true, "aria-label": `Show around ${row.name}`, click: () => choose(row.id) }) },
    ],
  });
}

function partsOf({ nodes, edges }) {
  const parts = new Map(nodes.map((node) => [node.id, { ...node, before: 0, after: 0, lag: null }]));
  for (const { from, to, lag } of edges) {
    const [source, reader] = [parts.get(from), parts.get(to)];
    if (source) source.after += 1;
    if (reader) { reader.before += 1; if (lag !== null) reader.lag = (reader.lag ?? 0) + lag; }
  }
  return [...parts.values()];
}

export default async function lineage({ query, signal }) {
  let data = await api.get("lineage", { signal });
  let names = new Map();
  let filter = query.get("filter") ?? "";
  let at = query.get("at") ?? "";
  let alone = query.get("alone") === "1";
  let view = query.get("view") ?? "";
  let steps = query.get("steps") ?? "";
  let whole = query.get("all") === "1";
  const nameOf = (id) => names.get(id);
  const link = (id) => { const node = nameOf(id); return node ? h("a", { class: "name", href: node.link || "#" }, node.name) : id; };
  const choose = (id) => { at = id; filter = ""; search.value = ""; if (view === "parts") view = "graph"; setQuery({ at, filter: null, view: view === "graph" ? null : view }); show(); if (id) graph.focusNode(id); };
  const graph = graphView({ choose });
  const lead = h("span");
  const wrap = h("div", { class: "graph-wrap", role: "region", "aria-label": "Graph of the lineage", tabindex: 0 }, graph);
  const list = connectionsTable(nameOf, link);
  const parts = partsTable(link, choose);
  const chosen = h("div", { class: "row" });
  const large = h("div");
  const absent = h("div", { class: "stack-s", role: "status" });
  const host = h("div", {});
  const legend = h("div", { class: "legend" }, Object.entries(kindNames).map(([kind, name]) => h("span", {}, s("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, s("rect", { class: `kind-${kind}`, width: 10, height: 10, rx: 3 })), name)));
  const put = (element) => { if (host.firstChild !== element || host.children.length > 1) fill(host, element); };

  function wanted() {
    const text = filter.toLowerCase();
    if (!text && !names.has(at)) return alone ? data : connected(data);
    const starts = text ? data.nodes.filter((node) => node.name.toLowerCase().includes(text)).map(({ id }) => id) : [at];
    return around(data, starts, reach() === "all" ? Infinity : Number(reach()));
  }
  /** Of a large lineage only what is near, unless it is said otherwise. */
  const reach = () => steps || (data.nodes.length > LARGE ? "2" : "all");

  function tell() {
    const problems = (data.problems ?? []).filter(({ service }) => lacking[service]);
    const said = problems.map(({ service, message }) => `${lacking[service]}: ${message}.`);
    if (absent.said === said.join()) return;
    absent.said = said.join();
    fill(absent, said.map((text) => note("warn", text)));
  }

  function show() {
    tell();
    names = new Map(data.nodes.map((node) => [node.id, node]));
    const shown = wanted();
    lead.textContent = `${plural(shown.nodes.length, "part")}, ${plural(shown.edges.length, "connection")}${shown.nodes.length < data.nodes.length ? `, of ${plural(data.nodes.length, "part")} in all` : ""}`;
    far.value = reach();
    const node = filter ? null : nameOf(at);
    const name = node ? `${kindNames[node.kind] ?? node.kind} ${node.name}` : "";
    if (chosen.name !== name) {
      chosen.name = name;
      fill(chosen, node ? [h("span", { class: "muted" }, "Around"), h("a", { href: node.link || "#" }, name), button("Show all", { small: true, click: () => { choose(""); search.focus(); } })] : null);
    }
    if (!shown.nodes.length) {
      fill(large);
      fill(host, data.nodes.length ? emptyState("Nothing to draw", "No part has such a name, or nothing is connected yet. “Topics alone” shows those that nobody uses.")
        : emptyState("No pipeline yet", "Create a connector or a query: it appears here with what it reads and writes.", linkButton("New connector", "/connectors/new", { kind: "primary" }), linkButton("Write SQL", "/sql")));
      return;
    }
    const tooMany = view !== "table" && view !== "parts" && !whole && shown.nodes.length > LARGE;
    if (large.shown !== (tooMany ? shown.nodes.length : 0)) {
      large.shown = tooMany ? shown.nodes.length : 0;
      fill(large, tooMany ? note("info", `${count(shown.nodes.length)} parts are many for one drawing. Look for a name, choose one of these, or `, button("draw them all", { small: true, click: () => { whole = true; setQuery({ all: "1" }); show(); } })) : null);
    }
    if (view === "table") { list.update(shown.edges); put(list); } else if (view === "parts" || tooMany) { parts.update(partsOf(shown)); put(parts); } else { graph.update(shown); put(wrap); }
  }

  const far = select(distances, reach(), { "aria-label": "How far around" });
  far.addEventListener("change", () => { steps = far.value; setQuery({ steps }); show(); });
  const search = searchInput("Only around…", filter, (value) => { filter = value; at = ""; setQuery({ filter, at: null }); show(); });
  // Enter goes to the first part of such a name, from where the arrow keys walk on.
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !filter) return;
    event.preventDefault();
    const text = filter.toLowerCase();
    const found = data.nodes.find((node) => node.name.toLowerCase() === text) ?? data.nodes.find((node) => node.name.toLowerCase().includes(text));
    if (found && !graph.focusNode(found.id)) host.querySelector("tbody a")?.focus();
  });
  show();
  poll(async () => { data = await api.get("lineage", { signal }); show(); }, 2000, signal);
  return h("div", {}, pageHead({ title: "Lineage", lead }),
    h("div", { class: "filters" }, h("div", { class: "field wide" }, search), h("div", { class: "field" }, far),
      checkbox("Topics alone", alone, (on) => { alone = on; setQuery({ alone: on ? "1" : null }); show(); }),
      segmented("Show as", [["graph", "Graph"], ["parts", "Parts"], ["table", "Table"]], view || "graph", (next) => { view = next; setQuery({ view: next === "graph" ? null : next }); show(); })),
    h("div", { class: "stack-s" }, absent, chosen, large, host, legend));
}
