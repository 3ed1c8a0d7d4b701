// The head of a page, its tabs, small parts that many pages use.
import { h } from "../dom.js";
import { icon } from "./icons.js";
import { copyText } from "./toast.js";

export function pageHead({ title, lead, crumbs = [], actions = [], badge }) {
  return h("div", { class: "page-head" },
    h("div", { class: "titles" },
      crumbs.length ? h("nav", { class: "crumbs", "aria-label": "Where this page is" }, crumbs.map(([name, href], at) => [at ? " / " : null, h("a", { href }, name)])) : null,
      h("div", { class: "row" }, h("h1", { tabindex: -1 }, title), badge),
      lead ? h("p", { class: "lead" }, lead) : null),
    actions.length ? h("div", { class: "actions" }, actions) : null);
}

/** Links that look like tabs: [[label, href, current, count]]. */
export function tabs(label, entries) {
  return h("nav", { class: "tabs", "aria-label": label }, entries.map(([name, href, current, amount]) =>
    h("a", { href, "aria-current": current ? "page" : null }, name, amount !== undefined && amount !== null ? h("span", { class: "count" }, amount) : null)));
}

export function button(label, { click, icon: name, kind = "", small = false, ...rest } = {}) {
  return h("button", { type: "button", class: `button ${kind} ${small ? "small" : ""}`, on: { click }, ...rest }, name ? icon(name) : null, label);
}

export function linkButton(label, href, { icon: name, kind = "", ...rest } = {}) {
  return h("a", { class: `button ${kind}`, href, ...rest }, name ? icon(name) : null, label);
}

export function card(title, body, ...tools) {
  return h("section", { class: "card", "aria-label": typeof title === "string" ? title : undefined },
    title ? h("div", { class: "head" }, h("h2", {}, title), tools) : null, body);
}

export const stat = (name, value, noteText, href) =>
  h(href ? "a" : "div", { class: "stat", href }, h("div", { class: "name" }, name), h("div", { class: "value" }, value), noteText !== undefined ? h("div", { class: "sub" }, noteText) : null);

export const facts = (entries) => h("dl", { class: "facts" }, entries.filter(Boolean).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

export function codeBlock(content, { text, label = "Code", wrap = false } = {}) {
  const pre = h("pre", { class: `code ${wrap ? "soft-wrap" : ""}`, tabindex: 0, role: "region", "aria-label": label }, content);
  return h("div", { class: "copyable" }, pre, button("Copy", { small: true, icon: "copy", click: () => copyText(text ?? pre.textContent) , "aria-label": `Copy ${label}` }));
}

export function segmented(label, options, value, change) {
  const group = h("div", { class: "segmented", role: "group", "aria-label": label });
  for (const [key, name] of options) {
    group.append(h("button", { type: "button", "aria-pressed": String(key === value), on: { click: (event) => {
      const before = [...group.children].find((other) => other.getAttribute("aria-pressed") === "true");
      const chosen = event.currentTarget;
      const press = (button) => { for (const other of group.children) other.setAttribute("aria-pressed", String(other === button)); };
      press(chosen);
      if (change(key) === false) press(before);
    } } }, name));
  }
  return group;
}
