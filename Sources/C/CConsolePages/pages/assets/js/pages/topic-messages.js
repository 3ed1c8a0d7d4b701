// Browsing and searching the records of a topic.
import { api, path, queryOf } from "../api.js";
import { fill, h } from "../dom.js";
import { count, duration, plural } from "../format.js";
import { setQuery } from "../router.js";
import { field, searchInput, select, textInput } from "../ui/form.js";
import { messageItem } from "../ui/message.js";
import { button, linkButton } from "../ui/page.js";
import { emptyState, errorState, loading, note } from "../ui/states.js";

const local = (ms) => { const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60000); return at.toISOString().slice(0, 19); };
const names = ["from", "time", "until", "offset", "partition", "key", "text", "path", "op", "value", "kf", "vf"];
const formats = [["auto", "recognise"], ["string", "text"], ["json", "JSON"], ["long", "integer"], ["bytes", "bytes"]];

const page = 50;
const spanMax = 1 << 20;

const usual = (value) => (value === "" ? "exists" : "eq");

export default function messages({ query, signal }, topic) {
  const at = (name, fallback = "") => query.get(name) ?? fallback;
  const text = searchInput("Search in keys and values", at("text"), () => {});
  const key = textInput({ value: at("key"), placeholder: "the whole key" });
  const jsonPath = textInput({ value: at("path"), placeholder: "$.customer.city" });
  const op = select([["exists", "is there"], ["eq", "is"], ["ne", "is not"], ["contains", "contains"], ["gt", "is greater than"], ["ge", "is at least"], ["lt", "is less than"], ["le", "is at most"]], at("op", usual(at("value"))));
  const value = textInput({ value: at("value") });
  // A value wants to be compared; without one the path alone is looked for.
  value.addEventListener("input", () => { if (op.value === usual(value.value ? "" : "x")) op.value = usual(value.value); });
  const from = select([["last:50", "the newest"], ["earliest", "the oldest"], ["time", "a time"], ["offset", "an offset"]], at("from", "last:50"));
  const time = h("input", { type: "datetime-local", step: 1, value: at("time") || local(Date.now() - 600000) });
  const until = h("input", { type: "datetime-local", step: 1, value: at("until") });
  const offset = h("input", { type: "number", min: 0, value: at("offset", "0") });
  const partition = select([["all", "all"], ...topic.partitions.map(({ id }) => [String(id), String(id)])], at("partition", "all"));
  const keyFormat = select(formats, at("kf", "auto"));
  const valueFormat = select(formats, at("vf", "auto"));
  const timeField = field("From", time);
  const offsetField = field("From offset", offset);
  const reveal = () => { timeField.hidden = from.value !== "time"; offsetField.hidden = from.value !== "offset"; };
  from.addEventListener("change", reveal);
  reveal();

  const list = h("ul", { class: "messages", "aria-label": "Messages" });
  const host = h("div", {});
  const summary = h("p", { class: "muted small", role: "status" });
  const more = h("div", { class: "row" });
  let run = null;
  let seen = 0;
  let scanned = 0;
  let asked = "";  // what the list is the answer to
  let span = page;  // how many offsets of a partition are looked at for a page of the newest
  let lowest = new Map();  // of each partition

  const searching = () => text.value || key.value || jsonPath.value;

  const add = (messages, formatsNow) => messages.forEach((message) => {
    lowest.set(message.partition, Math.min(message.offset, lowest.get(message.partition) ?? Infinity));
    list.append(messageItem(message, { topic: topic.name, formats: formatsNow, mark: text.value }));
  });

  /** `cursor` goes on behind what was read, `before` with what is older than what is shown. */
  async function load({ cursor, before } = {}) {
    // A search looks from the oldest, unless a place is chosen: the newest 50 alone would hardly be a search.
    if (from.value === "last:50" && searching()) { from.value = "earliest"; reveal(); }
    const newest = from.value === "last:50";
    const start = newest ? "last" : from.value === "time" ? `time:${new Date(time.value || 0).getTime()}` : from.value === "offset" ? `offset:${offset.value || 0}` : from.value;
    const formatsNow = { key_format: keyFormat.value, value_format: valueFormat.value };
    const wanted = {
      partition: partition.value, from: start, until: until.value ? new Date(until.value).getTime() : null, limit: page, key: key.value, text: text.value,
      ...(jsonPath.value ? { path: jsonPath.value, op: op.value, value: value.value } : {}), ...formatsNow,
    };
    const goesOn = Boolean(cursor || before);
    // The rest of another question's answer is no answer to this one.
    if (goesOn && JSON.stringify(wanted) !== asked) { keep(); return load(); }
    asked = JSON.stringify(wanted);
    run?.abort();
    const mine = (run = new AbortController());
    signal.addEventListener("abort", () => mine.abort(), { once: true });
    if (!goesOn) { seen = 0; scanned = 0; span = page; lowest = new Map(); fill(host, loading("Reading messages")); }
    summary.textContent = "Reading…";
    more.replaceChildren(button("Stop", { icon: "stop", small: true, click: () => mine.abort() }));
    const ask = () => api.get(path`topics/${topic.name}/messages` + queryOf({ ...wanted, from: newest ? `last:${span}` : start, cursor, before }), { signal: mine.signal });
    try {
      let answer = await ask();
      // Records are few between gaps that compaction and transactions leave, or too large for so many at once.
      for (let rounds = 0; newest && rounds < 12; rounds += 1) {
        if (answer.complete === false && span > 1) span = Math.max(1, span >> 2);
        else if (!answer.messages.length && answer.older) { before = answer.older.before; span = Math.min(span * 2, spanMax); } else break;
        answer = await ask();
      }
      if (!goesOn) list.replaceChildren();
      const messages = newest ? answer.messages.toReversed() : answer.messages;
      const news = newest ? messages.filter((message) => message.offset < (goesOn ? lowest.get(message.partition) ?? Infinity : Infinity)) : messages;
      add(news, formatsNow);
      seen += news.length;
      scanned += answer.scanned ?? answer.messages.length;
      if (newest && answer.older && news.length < page / 2) span = Math.min(span * 2, spanMax);
      const cut = answer.complete === false && (searching() ? "; there is more to search" : newest ? "; not all could be read in time: choose a partition" : "");
      summary.textContent = `${plural(seen, "message")}${searching() ? ` found in ${count(scanned)}` : ""}, ${duration(answer.elapsed_ms ?? 0)}${cut || ""}`;
      const next = newest ? null : answer.next?.cursor;
      const older = newest ? answer.older?.before : null;
      more.replaceChildren();
      if (older) more.append(button("Older messages", { click: () => load({ before: older }), icon: "down" }));
      else if (next) more.append(button(searching() && !answer.messages.length ? "Search on" : "More messages", { click: () => load({ cursor: next }), icon: "down" }));
      fill(host, seen ? list : nothing(Boolean(next || older)));
    } catch (error) {
      more.replaceChildren();
      if (error.name === "AbortError") { summary.textContent = "Stopped."; if (!seen) host.replaceChildren(); return; }
      summary.textContent = "";
      if (goesOn) host.append(note("error", error.message)); else fill(host, errorState(error, () => load()));
    }
  }

  function nothing(more) {
    if (searching()) {
      return emptyState("No message fits", more ? "Not all was searched yet: search on below." : "Nothing in this range has it. Widen the range, or check the path: $.a.b for a field b in a.");
    }
    return emptyState("No messages here", "Nothing was written in this range yet. Send one from here, or start a producer.", linkButton("Produce a message", path`/topics/${topic.name}/produce`, { kind: "primary", icon: "send" }));
  }

  function keep() {
    const values = { from: from.value === "last:50" ? "" : from.value, time: from.value === "time" ? time.value : "", until: until.value, offset: from.value === "offset" ? offset.value : "",
      partition: partition.value === "all" ? "" : partition.value, key: key.value, text: text.value, path: jsonPath.value, op: jsonPath.value && op.value !== usual(value.value) ? op.value : "", value: value.value,
      kf: keyFormat.value === "auto" ? "" : keyFormat.value, vf: valueFormat.value === "auto" ? "" : valueFormat.value };
    setQuery(Object.fromEntries(names.map((name) => [name, values[name]])));
  }

  const form = h("form", { class: "stack-s", role: "search", "aria-label": "Messages of the topic", on: { submit: (event) => { event.preventDefault(); keep(); load(); } } },
    h("div", { class: "filters" },
      h("div", { class: "field wide" }, text), field("Begin at", from), timeField, offsetField, field("Partition", partition),
      h("button", { type: "submit", class: "button primary" }, "Search")),
    h("details", { open: ["key", "path", "until", "kf", "vf"].some((name) => query.get(name)) },
      h("summary", {}, "By key, JSON path, time, format"),
      h("div", { class: "fields" }, field("Key", key, { hint: "Of a key with fields a part is enough." }), field("JSON path in the value", jsonPath), field("Compare", op), field("With", value), field("Until", until),
        field("Keys are", keyFormat), field("Values are", valueFormat))));
  load();
  return h("div", { class: "stack-s" }, form, summary, host, more);
}
