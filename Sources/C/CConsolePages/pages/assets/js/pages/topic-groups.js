// Who reads a topic.
import { path } from "../api.js";
import { h } from "../dom.js";
import { count } from "../format.js";
import { emptyState } from "../ui/states.js";
import { table } from "../ui/table.js";

export default function groups(_, topic) {
  if (!topic.groups?.length) return emptyState("No consumer group reads this topic", "Groups appear once they have joined or committed an offset. Programs that read without a group are not seen here.");
  return table({
    label: "Consumer groups of the topic", key: (row) => row.id, rows: topic.groups, sort: { id: "lag", down: true },
    columns: [
      { id: "id", title: "Group", value: (row) => row.id, cell: (row) => h("a", { class: "name", href: path`/groups/${row.id}` }, row.id) },
      { id: "lag", title: "Lag", end: true, value: (row) => row.lag, cell: (row) => count(row.lag) },
    ],
  });
}
