// The list of consumer groups.
import { api, path } from "../api.js";
import { h } from "../dom.js";
import { count, plural } from "../format.js";
import { poll } from "../live.js";
import { setQuery } from "../router.js";
import { searchInput } from "../ui/form.js";
import { pageHead } from "../ui/page.js";
import { emptyState, stateBadge } from "../ui/states.js";
import { table } from "../ui/table.js";

export default async function groups({ query, signal }) {
  let filter = query.get("filter") ?? "";
  let all = await api.get("groups", { signal });
  const lead = h("span");
  const list = table({
    label: "Consumer groups", key: (row) => row.id, sort: { id: "id", down: false },
    columns: [
      { id: "id", title: "Group", value: (row) => row.id, cell: (row) => h("a", { class: "name", href: path`/groups/${row.id}` }, row.id) },
      { id: "state", title: "State", value: (row) => row.state, cell: (row) => stateBadge(row.state) },
      { id: "lag", title: "Lag", end: true, value: (row) => row.lag, cell: (row) => count(row.lag) },
      { id: "members", title: "Members", end: true, low: true, value: (row) => row.members, cell: (row) => count(row.members) },
      { id: "topics", title: "Topics", low: true, value: (row) => (row.topics ?? []).join(", ") || "–" },
      { id: "protocol", title: "Protocol", low: true, value: (row) => row.protocol || "–" },
    ],
    empty: () => (all.length ? emptyState("No group has such a name", "Change the filter.")
      : emptyState("No consumer groups yet", "A group appears when its first member joins. Try: swiftwater consume TOPIC --group demo")),
  });
  const show = () => {
    const wanted = filter.toLowerCase();
    const rows = all.filter((row) => row.id.toLowerCase().includes(wanted) || (row.topics ?? []).some((name) => name.toLowerCase().includes(wanted)));
    lead.textContent = plural(rows.length, "group");
    list.update(rows);
  };
  show();
  poll(async () => { all = await api.get("groups", { signal }); show(); }, 3000, signal);
  return h("div", {}, pageHead({ title: "Consumer groups", lead }),
    h("div", { class: "filters" }, h("div", { class: "field wide" }, searchInput("Filter by group or topic", filter, (value) => { filter = value; setQuery({ filter }); show(); }))), list);
}
