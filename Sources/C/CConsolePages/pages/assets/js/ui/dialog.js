// Modal dialogs on <dialog>: focus stays inside, Escape closes, focus returns to where it was.
import { add, h, uid } from "../dom.js";
import { describe } from "./states.js";
import { icon } from "./icons.js";

/**
 * Opens a dialog. `buttons` are elements for its foot. With `keeps`, Escape and a click beside it ask before what was written
 * is lost. Answers { element, body, close }.
 */
export function dialog({ title, body, buttons = [], wide = false, keeps = false, onClose }) {
  const id = uid("dialog");
  const opener = document.activeElement;
  const close = () => element.close();
  const element = h("dialog", { "aria-labelledby": id, class: wide ? "wide" : null },
    h("div", { class: "dialog-head" }, h("h2", { id }, title),
      h("button", { type: "button", class: "icon-button", "aria-label": "Close", on: { click: () => close() } }, icon("close"))),
    h("div", { class: "dialog-body" }, body),
    buttons.length ? h("div", { class: "dialog-foot" }, buttons) : null);
  element.addEventListener("close", () => {
    element.remove();
    document.removeEventListener("keydown", onKey);
    onClose?.();
    if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
  });
  let written = false;
  let asking = false;
  element.addEventListener("input", () => { written = true; });
  async function leave() {
    if (!keeps || !written) { close(); return; }
    if (asking) return;
    asking = true;
    const gone = await confirmDialog({ title: "Discard what you wrote?", action: "Discard", text: `What you wrote in “${title}” is not saved.`, submit: () => true });
    asking = false;
    if (gone) close();
  }
  // Who selects a text may let go of it outside: a click beside the dialog begins there, too.
  let began = null;
  element.addEventListener("pointerdown", (event) => { began = event.target; });
  element.addEventListener("click", (event) => {
    if (event.target === element && began === element) leave();
    began = null;
  });
  // Browsers close a dialog at the second Escape whatever "cancel" says, so the key itself is taken.
  const onKey = (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || event.isComposing || !keeps || !written) return;
    if ([...document.querySelectorAll("dialog[open]")].pop() !== element) return;
    event.preventDefault();
    leave();
  };
  document.addEventListener("keydown", onKey);
  element.addEventListener("cancel", (event) => { if (event.target === element && keeps && written) { event.preventDefault(); leave(); } });
  document.body.append(element);
  element.showModal();
  const first = element.querySelector(".dialog-body :is(input, select, textarea, button, a[href])");
  (first ?? element.querySelector("button")).focus();
  return { element, body: element.querySelector(".dialog-body"), close };
}

/** A dialog with a form. `submit` may throw: the message is shown and the dialog stays. Answers when it is closed. */
export function formDialog({ title, body, action, danger = false, wide = false, submit }) {
  return new Promise((resolve) => {
    const id = uid("form");
    const problem = h("div", { role: "alert" });
    const button = h("button", { type: "submit", form: id, class: `button primary ${danger ? "danger" : ""}` }, action);
    let result = null;
    const form = h("form", { id, class: "stack", novalidate: true, on: { submit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      problem.replaceChildren();
      try {
        result = (await submit()) ?? true;
        view.close();
      } catch (error) {
        add(problem, h("p", { class: "note error" }, icon("error"), h("div", {}, describe(error))));
      } finally {
        button.disabled = false;
      }
    } } }, body, problem);
    const view = dialog({
      title, body: form, wide, keeps: !danger, onClose: () => resolve(result),
      buttons: [h("button", { type: "button", class: "button", on: { click: () => view.close() } }, "Cancel"), button],
    });
  });
}

/** Asks before something that cannot be undone. With `type` the word has to be typed. */
export function confirmDialog({ title, text, action = "Delete", type, submit }) {
  const field = type ? h("input", { type: "text", autocomplete: "off", spellcheck: "false" }) : null;
  return formDialog({
    title, action, danger: true,
    body: [h("p", {}, text), field ? h("label", { class: "field" }, h("span", { class: "label" }, "Type ", h("code", { class: "break" }, type), " to confirm"), field) : null],
    submit: async () => {
      if (field && field.value !== type) throw new Error(`type the name "${type}" first`);
      return (await submit()) ?? true;
    },
  });
}
