// One consumer group: members, offsets, lag over time, moving its offsets.
import { api, path } from "../api.js";
import { fill, h } from "../dom.js";
import { count, plural } from "../format.js";
import { poll, watchRates } from "../live.js";
import { navigate } from "../router.js";
import { chart } from "../charts/chart.js";
import { confirmDialog } from "../ui/dialog.js";
import { button, card, pageHead, stat } from "../ui/page.js";
import { emptyState, goneNote, stateBadge } from "../ui/states.js";
import { plainTable, table } from "../ui/table.js";
import { done } from "../ui/toast.js";
import { resetDialog } from "./group-reset.js";

function spread(assignments) {
  const byTopic = new Map();
  for (const { topic, partition } of assignments ?? []) byTopic.set(topic, [...(byTopic.get(topic) ?? []), partition]);
  return [...byTopic].map(([topic, list]) => `${topic}: ${list.sort((a, b) => a - b).join(", ")}`).join("; ") || "nothing";
}

export default async function group({ params, signal, reload }) {
  const id = params.id;
  let data = await api.get(path`groups/${id}`, { signal });
  const points = (data.history ?? []).map(({ time, lag }) => [time, lag]);
  const lagChart = chart({ label: "Lag of the group over time", kind: "area", wait: "The first measurement comes within seconds…" });
  const badge = h("span");
  const word = h("div", { role: "status" });
  const figures = h("div", { class: "stats" });
  const membersHost = h("div");
  const offsets = table({
    label: "Offsets", key: (row) => `${row.topic} ${row.partition}`, sort: { id: "lag", down: true },
    columns: [
      { id: "topic", title: "Topic", value: (row) => row.topic, cell: (row) => h("a", { class: "name", href: path`/topics/${row.topic}` }, row.topic) },
      { id: "partition", title: "Partition", end: true, value: (row) => row.partition, cell: (row) => count(row.partition) },
      { id: "committed", title: "Committed", end: true, value: (row) => row.committed, cell: (row) => count(row.committed) },
      { id: "end", title: "End", end: true, low: true, value: (row) => row.end, cell: (row) => count(row.end) },
      { id: "lag", title: "Lag", end: true, value: (row) => row.lag, cell: (row) => count(row.lag) },
      { id: "member", title: "Read by", low: true, value: (row) => row.member ?? "nobody" },
    ],
    empty: () => emptyState("No committed offsets", "The group has not committed anything yet."),
  });
  const draw = () => lagChart.update({ series: [{ name: "records behind", points: [...points] }] });
  function show() {
    fill(badge, stateBadge(data.state));
    const lag = (data.offsets ?? []).reduce((sum, row) => sum + (row.lag ?? 0), 0);
    fill(figures, stat("Lag", count(lag), plural((data.offsets ?? []).length, "partition")), stat("Members", count((data.members ?? []).length)),
      stat("Protocol", data.protocol || "–"), stat("Coordinator", data.coordinator ?? "–"));
    fill(membersHost, data.members?.length
      ? plainTable("Members", ["Client", "Host", "Reads"], data.members.map((member) => [h("span", { title: member.id }, member.client_id || member.id), member.host, spread(member.assignments)]))
      : h("div", { class: "body muted" }, "No member is connected. Offsets can be moved now."));
    offsets.update(data.offsets ?? []);
  }
  show();
  draw();
  poll(async () => { data = await api.get(path`groups/${id}`, { signal }); show(); }, 3000, signal, () => { fill(badge, stateBadge("gone")); fill(word, goneNote(id, "All consumer groups", "/groups")); });
  watchRates((live) => {
    const lag = live.groups?.[id]?.lag;
    if (!Number.isFinite(lag)) return;
    const at = live.time ?? Date.now();
    if (points.length && points[points.length - 1][0] >= at) return;
    points.push([at, lag]);
    if (points.length > 600) points.shift();
    draw();
  }, { topics: [...new Set((data.offsets ?? []).map((row) => row.topic))], signal });
  const remove = () => confirmDialog({ title: "Delete this group?", text: `The committed offsets of "${id}" will be gone; a program that comes back starts as if it were new.`, submit: () => api.delete(path`groups/${id}`) })
    .then((gone) => { if (gone) { done(`Group "${id}" is gone.`); navigate("/groups"); } });
  return h("div", { class: "stack" },
    pageHead({ title: id, badge, crumbs: [["Consumer groups", "/groups"]], actions: [
      button("Move offsets", { icon: "edit", click: () => resetDialog(id, data).then((moved) => { if (moved) reload(); }) }), button("Delete", { kind: "danger", icon: "trash", click: remove })] }),
    word, figures, card("Lag over time", h("div", { class: "body" }, lagChart)), card("Members", membersHost),
    h("section", { "aria-label": "Offsets" }, h("div", { class: "section-head" }, h("h2", {}, "Offsets")), offsets));
}
