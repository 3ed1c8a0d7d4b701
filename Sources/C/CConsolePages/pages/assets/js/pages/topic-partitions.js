// The partitions of a topic: offsets, sizes, leaders; more of them, and cutting them off at the front.
import { api, path } from "../api.js";
import { h } from "../dom.js";
import { bytes, count, known } from "../format.js";
import { confirmDialog, formDialog } from "../ui/dialog.js";
import { field, numberInput } from "../ui/form.js";
import { button } from "../ui/page.js";
import { table } from "../ui/table.js";
import { done } from "../ui/toast.js";

export default function partitions({ reload }, topic) {
  const more = async () => {
    const amount = numberInput({ value: String(topic.partitions.length + 1), min: topic.partitions.length + 1 });
    const made = await formDialog({
      title: "Add partitions", action: "Add",
      body: [h("p", {}, "Partitions can be added, never taken away. Records of a key that is written again may go to another partition than before."), field("Partitions in all", amount)],
      submit: () => api.post(path`topics/${topic.name}/partitions`, { count: Number(amount.value) }).then(() => true),
    });
    if (made) { done("Partitions were added."); reload(); }
  };
  const empty = async () => {
    const gone = await confirmDialog({
      title: "Delete all records?", action: "Delete records", type: topic.name, text: "The topic stays with its configuration, its records go.",
      submit: () => api.post(path`topics/${topic.name}/truncate`, Object.fromEntries(topic.partitions.map(({ id, end_offset: end }) => [id, end]))),
    });
    if (gone) { done("The records are gone."); reload(); }
  };
  const columns = [
    { id: "id", title: "Partition", value: (row) => row.id, cell: (row) => h("a", { href: `${path`/topics/${topic.name}`}?partition=${row.id}` }, `Partition ${row.id}`) },
    { id: "start", title: "First offset", end: true, value: (row) => row.start_offset, cell: (row) => count(row.start_offset) },
    { id: "end", title: "Next offset", end: true, value: (row) => row.end_offset, cell: (row) => count(row.end_offset) },
    { id: "messages", title: "Messages", end: true, value: (row) => row.end_offset - row.start_offset, cell: (row) => count(row.end_offset - row.start_offset) },
    { id: "size", title: "Size", end: true, value: (row) => row.log_bytes, cell: (row) => bytes(row.log_bytes) },
    { id: "leader", title: "Leader", end: true, low: true, value: (row) => row.leader, cell: (row) => (known(row.leader) ? `broker ${row.leader}` : "none") },
  ];
  return h("div", { class: "stack-s" },
    h("div", { class: "row end" }, button("Add partitions", { icon: "plus", click: more }), button("Delete records", { kind: "danger", icon: "trash", click: empty })),
    table({ label: "Partitions", columns, key: (row) => row.id, rows: topic.partitions, sort: { id: "id", down: false } }));
}
