// Writing one record to a topic.
import { api, path } from "../api.js";
import { h } from "../dom.js";
import { draftOf, keepDraft } from "../drafts.js";
import { field, numberInput, select, textInput } from "../ui/form.js";
import { button } from "../ui/page.js";
import { describe, note } from "../ui/states.js";

const formats = [["string", "Text"], ["json", "JSON"], ["avro", "Avro, by the registry"], ["protobuf", "Protobuf, by the registry"], ["json-schema", "JSON with schema, by the registry"], ["long", "64-bit integer"], ["bytes", "Bytes, in hexadecimal"], ["null", "Null"]];
const withSchema = new Set(["avro", "protobuf", "json-schema"]);

function side(name, subject, kind, rows) {
  const format = select(formats, kind);
  const text = h("textarea", { rows, spellcheck: "false", autocomplete: "off" });
  const subjectInput = textInput({ value: subject });
  const textField = field(name, text);
  const subjectField = field("Subject", subjectInput, { hint: "Its newest schema is used." });
  const show = () => { subjectField.hidden = !withSchema.has(format.value); textField.hidden = format.value === "null"; };
  format.addEventListener("change", show);
  show();
  return {
    element: h("fieldset", { class: "stack-s" }, h("legend", { class: "sr" }, name), h("div", { class: "fields" }, field(`${name} is`, format), subjectField), textField),
    format, text,
    get draft() { return { format: format.value, text: text.value, subject: subjectInput.value }; },
    set draft(draft) { format.value = draft.format; text.value = draft.text; subjectInput.value = draft.subject; show(); },
    read: () => {
      textField.problem(null);
      if (format.value === "null") return null;
      if (format.value === "json" || withSchema.has(format.value)) {
        try { JSON.parse(text.value); } catch (error) {
          textField.problem(`This is not JSON: ${error.message}`);
          text.focus();
          throw new Error(`the ${name.toLowerCase()} is not JSON`);
        }
      }
      return { format: format.value, text: text.value, ...(withSchema.has(format.value) ? { subject: subjectInput.value.trim() } : {}) };
    },
  };
}

export default async function produce({ signal }, topic) {
  const subjects = await api.get("registry/subjects", { signal }).catch(() => []);  // no registry: no schemas to offer
  const kindOf = async (subject) => {
    if (!subjects.includes(subject)) return null;
    const latest = await api.get(path`registry/subjects/${subject}/versions/latest`, { signal }).catch(() => null);
    return latest ? { AVRO: "avro", PROTOBUF: "protobuf", JSON: "json-schema" }[latest.schemaType ?? "AVRO"] : null;
  };
  const [keyKind, valueKind] = await Promise.all([kindOf(`${topic.name}-key`), kindOf(`${topic.name}-value`)]);
  const key = side("Key", `${topic.name}-key`, keyKind ?? "string", 2);
  const value = side("Value", `${topic.name}-value`, valueKind ?? "json", 9);
  const partition = select([["", "by the key"], ...topic.partitions.map(({ id }) => [String(id), String(id)])], "");
  const times = numberInput({ value: "1", min: 1, max: 1000 });
  const headers = h("div", { class: "stack-s" });
  const inputsOf = (row) => row.querySelectorAll("input");
  const addHeader = (name = "", content = "") => {
    const row = h("div", { class: "row", role: "group", "aria-label": "Header" },
      textInput({ "aria-label": "Header name", placeholder: "name", value: name }), textInput({ "aria-label": "Header value", placeholder: "value", value: content }),
      button("Remove", { small: true, click: () => { row.remove(); keep(); } }));
    for (const input of inputsOf(row)) { input.style.flex = "1 1 120px"; input.style.width = "auto"; }
    headers.append(row);
    return row;
  };
  const readHeaders = () => [...headers.children].map((row) => {
    const [name, content] = inputsOf(row);
    if (!name.value && content.value) {
      name.focus();
      throw new Error("a header has a value and no name: name it, or remove it");
    }
    return { key: name.value, value: content.value };
  }).filter((entry) => entry.key);
  // What is half written stays while one looks at other pages.
  const draftName = `produce.${topic.name}`;
  const keep = () => keepDraft(draftName, JSON.stringify({ key: key.draft, value: value.draft, partition: partition.value, times: times.value, headers: [...headers.children].map((row) => [...inputsOf(row)].map((input) => input.value)) }), { own: true });
  let draft = null;
  try { draft = JSON.parse(draftOf(draftName) ?? "null"); } catch { /* a damaged draft is as good as none */ }
  if (draft) {
    key.draft = draft.key;
    value.draft = draft.value;
    if ([...partition.options].some((option) => option.value === draft.partition)) partition.value = draft.partition;
    times.value = draft.times;
    for (const [name, content] of draft.headers) addHeader(name, content);
  }
  const answer = h("div", { role: "status" });
  const send = h("button", { type: "submit", class: "button primary" }, "Send");
  const form = h("form", { class: "stack card body", on: { input: () => keep(), submit: async (event) => {
    event.preventDefault();
    send.disabled = true;
    try {
      const keyValue = key.format.value !== "null" && key.text.value === "" && key.format.value === "string" ? null : key.read();
      const body = { key: keyValue, value: value.read(), headers: readHeaders() };
      if (partition.value !== "") body.partition = Number(partition.value);
      let last = null;
      const amount = Math.min(1000, Math.max(1, Number(times.value) || 1));
      for (let at = 0; at < amount; at += 1) last = await api.post(path`topics/${topic.name}/messages`, body);
      const link = path`/topics/${topic.name}` + `?from=offset&offset=${last.offset}&partition=${last.partition}`;
      answer.replaceChildren(note("ok", amount === 1 ? "Written to " : `${amount} written, the last to `, h("a", { href: link }, `partition ${last.partition}, offset ${last.offset}`), "."));
    } catch (error) {
      answer.replaceChildren(note("error", describe(error)));
    } finally {
      send.disabled = false;
    }
  } } }, h("div", { class: "columns" }, key.element, value.element),
  h("div", { class: "stack-s" }, h("div", { class: "row" }, h("h2", {}, "Headers"), button("Add a header", { small: true, icon: "plus", click: () => inputsOf(addHeader())[0].focus() })), headers),
  h("div", { class: "fields" }, field("Partition", partition), field("How many times", times)),
  answer, h("div", { class: "row" }, send, h("span", { class: "muted small" }, "An empty key is no key.")));
  return form;
}
