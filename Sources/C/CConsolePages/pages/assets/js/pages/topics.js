// The list of topics, and a new one.
import { api, path } from "../api.js";
import { h } from "../dom.js";
import { bytes, count, plural, rate } from "../format.js";
import { poll } from "../live.js";
import { navigate, setQuery } from "../router.js";
import { formDialog } from "../ui/dialog.js";
import { checkbox, field, numberInput, searchInput, select, textInput } from "../ui/form.js";
import { button, pageHead } from "../ui/page.js";
import { emptyState } from "../ui/states.js";
import { table } from "../ui/table.js";
import { done } from "../ui/toast.js";

const legal = (name) => {
  if (!name) return "a topic needs a name";
  if (name === "." || name === "..") return "a topic cannot be named . or ..";
  if (name.length > 249) return "a name has at most 249 characters";
  return /^[A-Za-z0-9._-]+$/.test(name) ? null : "a name is made of letters, digits, dot, underscore and hyphen";
};

export async function newTopic() {
  const name = textInput({ required: true });
  const nameField = field("Name", name, { required: true, hint: "Letters, digits, dot, underscore, hyphen." });
  const partitions = numberInput({ value: "1", min: 1, max: 10000 });
  const replication = numberInput({ value: "1", min: 1, max: 10 });
  const cleanup = select([["delete", "delete: old records go"], ["compact", "compact: the last value of each key stays"], ["compact,delete", "compact and delete"]], "delete");
  const retention = select([["", "the broker's default"], ["3600000", "1 hour"], ["86400000", "1 day"], ["604800000", "7 days"], ["2592000000", "30 days"], ["-1", "for ever"]], "");
  const made = await formDialog({
    title: "New topic", action: "Create topic",
    body: [nameField, h("div", { class: "fields" }, field("Partitions", partitions), field("Replicas", replication), field("Cleanup", cleanup), field("Keep records", retention))],
    submit: async () => {
      const problem = legal(name.value.trim());
      nameField.problem(problem);
      if (problem) { name.focus(); throw new Error(problem); }
      const configs = {};
      if (cleanup.value !== "delete") configs["cleanup.policy"] = cleanup.value;
      if (retention.value) configs["retention.ms"] = retention.value;
      await api.post("topics", { name: name.value.trim(), partitions: Number(partitions.value), replication_factor: Number(replication.value), configs });
      return name.value.trim();
    },
  });
  if (made) {
    done(`Topic "${made}" is there.`);
    navigate(path`/topics/${made}`);
  }
}

const columns = [
  { id: "name", title: "Name", value: (row) => row.name, cell: (row) => h("a", { class: "name", href: path`/topics/${row.name}` }, row.name) },
  { id: "rate", title: "Rate", end: true, value: (row) => row.rate ?? 0, cell: (row) => rate(row.rate ?? 0) },
  { id: "messages", title: "Messages", end: true, value: (row) => row.messages, cell: (row) => count(row.messages) },
  { id: "size", title: "Size", end: true, low: true, value: (row) => row.log_bytes, cell: (row) => bytes(row.log_bytes) },
  { id: "partitions", title: "Partitions", end: true, low: true, value: (row) => row.partitions, cell: (row) => count(row.partitions) },
  { id: "replicas", title: "Replicas", end: true, low: true, value: (row) => row.replication_factor, cell: (row) => count(row.replication_factor) },
  { id: "cleanup", title: "Cleanup", low: true, value: (row) => row.cleanup_policy },
];

export default async function topics({ query, signal }) {
  let filter = query.get("filter") ?? "";
  let internal = query.get("internal") === "1";
  let all = await api.get("topics", { signal });
  const lead = h("span");
  const list = table({
    label: "Topics", columns, key: (row) => row.name, sort: { id: "name", down: false },
    empty: () => (all.some((row) => !row.internal) || internal
      ? emptyState("No topic has such a name", "Change the filter, or show internal topics too.")
      : emptyState("No topics yet", "Topics hold the records. Make one here, let a connector make it, or point a producer at this broker.", button("New topic", { kind: "primary", icon: "plus", click: newTopic }))),
  });
  const show = () => {
    const wanted = filter.toLowerCase();
    const rows = all.filter((row) => (internal || !row.internal) && row.name.toLowerCase().includes(wanted));
    lead.textContent = `${plural(rows.length, "topic")}${rows.length !== all.length ? ` of ${count(all.length)}` : ""}`;
    list.update(rows);
  };
  show();
  poll(async () => { all = await api.get("topics", { signal }); show(); }, 3000, signal);
  if (query.has("new")) { setQuery({ new: null }); queueMicrotask(newTopic); }
  return h("div", {},
    pageHead({ title: "Topics", lead, actions: [button("New topic", { kind: "primary", icon: "plus", click: newTopic, "data-new": true })] }),
    h("div", { class: "filters" },
      h("div", { class: "field wide" }, searchInput("Filter by name", filter, (value) => { filter = value; setQuery({ filter }); show(); })),
      checkbox("Internal topics", internal, (value) => { internal = value; setQuery({ internal: value ? "1" : null }); show(); })),
    list);
}
