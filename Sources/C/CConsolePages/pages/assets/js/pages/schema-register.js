// Registering a schema: first what it would break, then the registration.
import { api, path } from "../api.js";
import { fill, h } from "../dom.js";
import { plural } from "../format.js";
import { field, select, textInput } from "../ui/form.js";
import { prettyJson } from "../ui/json.js";
import { button } from "../ui/page.js";
import { describe, note } from "../ui/states.js";
import { done as say } from "../ui/toast.js";

const start = {
  AVRO: '{\n  "type": "record",\n  "name": "Example",\n  "fields": [\n    {"name": "id", "type": "long"},\n    {"name": "note", "type": ["null", "string"], "default": null}\n  ]\n}',
  PROTOBUF: 'syntax = "proto3";\n\nmessage Example {\n  int64 id = 1;\n  string note = 2;\n}\n',
  JSON: '{\n  "type": "object",\n  "properties": {\n    "id": {"type": "integer"},\n    "note": {"type": "string"}\n  },\n  "required": ["id"]\n}',
};
const kinds = { "consumer-group": "consumer group" };

export function impactView(answer) {
  const parts = [];
  if (answer.is_compatible) parts.push(note("ok", "Compatible: what is registered can be replaced by this."));
  else parts.push(note("error", h("strong", {}, "Not compatible."), answer.messages?.length ? h("ul", {}, answer.messages.map((text) => h("li", { class: "break small" }, text))) : null));
  if (answer.impact) {
    parts.push(answer.impact.length
      ? h("div", { class: "stack-s" }, h("h2", {}, `Who would notice: ${plural(answer.impact.length, "reader")}`), h("ul", { class: "stack-s" }, answer.impact.map(({ kind, name, reason, severity }) =>
        h("li", {}, h("span", { class: "badge" }, kinds[kind] ?? kind), " ", severity === "breaks" ? h("span", { class: "badge bad" }, "breaks") : null, " ", kind === "consumer-group" ? h("a", { href: path`/groups/${name}` }, name) : kind === "schema" ? h("a", { href: path`/schemas/${name}` }, name) : h("strong", {}, name), h("div", { class: "muted small break" }, reason)))))
      : note("info", "No reader of this subject is known."));
    for (const { part, reason } of answer.notAsked ?? []) parts.push(note("info", `Not asked: ${part}: ${reason}`));
  }
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
  const body = () => ({ schema: text.value, schemaType: kind.value, ...(latest?.references?.length ? { references: latest.references } : {}) });
  const target = () => (subject ?? name.value.trim());
  const named = () => { nameField.problem(target() ? null : "A subject needs a name."); if (!target()) name.focus(); return Boolean(target()); };
  const check = async () => {
    if (!named()) return;
    try {
      fill(answer, impactView(await api.post(path`registry/compatibility/subjects/${target()}/versions` + "?verbose=true&impact=true", body())));
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
      const { id } = await api.post(path`registry/subjects/${target()}/versions`, body());
      say(`Registered under id ${id}.`);
      done(target());
    } catch (error) {
      fill(answer, note("error", describe(error)));
    } finally {
      submit.disabled = false;
    }
  } } }, subject ? field("Type", kind) : h("div", { class: "fields" }, nameField, field("Type", kind)), textField, answer,
  h("div", { class: "row end" }, button("Check compatibility and impact", { click: check }), submit));
}
