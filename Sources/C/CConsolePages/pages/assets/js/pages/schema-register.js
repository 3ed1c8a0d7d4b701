// Registering a schema: first what it would break, then the registration.
import { api, path } from "../api.js";
import { fill, h } from "../dom.js";
import { count } from "../format.js";
import { field, numberInput, select, textInput } from "../ui/form.js";
import { prettyJson } from "../ui/json.js";
import { button } from "../ui/page.js";
import { describe, note } from "../ui/states.js";
import { done as say } from "../ui/toast.js";

const start = {
  AVRO: '{\n  "type": "record",\n  "name": "Example",\n  "fields": [\n    {"name": "id", "type": "long"},\n    {"name": "note", "type": ["null", "string"], "default": null}\n  ]\n}',
  PROTOBUF: 'syntax = "proto3";\n\nmessage Example {\n  int64 id = 1;\n  string note = 2;\n}\n',
  JSON: '{\n  "type": "object",\n  "properties": {\n    "id": {"type": "integer"},\n    "note": {"type": "string"}\n  },\n  "required": ["id"]\n}',
};
/** What may notice a change: in this order, with the page that shows one of them. */
const readers = {
  query: ["Queries", (name) => path`/queries/${name}`],
  stream: ["Streams", (name) => describing(name)],
  table: ["Tables", (name) => describing(name)],
  connector: ["Connectors", (name) => path`/connectors/${name}`],
  "consumer-group": ["Consumer groups", (name) => path`/groups/${name}`],
  schema: ["Schemas", (name) => path`/schemas/${name}`],
  topic: ["Topics", (name) => path`/topics/${name}`],
};
const tones = { breaks: "bad", changes: "warn" };
const describing = (name) => `/sql?run=1&sql=${encodeURIComponent(`DESCRIBE ${/^[A-Z_][A-Z0-9_]*$/.test(name) ? name : `\`${name.replaceAll("`", "``")}\``};`)}`;
const titleOf = (kind) => readers[kind]?.[0] ?? (kind ? kind.charAt(0).toUpperCase() + kind.slice(1).replaceAll("-", " ") : "Others");

/** Who would notice, by kind; kinds that this page does not know have no links. */
function impactList(impact) {
  const byKind = new Map(Object.keys(readers).map((kind) => [kind, []]));
  for (const entry of impact) {
    if (!byKind.has(entry.kind)) byKind.set(entry.kind, []);
    byKind.get(entry.kind).push(entry);
  }
  return h("div", { class: "stack-s" }, h("h2", {}, `Who would notice: ${count(impact.length)}`),
    [...byKind].filter(([, entries]) => entries.length).map(([kind, entries]) => h("section", { class: "stack-s", "aria-label": titleOf(kind) },
      h("h3", {}, titleOf(kind), " ", h("span", { class: "badge" }, String(entries.length))),
      h("ul", { class: "stack-s" }, entries.map(({ name, severity, reason }) => {
        const to = readers[kind]?.[1](name);
        return h("li", {}, h("span", { class: "row" }, to ? h("a", { href: to }, name) : h("strong", { class: "break" }, name), severity ? h("span", { class: `badge ${tones[severity] ?? ""}` }, severity) : null),
          reason ? h("div", { class: "muted small break" }, reason) : null);
      })))));
}

export function impactView(answer) {
  const parts = [];
  if (answer.is_compatible) parts.push(note("ok", "Compatible: what is registered can be replaced by this."));
  else parts.push(note("error", h("strong", {}, "Not compatible."), answer.messages?.length ? h("ul", {}, answer.messages.map((text) => h("li", { class: "break small" }, text))) : null));
  if (answer.impact) parts.push(answer.impact.length ? impactList(answer.impact) : note("info", "Nobody who uses this subject would notice."));
  // Parts of the platform that could not be asked: what they use may be missing above.
  const silent = answer.notAsked ?? [];
  if (silent.length) parts.push(note("warn", "Not everybody was asked.", h("ul", {}, silent.map((entry) => h("li", { class: "break small" }, `${entry.part}: ${entry.reason}`)))));
  return parts;
}

/** The form; with `subject` for a new version of it, starting from `latest`. `done(subject)` is called after a registration. */
export function registerForm({ subject, latest, done }) {
  const name = textInput({ value: subject ?? "", placeholder: "orders-value" });
  const kind = select([["AVRO", "Avro"], ["PROTOBUF", "Protobuf"], ["JSON", "JSON Schema"]], latest?.schemaType ?? "AVRO", { disabled: Boolean(latest) });
  const text = h("textarea", { rows: 16, spellcheck: "false", value: latest ? prettyJson(latest.schema) ?? latest.schema : start.AVRO });
  const answer = h("div", { class: "stack-s", role: "status" });
  const textField = field("Schema", text, { required: true });
  const nameField = field("Subject", name, { required: true, hint: "By convention TOPIC-key or TOPIC-value." });
  let untouched = !latest;
  text.addEventListener("input", () => { untouched = false; });
  kind.addEventListener("change", () => { if (untouched) text.value = start[kind.value]; });
  const references = h("div", { class: "stack-s" });
  const addReference = (given = {}) => {
    const inputs = [textInput({ "aria-label": "Name of the reference", placeholder: "name in the schema", value: given.name ?? "" }), textInput({ "aria-label": "Subject of the reference", placeholder: "subject", value: given.subject ?? "" }),
      numberInput({ "aria-label": "Version of the reference", placeholder: "newest", min: 1, value: given.version ?? "" })];
    for (const input of inputs) { input.style.flex = "1 1 120px"; input.style.width = "auto"; }
    const row = h("div", { class: "row", role: "group", "aria-label": "Reference" }, inputs, button("Remove", { small: true, click: () => row.remove() }));
    row.read = () => inputs.map((input) => input.value.trim());
    references.append(row);
    return row;
  };
  latest?.references?.forEach(addReference);
  const body = async () => {
    const rows = [...references.children].map((row) => row.read()).filter((parts) => parts.some(Boolean));
    const wrong = rows.find(([name, of]) => !name || !of);
    if (wrong) throw new Error("a reference needs a name, as it stands in the schema, and a subject");
    const read = await Promise.all(rows.map(async ([name, of, version]) => ({ name, subject: of, version: version ? Number(version) : (await api.get(path`registry/subjects/${of}/versions/latest`)).version })));
    return { schema: text.value, schemaType: kind.value, ...(read.length ? { references: read } : {}) };
  };
  const target = () => (subject ?? name.value.trim());
  const named = () => { nameField.problem(target() ? null : "A subject needs a name."); if (!target()) name.focus(); return Boolean(target()); };
  const check = async () => {
    if (!named()) return;
    let wanted;
    try { wanted = await body(); } catch (error) { fill(answer, note("error", describe(error))); return; }
    try {
      fill(answer, impactView(await api.post(path`registry/compatibility/subjects/${target()}/versions` + "?verbose=true&impact=true", wanted)));
    } catch (error) {
      fill(answer, error.status === 404 && error.code !== 40401 ? note("info", "The subject is new: there is nothing to be compatible with.")
        : error.code === 40401 ? note("info", "The subject is new: there is nothing to be compatible with.") : note("error", describe(error)));
    }
  };
  const submit = h("button", { type: "submit", class: "button primary" }, "Register");
  return h("form", { class: "stack", on: { submit: async (event) => {
    event.preventDefault();
    if (!named()) return;
    submit.disabled = true;
    try {
      const { id } = await api.post(path`registry/subjects/${target()}/versions`, await body());
      say(`Registered under id ${id}.`);
      done(target());
    } catch (error) {
      fill(answer, note("error", describe(error)));
    } finally {
      submit.disabled = false;
    }
  } } }, subject ? field("Type", kind) : h("div", { class: "fields" }, nameField, field("Type", kind)), textField,
  h("details", { open: Boolean(latest?.references?.length) }, h("summary", {}, "References to other schemas"), h("div", { class: "stack-s" },
    h("p", { class: "muted small" }, "For Avro the full name of a type, for Protobuf the path of an import, for JSON Schema what stands in $ref."), references,
    h("div", { class: "row" }, button("Add a reference", { small: true, icon: "plus", click: () => addReference().querySelector("input").focus() })))), answer,
  h("div", { class: "row end" }, button("Check compatibility and impact", { click: check }), submit));
}
