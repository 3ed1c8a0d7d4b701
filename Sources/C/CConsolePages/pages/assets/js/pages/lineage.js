// How data flows: connectors, topics, queries, groups, with what moves on the edges now.
import { api } from "../api.js";
import { fill, h, s } from "../dom.js";
import { count, plural, rate } from "../format.js";
import { poll } from "../live.js";
import { setQuery } from "../router.js";
import { graphView, kindNames } from "../graph/view.js";
import { checkbox, searchInput } from "../ui/form.js";
import { linkButton, pageHead, segmented } from "../ui/page.js";
import { emptyState } from "../ui/states.js";
import { table } from "../ui/table.js";

/** The nodes whose names fit, with all that leads to them and comes from them. */
function around(data, wanted) {
  if (!wanted) return data;
  const lit = new Set(data.nodes.filter((node) => node.name.toLowerCase().includes(wanted)).map(({ id }) => id));
  for (const [here, there] of [["from", "to"], ["to", "from"]]) {
    const queue = [...lit];
    const seen = new Set(queue);
    while (queue.length) {
      const id = queue.pop();
      for (const edge of data.edges) if (edge[here] === id && !seen.has(edge[there])) { seen.add(edge[there]); queue.push(edge[there]); }
    }
    seen.forEach((id) => lit.add(id));
  }
  return { nodes: data.nodes.filter(({ id }) => lit.has(id)), edges: data.edges.filter(({ from, to }) => lit.has(from) && lit.has(to)) };
}

export default async function lineage({ query, signal }) {
  let data = await api.get("lineage", { signal });
  let filter = query.get("filter") ?? "";
  let alone = query.get("alone") === "1";
  let view = query.get("view") ?? "graph";
  const graph = graphView();
  const lead = h("span");
  const wrap = h("div", { class: "graph-wrap", role: "region", "aria-label": "Graph of the lineage", tabindex: 0 }, graph);
  const nameOf = (id) => data.nodes.find((node) => node.id === id);
  const nodeLink = (id) => { const node = nameOf(id); return node ? h("a", { href: node.link || "#" }, node.name) : id; };
  const list = table({
    label: "Lineage", key: (row) => `${row.from} ${row.to}`, sort: { id: "from", down: false },
    columns: [
      { id: "from", title: "From", value: (row) => nameOf(row.from)?.name ?? row.from, cell: (row) => nodeLink(row.from) },
      { id: "fromKind", title: "which is a", low: true, value: (row) => kindNames[nameOf(row.from)?.kind] ?? "" },
      { id: "to", title: "To", value: (row) => nameOf(row.to)?.name ?? row.to, cell: (row) => nodeLink(row.to) },
      { id: "toKind", title: "which is a", low: true, value: (row) => kindNames[nameOf(row.to)?.kind] ?? "" },
      { id: "rate", title: "Records", end: true, value: (row) => row.rate, cell: (row) => rate(row.rate) },
      { id: "lag", title: "Lag", end: true, value: (row) => row.lag, cell: (row) => count(row.lag) },
    ],
    empty: () => emptyState("Nothing is connected", "Edges appear once a connector, a query or a group reads or writes a topic."),
  });
  const host = h("div", {});
  const legend = h("div", { class: "legend" }, Object.entries(kindNames).map(([kind, name]) => h("span", {}, s("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, s("rect", { class: `kind-${kind}`, width: 10, height: 10, rx: 3 })), name)));
  function show() {
    let shown = around(data, filter.toLowerCase());
    if (!alone) {
      const connected = new Set(shown.edges.flatMap(({ from, to }) => [from, to]));
      shown = { nodes: shown.nodes.filter(({ id, kind }) => connected.has(id) || kind !== "topic" && kind !== "group"), edges: shown.edges };
    }
    lead.textContent = `${plural(shown.nodes.length, "part")}, ${plural(shown.edges.length, "connection")}`;
    if (!shown.nodes.length) {
      fill(host, data.nodes.length ? emptyState("Nothing to draw", "No part has such a name, or nothing is connected yet. “Topics alone” shows those that nobody uses.")
        : emptyState("No pipeline yet", "Create a connector or a query: it appears here with what it reads and writes.", linkButton("New connector", "/connectors/new", { kind: "primary" }), linkButton("Write SQL", "/sql")));
      return;
    }
    if (view === "graph") { graph.update(shown); if (host.firstChild !== wrap) fill(host, wrap); } else { list.update(shown.edges); if (host.firstChild !== list) fill(host, list); }
  }
  show();
  poll(async () => { data = await api.get("lineage", { signal }); show(); }, 2000, signal);
  return h("div", {}, pageHead({ title: "Lineage", lead }),
    h("div", { class: "filters" }, h("div", { class: "field wide" }, searchInput("Only around…", filter, (value) => { filter = value; setQuery({ filter }); show(); })),
      checkbox("Topics alone", alone, (on) => { alone = on; setQuery({ alone: on ? "1" : null }); show(); }),
      segmented("Show as", [["graph", "Graph"], ["table", "Table"]], view, (next) => { view = next; setQuery({ view: next === "table" ? "table" : null }); show(); })),
    h("div", { class: "stack-s" }, host, legend));
}
