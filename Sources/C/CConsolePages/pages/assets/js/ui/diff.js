// Two texts side by side, line by line.
import { h } from "../dom.js";

/** The shortest way from one list of lines to the other: [[sign, line], ...], by the longest common subsequence. */
export function diffLines(before, after) {
  let head = 0;
  while (head < before.length && head < after.length && before[head] === after[head]) head += 1;
  let tail = 0;
  while (tail < before.length - head && tail < after.length - head && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  const a = before.slice(head, before.length - tail);
  const b = after.slice(head, after.length - tail);
  const steps = [];
  if (a.length * b.length > 4e6) {  // too long to compare: all of it changed
    a.forEach((line) => steps.push(["-", line]));
    b.forEach((line) => steps.push(["+", line]));
  } else {
    const width = b.length + 1;
    const common = new Uint32Array((a.length + 1) * width);
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        common[i * width + j] = a[i] === b[j] ? common[(i + 1) * width + j + 1] + 1 : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
      }
    }
    let i = 0;
    let j = 0;
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) { steps.push([" ", a[i]]); i += 1; j += 1; }
      else if (i < a.length && (j >= b.length || common[(i + 1) * width + j] >= common[i * width + j + 1])) { steps.push(["-", a[i]]); i += 1; }
      else { steps.push(["+", b[j]]); j += 1; }
    }
  }
  return [...before.slice(0, head).map((line) => [" ", line]), ...steps, ...before.slice(before.length - tail).map((line) => [" ", line])];
}

export function sideBySide(left, right) {
  const steps = diffLines(left.text.split("\n"), right.text.split("\n"));
  const one = [];
  const two = [];
  const even = () => {
    while (one.length < two.length) one.push(["gap", "", ""]);
    while (two.length < one.length) two.push(["gap", "", ""]);
  };
  let before = 0;
  let after = 0;
  for (const [sign, line] of steps) {
    if (sign === " ") { even(); one.push(["", line, ++before]); two.push(["", line, ++after]); }
    else if (sign === "-") one.push(["del", line, ++before]);
    else two.push(["add", line, ++after]);
  }
  even();
  const changed = steps.filter(([sign]) => sign !== " ").length;
  const signs = { add: "+", del: "−" };
  const words = { add: "added: ", del: "removed: " };
  const column = (title, lines) => h("div", { role: "region", "aria-label": title, tabindex: 0 }, h("h3", {}, title),
    h("ol", {}, lines.map(([kind, line, at]) => h("li", { class: kind, "aria-hidden": kind === "gap" ? "true" : null }, h("span", { class: "ln", "aria-hidden": "true" }, at || ""),
      h("span", { class: "sign", "aria-hidden": "true" }, signs[kind] ?? " "), words[kind] ? h("span", { class: "sr" }, words[kind]) : null, line || " "))));
  return h("div", { class: "stack-s" }, h("p", { class: "muted small", role: "status" }, changed ? `${changed} lines differ.` : "The two are the same."),
    h("div", { class: "diff" }, column(left.title, one), column(right.title, two)));
}
