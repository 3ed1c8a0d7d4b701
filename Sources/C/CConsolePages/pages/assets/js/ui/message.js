// Records of topics as rows that open: key, value and headers as they were decoded.
import { h } from "../dom.js";
import { ago, bytes, stamp } from "../format.js";
import { icon } from "./icons.js";
import { colourJson, prettyJson } from "./json.js";
import { codeBlock, facts } from "./page.js";

/** A short text of a field in one line. */
export function preview(field, limit = 400) {
  if (!field || field.format === "null") return "null";
  const text = field.text ?? (field.json !== undefined ? JSON.stringify(field.json) : "");
  return text.length > limit ? `${text.slice(0, limit)}…` : text.replace(/\s+/g, " ");
}

function marked(text, wanted) {
  if (!wanted) return text;
  const at = text.toLowerCase().indexOf(wanted.toLowerCase());
  if (at < 0) return text;
  const from = Math.max(0, at - 60);
  return [from ? "…" : "", text.slice(from, at), h("mark", {}, text.slice(at, at + wanted.length)), text.slice(at + wanted.length)];
}

function part(title, field, extra) {
  if (!field || field.format === "null") return h("div", {}, h("h3", {}, title), h("p", { class: "muted" }, "null"));
  const text = field.text ?? JSON.stringify(field.json ?? null);
  const pretty = ["json", "avro", "protobuf", "json-schema"].includes(field.format) ? prettyJson(text) : null;
  return h("div", { class: "stack-s" },
    h("div", { class: "row" }, h("h3", {}, title), h("span", { class: "badge" }, field.format), field.schema_id ? h("span", { class: "badge accent" }, `schema id ${field.schema_id}`) : null, extra),
    codeBlock(pretty ? colourJson(pretty) : text, { text: pretty ?? text, label: title, wrap: true }));
}

export function messageDetail(message) {
  return h("div", { class: "detail" },
    facts([
      ["Partition, offset", h("span", { class: "num" }, `${message.partition}, ${message.offset}`)],
      ["Time", `${stamp(message.timestamp)} (${message.timestamp_type === "log-append" || message.timestamp_type === "LogAppendTime" ? "of the broker" : "of the producer"})`],
      message.size !== undefined ? ["Size", bytes(message.size)] : null,
    ]),
    part("Key", message.key), part("Value", message.value),
    message.headers?.length ? h("div", { class: "stack-s" }, h("h3", {}, "Headers"), facts(message.headers.map(({ key, value }) => [h("code", {}, key), h("code", { class: "break" }, preview(value, 2000))]))) : null);
}

/** One message as a list item. `mark` is highlighted; `extra` adds to the opened part. */
export function messageItem(message, { mark, extra, open = false } = {}) {
  const toggle = h("button", { type: "button", "aria-expanded": "false", on: { click: () => set(toggle.getAttribute("aria-expanded") !== "true") } },
    h("span", { class: "caret" }, icon("caret")),
    h("span", { class: "where" }, h("span", { class: "sr" }, "partition and offset "), `${message.partition}·${message.offset}`),
    h("span", { class: "when", title: ago(message.timestamp) }, stamp(message.timestamp).slice(0, -4)),
    h("span", { class: "key" }, h("span", { class: "sr" }, "key "), marked(preview(message.key, 120), mark)),
    h("span", { class: "value" }, h("span", { class: "sr" }, "value "), marked(preview(message.value), mark)));
  const item = h("li", { class: "message" }, toggle);
  let detail = null;
  function set(next) {
    toggle.setAttribute("aria-expanded", String(next));
    if (next && !detail) { detail = messageDetail(message); if (extra) detail.append(extra(message)); item.append(detail); }
    if (detail) detail.hidden = !next;
  }
  if (open) set(true);
  return item;
}
