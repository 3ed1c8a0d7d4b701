// What EXPLAIN ANALYZE counted, and why there may be no output.
import { path } from "../api.js";
import { h } from "../dom.js";
import { bytes, count, stamp } from "../format.js";
import { note } from "../ui/states.js";
import { plainTable } from "../ui/table.js";

const some = (value) => (value ? count(value) : h("span", { class: "muted" }, "0"));
const trouble = (value) => (value ? h("span", { class: "badge bad" }, count(value)) : h("span", { class: "muted" }, "0"));

export function analysisView(analysis) {
  const steps = analysis.steps ?? [];
  const positions = analysis.positions ?? [];
  const quiet = !analysis.produced;
  return h("div", { class: "stack" },
    analysis.summary ? note(analysis.failed ? "error" : quiet ? "warn" : "ok", quiet ? h("strong", {}, "Why is there no output? ") : null, analysis.summary) : null,
    steps.length ? h("section", { class: "stack-s", "aria-label": "Steps" }, h("h3", {}, "Steps and their counters"), plainTable("Steps", ["Step", "Does", "In", "Out", "Filtered", "Unmatched", "Late", "Failed", "State rows", "State"],
      steps.map((step) => [h("code", { class: "nowrap" }, step.name), step.operation, count(step.in), count(step.out), some(step.filtered), some(step.unmatched), trouble(step.late), trouble(step.failed), some(step.stateRows), step.stateBytes ? bytes(step.stateBytes) : "–"]), { ends: [2, 3, 4, 5, 6, 7, 8, 9] })) : null,
    positions.length ? h("section", { class: "stack-s", "aria-label": "Positions" }, h("h3", {}, "How far it has read"), plainTable("Positions", ["Topic", "Partition", "Committed", "End", "Lag"],
      positions.map((row) => [h("a", { href: path`/topics/${row.topic}` }, row.topic), count(row.partition), count(row.committed), count(row.end), row.lag > 0 ? h("strong", {}, count(row.lag)) : "0"]), { ends: [1, 2, 3, 4] }),
    analysis.streamTime ? h("p", { class: "muted small" }, `Its time has come to ${stamp(analysis.streamTime)}.`) : null) : null);
}
