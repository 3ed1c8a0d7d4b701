// Fields with labels, hints and problems tied to them.
import { h, uid } from "../dom.js";

/** Wraps a control; `problem(text)` of the answer shows or clears an error. */
export function field(label, control, { hint, required = false, hidden = false, wide = false } = {}) {
  const id = control.id || (control.id = uid("field"));
  const hintId = `${id}-hint`;
  const problemId = `${id}-problem`;
  if (hint) control.setAttribute("aria-describedby", hintId);
  if (required) control.setAttribute("aria-required", "true");
  const problem = h("div", { class: "problem", id: problemId, hidden: true });
  const element = h("div", { class: `field ${wide ? "wide" : ""}` },
    h("label", { for: id, class: hidden ? "sr" : null }, label, required ? h("span", { class: "required", "aria-hidden": "true" }, " *") : null),
    control, hint ? h("div", { class: "hint", id: hintId }, hint) : null, problem);
  element.problem = (text) => {
    problem.textContent = text ?? "";
    problem.hidden = !text;
    if (text) {
      control.setAttribute("aria-invalid", "true");
      control.setAttribute("aria-describedby", [hint ? hintId : "", problemId].join(" ").trim());
    } else {
      control.removeAttribute("aria-invalid");
      if (hint) control.setAttribute("aria-describedby", hintId); else control.removeAttribute("aria-describedby");
    }
  };
  return element;
}

export const textInput = (props = {}) => h("input", { type: "text", autocomplete: "off", spellcheck: "false", ...props });
export const numberInput = (props = {}) => h("input", { type: "number", ...props });
export const select = (options, value, props = {}) =>
  h("select", props, options.map((option) => {
    const [key, name] = Array.isArray(option) ? option : [option, option];
    return h("option", { value: key, selected: key === value }, name);
  }));
export const checkbox = (label, checked, change) => {
  const input = h("input", { type: "checkbox", checked, on: { change: (event) => change?.(event.target.checked) } });
  const element = h("label", { class: "check" }, input, h("span", {}, label));
  element.input = input;
  return element;
};
export const searchInput = (label, value, input) =>
  h("input", { type: "search", "aria-label": label, placeholder: label, value: value ?? "", "data-search": true, spellcheck: "false", autocomplete: "off", on: { input: (event) => input(event.target.value) } });
