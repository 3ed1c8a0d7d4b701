// Records of topics as rows that open: key, value and headers as they were decoded.
import { api, path, queryOf } from "../api.js";
import { fill, h } from "../dom.js";
import { ago, bytes, stamp } from "../format.js";
import { icon } from "./icons.js";
import { colourJson, prettyJson } from "./json.js";
import { button, codeBlock, facts } from "./page.js";
import { note } from "./states.js";
import { act } from "./toast.js";

/** What is no text: null and a text without letters are told apart from those that say so. */
const nothing = (word) => h("i", { class: "muted" }, word);
const isNull = (field) => !field || field.format === "null";
const textOf = (field) => field.text ?? JSON.stringify(field.json ?? null);

/** A field in one line, from its beginning or from around what was looked for. */
function preview(field, limit, wanted) {
  if (isNull(field)) return nothing("null");
  const text = textOf(field);
  if (text === "") return nothing("empty");
  const at = wanted ? text.toLowerCase().indexOf(wanted.toLowerCase()) : -1;
  const from = Math.max(0, at - 60);
  const line = (start, end) => text.slice(start, end).replace(/\s+/g, " ");
  const end = from + limit;
  return [from ? "…" : "", at < 0 ? line(0, end) : [line(from, at), h("mark", {}, line(at, at + wanted.length)), line(at + wanted.length, end)], text.length > end ? "…" : ""];
}

/** `whole` asks for all of a field that was cut. */
function part(title, field, whole) {
  if (isNull(field)) return h("div", {}, h("h2", {}, title), h("p", { class: "muted" }, "null"));
  const host = h("div", { class: "stack-s" });
  function show(shown) {
    const text = textOf(shown);
    const pretty = ["json", "avro", "protobuf", "json-schema"].includes(shown.format) ? prettyJson(text) : null;
    const all = button("Show all of it", { small: true, icon: "down", "aria-label": `Show all of the ${title.toLowerCase()}`, click: () => act(all, whole).then((answer) => { if (answer) show(answer); }) });
    fill(host,
      h("div", { class: "row" }, h("h2", {}, title), h("span", { class: "badge" }, shown.format), shown.schema_id ? h("span", { class: "badge accent" }, `schema id ${shown.schema_id}`) : null),
      shown.problem ? note("warn", `Shown as it is, without a schema: ${shown.problem}.`) : null,
      text === "" ? h("p", { class: "muted" }, "empty: a text without letters") : codeBlock(pretty ? colourJson(pretty) : text, { text: pretty ?? text, label: title, wrap: true }),
      shown.cut ? h("div", { class: "row" }, h("span", { class: "muted small" }, `Only the first ${bytes(text.length)} are shown.`), whole ? all : null) : null);
  }
  show(field);
  return host;
}

/** The message again, with all of what is long. */
async function wholeMessage(topic, message, formats) {
  const answer = await api.get(path`topics/${topic}/messages` + queryOf({ partition: message.partition, from: `offset:${message.offset}`, limit: 1, whole: "true", ...formats }));
  const found = answer.messages.find(({ offset }) => offset === message.offset);
  if (!found) throw new Error("the message is gone: its topic does not keep it any longer");
  return found;
}

const headerFacts = (headers) => facts(headers.map(({ key, value }) => [
  key === "" ? nothing("no name") : h("code", {}, key),
  [h("code", { class: "break" }, preview(value, 2000)), value?.format === "bytes" ? [" ", h("span", { class: "badge" }, "bytes")] : null],
]));

function messageDetail(message, { topic, formats }) {
  const whole = (side) => (topic ? async () => (await wholeMessage(topic, message, formats))[side] : null);
  return h("div", { class: "detail" },
    facts([
      ["Partition, offset", h("span", { class: "num" }, `${message.partition}, ${message.offset}`)],
      ["Time", `${stamp(message.timestamp)} (${message.timestamp_type === "log-append" || message.timestamp_type === "LogAppendTime" ? "of the broker" : "of the producer"})`],
      message.size !== undefined ? ["Size", bytes(message.size)] : null,
    ]),
    part("Key", message.key, whole("key")), part("Value", message.value, whole("value")),
    message.headers?.length ? h("div", { class: "stack-s" }, h("h2", {}, "Headers"), headerFacts(message.headers)) : null);
}

/** One message of a topic as a list item. `mark` is highlighted; `formats` is how it was read; `extra` adds to the opened part. */
export function messageItem(message, { topic, formats, mark, extra, open = false } = {}) {
  const toggle = h("button", { type: "button", "aria-expanded": "false", on: { click: () => set(toggle.getAttribute("aria-expanded") !== "true") } },
    h("span", { class: "caret" }, icon("caret")),
    h("span", { class: "where" }, h("span", { class: "sr" }, "partition and offset "), `${message.partition}·${message.offset}`),
    h("span", { class: "when", title: ago(message.timestamp) }, stamp(message.timestamp).slice(0, -4)),
    h("span", { class: "key" }, h("span", { class: "sr" }, "key "), preview(message.key, 120, mark)),
    h("span", { class: "value" }, h("span", { class: "sr" }, "value "), preview(message.value, 400, mark)));
  const item = h("li", { class: "message" }, toggle);
  let detail = null;
  function set(next) {
    toggle.setAttribute("aria-expanded", String(next));
    if (next && !detail) { detail = messageDetail(message, { topic, formats }); if (extra) detail.append(extra(message)); item.append(detail); }
    if (detail) detail.hidden = !next;
  }
  if (open) set(true);
  return item;
}
