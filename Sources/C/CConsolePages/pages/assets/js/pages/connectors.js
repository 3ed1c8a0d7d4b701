// The list of connectors.
import { api, path } from "../api.js";
import { h } from "../dom.js";
import { plural } from "../format.js";
import { poll } from "../live.js";
import { setQuery } from "../router.js";
import { searchInput } from "../ui/form.js";
import { linkButton, pageHead } from "../ui/page.js";
import { emptyState, stateBadge } from "../ui/states.js";
import { table } from "../ui/table.js";

/** The page of a connector; "/connectors/new" is that of making one, also when one has this name. */
export const pageOf = (name) => path`/connectors/${name}` + (name === "new" ? "/status" : "");

export const shortClass = (name) => (name ?? "").split(".").pop().replace(/Connector$/, "");

/** A connector's state with its tasks in mind: a failed task makes it failed. */
export function overall(status) {
  const tasks = status?.tasks ?? [];
  if (tasks.some((task) => task.state === "FAILED")) return "FAILED";
  return status?.connector?.state ?? "unknown";
}

export default async function connectors({ query, signal }) {
  let filter = query.get("filter") ?? "";
  const load = async () => Object.entries(await api.get("connect/connectors?expand=status&expand=info", { signal })).map(([name, { status, info }]) => ({
    name, type: info?.type ?? status?.type ?? "unknown", plugin: shortClass(info?.config?.["connector.class"]), state: overall(status), trace: status?.connector?.trace,
    tasks: status?.tasks ?? [], topics: info?.config?.topics ?? info?.config?.["kafka.topic"] ?? info?.config?.topic ?? info?.config?.["topic.prefix"] ?? "",
  }));
  let all = await load();
  const lead = h("span");
  const fresh = linkButton("New connector", "/connectors/new", { kind: "primary", icon: "plus", "data-new": true });
  const list = table({
    label: "Connectors", key: (row) => row.name, sort: { id: "name", down: false },
    columns: [
      { id: "name", title: "Name", value: (row) => row.name, cell: (row) => h("a", { class: "name", href: pageOf(row.name) }, row.name) },
      { id: "state", title: "State", value: (row) => row.state, cell: (row) => stateBadge(row.state) },
      { id: "tasks", title: "Tasks", end: true, value: (row) => row.tasks.length, sig: (row) => row.tasks.map((task) => task.state).join(), cell: (row) => `${row.tasks.filter((task) => task.state === "RUNNING").length} of ${row.tasks.length}` },
      { id: "type", title: "Kind", low: true, value: (row) => row.type },
      { id: "plugin", title: "Plugin", low: true, value: (row) => row.plugin },
      { id: "topics", title: "Topics", low: true, value: (row) => row.topics || "–" },
    ],
    empty: () => (all.length ? emptyState("No connector has such a name", "Change the filter.")
      : emptyState("No connectors yet", "A connector brings data in from a database or a generator, or takes it out to a search index, a data lake or a webhook.", linkButton("New connector", "/connectors/new", { kind: "primary", icon: "plus" }))),
  });
  const show = () => {
    const wanted = filter.toLowerCase();
    const rows = all.filter((row) => `${row.name} ${row.plugin} ${row.topics}`.toLowerCase().includes(wanted));
    const broken = all.filter((row) => row.state === "FAILED").length;
    lead.textContent = plural(rows.length, "connector") + (broken ? `, ${broken} failed` : "");
    list.update(rows);
  };
  show();
  poll(async () => { all = await load(); show(); }, 3000, signal);
  return h("div", {}, pageHead({ title: "Connectors", lead, actions: [fresh] }),
    h("div", { class: "filters" }, h("div", { class: "field wide" }, searchInput("Filter by name, plugin or topic", filter, (value) => { filter = value; setQuery({ filter }); show(); }))), list);
}
