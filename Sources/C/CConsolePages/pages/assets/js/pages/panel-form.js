// The form of a panel, with a preview that runs.
import { ksql } from "../api.js";
import { h } from "../dom.js";
import { panelBody, parsePanel } from "../charts/panel.js";
import { sqlEditor } from "../sql/editor.js";
import { field, select, textInput } from "../ui/form.js";
import { button } from "../ui/page.js";
import { describe, note } from "../ui/states.js";

export function panelForm(panel) {
  const lifetime = new AbortController();
  let preview = null;
  const title = textInput({ value: panel.title ?? "" });
  const kind = select([["line", "line"], ["area", "area"], ["bar", "bars"], ["number", "a number"], ["table", "table"]], panel.kind ?? "line");
  const x = textInput({ value: panel.x ?? "", placeholder: "time of arrival" });
  const y = textInput({ value: (panel.y ?? []).join(", "), placeholder: "all numbers" });
  const series = textInput({ value: panel.series ?? "", placeholder: "none" });
  const width = select([["1", "a third"], ["2", "two thirds"], ["3", "full"]], String(panel.width ?? 1));
  const editor = sqlEditor({ value: panel.sql ?? "", label: "Query of the panel", signal: lifetime.signal, rows: 6, run: () => show() });
  const host = h("div", {});
  const read = () => {
    parsePanel(editor.value());
    return { ...panel, title: title.value.trim() || "Panel", sql: editor.value().trim(), kind: kind.value, x: x.value.trim(), y: y.value.split(",").map((name) => name.trim()).filter(Boolean), series: series.value.trim(), width: Number(width.value) };
  };
  /** Reads it, and lets the server look at what it sets. */
  const checked = async () => {
    const found = read();
    const { settings } = parsePanel(editor.value());
    if (settings) await ksql(settings);
    return found;
  };
  function show() {
    preview?.abort();
    preview = new AbortController();
    lifetime.signal.addEventListener("abort", () => preview.abort());
    try { host.replaceChildren(h("div", { class: "card body" }, panelBody(read(), { signal: preview.signal, height: 180 }))); } catch (error) { host.replaceChildren(note("error", describe(error))); }
  }
  const element = h("div", { class: "stack" }, h("div", { class: "fields" }, field("Title", title), field("Shown as", kind), field("Width", width)),
    h("div", { class: "field" }, h("span", { class: "label" }, "Query"), editor, h("span", { class: "hint" }, "One SELECT: a push query with EMIT CHANGES, or a pull query, which is asked again every few seconds. SET 'auto.offset.reset'='earliest'; before it reads from the beginning.")),
    h("div", { class: "fields" }, field("Column across", x), field("Columns up", y, { hint: "Separated by commas." }), field("A line for each", series)),
    h("div", { class: "row" }, button("Preview", { icon: "play", click: show })), host);
  // The preview ends with the form that holds it.
  const watch = new MutationObserver(() => { if (!element.isConnected) { lifetime.abort(); watch.disconnect(); } });
  queueMicrotask(() => watch.observe(document.body, { childList: true, subtree: true }));
  return { element, checked };
}
