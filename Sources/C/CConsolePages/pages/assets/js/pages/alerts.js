// What webhooks said: the inbox of alerts.
import { api, events } from "../api.js";
import { fill, h } from "../dom.js";
import { ago, plural, stamp } from "../format.js";
import { setQuery } from "../router.js";
import { searchInput } from "../ui/form.js";
import { codeBlock, pageHead } from "../ui/page.js";
import { colourJson, prettyJson } from "../ui/json.js";
import { emptyState } from "../ui/states.js";

const KEPT = 500;

/** Slack's own marks become plain text: *bold* stays readable, links show their words. */
const plain = (text) => String(text ?? "").replace(/<(https?:[^|>]+)\|([^>]+)>/g, "$2 ($1)").replace(/<(https?:[^>]+)>/g, "$1").replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

function item(message, fresh) {
  const body = message.body === undefined || message.body === null ? "" : typeof message.body === "string" ? message.body : JSON.stringify(message.body);
  const pretty = prettyJson(body) ?? body;
  const text = message.text || (body ? "A message without text" : "An empty message");
  return h("li", { class: fresh ? "new" : "" }, h("span", { class: "avatar", "aria-hidden": "true" }, (message.hook ?? "?").charAt(0).toUpperCase()),
    h("div", { class: "stack-s" }, h("div", { class: "row" }, h("strong", {}, message.hook), h("time", { class: "muted small", datetime: new Date(message.time).toISOString(), title: stamp(message.time) }, ago(message.time))),
      h("div", { class: "text" }, plain(text)), body ? h("details", {}, h("summary", { class: "small muted" }, "What was sent"), codeBlock(colourJson(pretty), { text: pretty, label: "Body of the message", wrap: true })) : null));
}

export default async function alerts({ query, signal }) {
  let all;
  try {
    const answer = await api.get("inbox/messages", { signal });
    all = (Array.isArray(answer) ? answer : answer.messages ?? []).sort((a, b) => b.time - a.time);
  } catch (error) {
    if (error.status !== 404) throw error;
    return h("div", {}, pageHead({ title: "Alerts", lead: "Messages that pipelines send to people." }),
      emptyState("The inbox is off", "Alerts go to Slack or to any webhook by a sink connector. With the inbox on, as in the demonstration, they arrive here instead."));
  }
  let filter = query.get("filter") ?? "";
  const lead = h("span", {});
  const list = h("ul", { class: "inbox card", "aria-label": "Alerts, newest first", "aria-live": "polite", "aria-relevant": "additions" });
  const host = h("div", {});
  const fits = (message) => `${message.hook} ${message.text ?? ""}`.toLowerCase().includes(filter.toLowerCase());
  function show() {
    const shown = all.filter(fits).slice(0, 200);
    lead.textContent = `${plural(all.length, "message")}, newest first`;
    if (!shown.length) {
      fill(host, all.length ? emptyState("No message fits", "Change the filter.") : emptyState("No alerts yet", `Send Slack-like JSON to ${location.origin}/hooks/NAME, or point a Slack or HTTP sink connector there.`));
      return;
    }
    fill(list, shown.map((message) => item(message, false)));
    if (host.firstChild !== list) fill(host, list);
  }
  show();
  const seen = new Set(all.map((message) => `${message.time} ${message.hook} ${message.text}`));
  events("inbox", { message: (message) => {
    const name = `${message.time} ${message.hook} ${message.text}`;
    if (seen.has(name)) return;
    seen.add(name);
    all.unshift(message);
    if (all.length > KEPT) all.pop();
    if (!fits(message)) return;
    if (host.firstChild !== list) { show(); return; }
    list.prepend(item(message, true));
    while (list.children.length > 200) list.lastChild.remove();
    lead.textContent = `${plural(all.length, "message")}, newest first`;
  } }, { signal });
  return h("div", {}, pageHead({ title: "Alerts", lead }), h("div", { class: "filters" }, h("div", { class: "field wide" }, searchInput("Filter", filter, (value) => { filter = value; setQuery({ filter }); show(); }))), host);
}
