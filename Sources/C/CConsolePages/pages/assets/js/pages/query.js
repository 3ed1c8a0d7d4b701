// One query: why it has or has not written, its steps, its plan.
import { ksql, path } from "../api.js";
import { fill, h } from "../dom.js";
import { count } from "../format.js";
import { poll } from "../live.js";
import { navigate } from "../router.js";
import { analysisView } from "../sql/analysis.js";
import { colourSql } from "../sql/highlight.js";
import { planView } from "../sql/plan.js";
import { confirmDialog } from "../ui/dialog.js";
import { button, card, codeBlock, pageHead, stat } from "../ui/page.js";
import { note, stateBadge } from "../ui/states.js";
import { act, done } from "../ui/toast.js";

export default async function queryPage({ params, signal }) {
  const id = params.id;
  const name = /^[A-Za-z0-9_]+$/.test(id) ? id : `\`${id.replaceAll("`", "")}\``;
  let analyze = true;
  const load = async () => {
    if (analyze) {
      try { return (await ksql(`EXPLAIN ANALYZE ${name};`, { signal }))[0].queryDescription; } catch (error) {
        if (error.name === "AbortError" || error.status !== 400) throw error;
        analyze = false;  // another server of this API does not know ANALYZE
      }
    }
    return (await ksql(`EXPLAIN ${name};`, { signal }))[0].queryDescription;
  };
  let data = await load();
  const badge = h("span");
  const figures = h("div", { class: "stats" });
  const counters = h("div", { class: "stack" });
  const controls = h("span", { class: "row" });
  const go = (statement, text) => async (event) => { await act(event.currentTarget, () => ksql(`${statement} ${name};`), text); await refresh(); };
  let before = null;
  function show() {
    fill(badge, stateBadge(data.state));
    const analysis = data.analysis;
    const now = { time: performance.now(), consumed: analysis?.consumed, produced: analysis?.produced };
    const speed = (member) => (before && analysis ? `${count(Math.max(0, Math.round(((now[member] - before[member]) * 1000) / (now.time - before.time))))} per second` : "");
    const lag = (analysis?.positions ?? []).reduce((sum, row) => sum + Math.max(0, row.lag ?? 0), 0);
    fill(figures, stat("Read", count(analysis?.consumed), speed("consumed")), stat("Written", count(analysis?.produced), speed("produced")), stat("Lag", analysis ? count(lag) : "–", "records behind"), stat("Failed", count(analysis?.failed), "records"));
    before = now;
    fill(counters, (data.queryErrors ?? []).map((error) => note("error", error.errorMessage ?? JSON.stringify(error))), analysis ? analysisView(analysis) : note("info", "This server does not count steps."));
    const paused = data.state === "PAUSED";
    if (controls.dataset.state === String(paused)) return;
    controls.dataset.state = String(paused);
    fill(controls, data.queryType === "PUSH" ? null : paused ? button("Resume", { icon: "play", kind: "primary", click: go("RESUME", "The query goes on.") }) : button("Pause", { icon: "pause", click: go("PAUSE", "The query pauses.") }));
  }
  const refresh = async () => { data = await load(); show(); };
  show();
  poll(refresh, 2000, signal);
  const terminate = () => confirmDialog({ title: "Terminate this query?", action: "Terminate", text: "It stops for good. What it has written stays; its stream or table can then be dropped.", submit: () => ksql(`TERMINATE ${name};`) })
    .then((gone) => { if (gone) { done(`Query ${id} was terminated.`); navigate("/sql"); } });
  const names = (title, list) => (list?.length ? h("span", {}, h("span", { class: "muted" }, `${title} `), list.join(", ")) : null);
  return h("div", { class: "stack" },
    pageHead({ title: id, badge, crumbs: [["SQL", "/sql"]], lead: h("span", { class: "row" }, names("reads", data.sources), names("writes", data.sinks)), actions: [controls, button("Terminate", { kind: "danger", icon: "trash", click: terminate })] }),
    figures, counters,
    card("Statement", h("div", { class: "body" }, codeBlock(colourSql(data.statementText), { text: data.statementText, label: "Statement", wrap: true }))),
    card("Plan", h("div", { class: "body" }, planView(data.executionPlan))),
    data.consumerGroupId ? h("p", { class: "small" }, h("span", { class: "muted" }, "Consumer group: "), h("a", { href: path`/groups/${data.consumerGroupId}` }, data.consumerGroupId)) : null);
}
