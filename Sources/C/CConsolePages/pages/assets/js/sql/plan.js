// A query's plan as a tree, from the text that EXPLAIN gives.
import { h } from "../dom.js";
import { codeBlock } from "../ui/page.js";

/** The steps of a plan's text, nested as it is indented: the last step first. */
export function planTree(text) {
  const root = { depth: -1, children: [] };
  const stack = [root];
  for (const line of (text ?? "").split("\n")) {
    const found = line.match(/^(\s*)> \[ (.+?) \](?: \| Schema: (.*?))?(?: \| Logger: (.*))?$/);
    if (!found) continue;
    const depth = (found[1].match(/\t/g) ?? []).length;
    const step = { depth, operation: found[2], schema: found[3] ?? "", logger: found[4] ?? "", children: [] };
    while (stack[stack.length - 1].depth >= depth) stack.pop();
    stack[stack.length - 1].children.push(step);
    stack.push(step);
  }
  return root.children;
}

const tones = { SINK: "accent", SOURCE: "ok", FILTER: "warn" };

const list = (steps) => h("ul", { class: "plan" }, steps.map((step) => h("li", {},
  h("div", { class: "plan-step" }, h("span", { class: `badge ${tones[step.operation] ?? ""}` }, step.operation.toLowerCase().replaceAll("_", " ")), h("span", { class: "mono break" }, step.logger.split(".").slice(1).join(".") || step.logger), h("span", { class: "schema" }, step.schema)),
  step.children.length ? list(step.children) : null)));

export function planView(text) {
  const steps = planTree(text);
  return steps.length ? list(steps) : codeBlock(text ?? "", { label: "Plan" });
}
