// How the platform is: health, rates, space, what needs attention.
import { api } from "../api.js";
import { h, fill } from "../dom.js";
import { bytes, count, plural, rate } from "../format.js";
import { poll, watchRates } from "../live.js";
import { chart } from "../charts/chart.js";
import { icon } from "../ui/icons.js";
import { card, linkButton, pageHead, stat } from "../ui/page.js";
import { errorState, toneOf } from "../ui/states.js";

const names = { kafka: "Kafka", registry: "Schema Registry", connect: "Connect", sql: "SQL", console: "Console" };

const health = (entries) => h("ul", { class: "services" }, entries.map(({ service, state, detail }) => h("li", {},
  h("span", { class: `dot ${toneOf(state)}`, "aria-hidden": "true" }), h("span", { class: "nowrap" }, names[service] ?? service),
  h("span", { class: "detail", title: detail ?? "" }, state === "ok" ? detail || "running" : state === "absent" ? `not running here${detail ? `: ${detail}` : ""}` : `${state}${detail ? `: ${detail}` : ""}`))));

function attention(entries) {
  if (!entries.length) {
    return h("div", { class: "body row" }, h("span", { class: "badge ok" }, icon("check"), "All is well"), h("span", { class: "muted" }, "Nothing needs your attention."));
  }
  const image = { error: "error", warning: "warning", info: "info" };
  return h("ul", { class: "attention" }, entries.map(({ severity, title, detail, link }) => h("li", { class: severity }, icon(image[severity] ?? "info", severity),
    h("div", {}, link ? h("a", { href: link }, title) : h("strong", {}, title), detail ? h("div", { class: "muted" }, detail) : null))));
}

function stats(totals) {
  const disk = totals.disk_total_bytes ? (totals.disk_total_bytes - totals.disk_free_bytes) / totals.disk_total_bytes : null;
  return [
    stat("Topics", count(totals.topics), plural(totals.partitions ?? 0, "partition"), "/topics"),
    stat("Messages in", rate(totals.messages_in_per_s), `${bytes(totals.bytes_in_per_s)}/s`),
    stat("Consumer groups", count(totals.groups), totals.lag !== undefined ? `lag ${count(totals.lag)}` : "members and lag", "/groups"),
    stat("Log size", bytes(totals.log_bytes), "on disk"),
    stat("Disk free", bytes(totals.disk_free_bytes), disk === null ? "" : `${Math.round(disk * 100)} % used`),
    stat("Memory", bytes(totals.memory_bytes), "of this process"),
  ];
}

export default async function overview({ signal }) {
  const statHost = h("div", { class: "stats" });
  const healthHost = h("div", { class: "body" });
  const attentionHost = h("div", {});
  const rates = chart({ label: "Messages in, each second", kind: "area", height: 220, wait: "The first second is being measured…" });
  const points = [];
  const problem = h("div", {});
  async function refresh() {
    try {
      const data = await api.get("overview", { signal });
      fill(statHost, stats(data.totals ?? {}));
      fill(healthHost, health(data.health ?? []));
      fill(attentionHost, attention(data.attention ?? []));
      problem.replaceChildren();
    } catch (error) {
      if (error.name !== "AbortError") fill(problem, errorState(error, refresh));
    }
  }
  await refresh();
  poll(refresh, 5000, signal);
  watchRates((data) => {
    const at = data.time ?? Date.now();
    if (points.length && points[points.length - 1][0] >= at) return;
    points.push([at, data.messages_in_per_s]);
    if (points.length > 300) points.shift();
    rates.update({ series: [{ name: "messages/s", points: [...points] }] });
  }, { signal });
  return h("div", { class: "stack" },
    pageHead({ title: "Overview", lead: "What the platform is doing right now.", actions: [linkButton("Lineage", "/lineage", { icon: "lineage" }), linkButton("Write SQL", "/sql", { icon: "sql", kind: "primary" })] }),
    problem, statHost,
    h("div", { class: "columns" }, card("Needs attention", attentionHost), card("Services", healthHost)),
    card("Messages in", h("div", { class: "body" }, rates)));
}
