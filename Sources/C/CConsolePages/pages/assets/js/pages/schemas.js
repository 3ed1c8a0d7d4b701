// The list of subjects of the schema registry.
import { api, path } from "../api.js";
import { h } from "../dom.js";
import { count, plural } from "../format.js";
import { navigate, setQuery } from "../router.js";
import { checkbox, searchInput } from "../ui/form.js";
import { button, pageHead } from "../ui/page.js";
import { emptyState } from "../ui/states.js";
import { table } from "../ui/table.js";
import { dialog } from "../ui/dialog.js";
import { registerForm } from "./schema-register.js";

function newSchema() {
  const view = dialog({ title: "Register a schema", wide: true, body: registerForm({ done: (subject) => { view.close(); navigate(path`/schemas/${subject}`); } }) });
}

const kinds = { AVRO: "Avro", PROTOBUF: "Protobuf", JSON: "JSON Schema" };

// The newest version of each subject, by its name, in as many pages as the registry makes of the list. They may be shorter
// than what is asked for.
async function latestVersions(subjects, signal) {
  const known = new Map();
  for (;;) {
    const offset = known.size ? `&offset=${known.size}` : "";
    let page;
    // An older registry has no such list; names will do.
    try { page = await api.get(`registry/schemas?subjectPrefix=%3A*%3A&latestOnly=true&limit=1000${offset}`, { signal }); } catch { return { known, isWhole: false }; }
    const before = known.size;
    for (const entry of page) known.set(entry.subject, entry);
    if (known.size === before || known.size >= (await subjects).length) return { known, isWhole: true };
  }
}

export default async function schemas({ query, signal, reload }) {
  let filter = query.get("filter") ?? "";
  const deleted = query.get("deleted") === "1";
  const names = api.get(`registry/subjects${deleted ? "?deleted=true" : ""}`, { signal });
  const [subjects, latest] = await Promise.all([names, latestVersions(names, signal)]);
  const all = subjects.map((subject) => {
    const found = latest.known.get(subject);
    const missing = latest.isWhole ? "deleted" : "unknown";
    return { subject, version: found?.version ?? null, id: found?.id ?? null, kind: found ? kinds[found.schemaType ?? "AVRO"] ?? found.schemaType : missing };
  });
  const lead = h("span");
  const list = table({
    label: "Subjects", key: (row) => row.subject, sort: { id: "subject", down: false },
    columns: [
      { id: "subject", title: "Subject", value: (row) => row.subject, cell: (row) => h("a", { class: "name", href: path`/schemas/${row.subject}` }, row.subject) },
      { id: "kind", title: "Type", value: (row) => row.kind, cell: (row) => h("span", { class: "badge" }, row.kind) },
      { id: "version", title: "Version", end: true, value: (row) => row.version, cell: (row) => count(row.version) },
      { id: "id", title: "Id", end: true, low: true, value: (row) => row.id, cell: (row) => count(row.id) },
    ],
    empty: () => (all.length ? emptyState("No subject has such a name", "Change the filter.")
      : emptyState("No schemas yet", "Schemas say what records look like and keep producers and consumers in step. Register one, or let a serializer do it.", button("Register a schema", { kind: "primary", icon: "plus", click: newSchema }))),
  });
  const show = () => {
    const rows = all.filter((row) => row.subject.toLowerCase().includes(filter.toLowerCase()));
    lead.textContent = plural(rows.length, "subject");
    list.update(rows);
  };
  show();
  if (query.has("new")) { setQuery({ new: null }); queueMicrotask(newSchema); }
  return h("div", {}, pageHead({ title: "Schemas", lead, actions: [button("Register a schema", { kind: "primary", icon: "plus", click: newSchema, "data-new": true })] }),
    h("div", { class: "filters" }, h("div", { class: "field wide" }, searchInput("Filter by subject", filter, (value) => { filter = value; setQuery({ filter }); show(); })),
      checkbox("Deleted ones too", deleted, (on) => { setQuery({ deleted: on ? "1" : null }); reload(); })), list);
}
