// Short messages in the corner, read aloud; errors stay until they are closed.
import { h } from "../dom.js";
import { icon } from "./icons.js";
import { describe } from "./states.js";

function show(kind, text) {
  const region = document.getElementById("toasts");
  const toast = h("div", { class: `toast ${kind}`, role: kind === "error" ? "alert" : "status" }, icon(kind === "error" ? "error" : "check"), h("div", {}, text),
    h("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", on: { click: () => toast.remove() } }, icon("close")));
  region.append(toast);
  while (region.children.length > 4) region.firstChild.remove();
  if (kind !== "error") setTimeout(() => toast.remove(), 5000);
}

export const done = (text) => show("ok", text);
export const failed = (error) => show("error", describe(error));

/** Runs an action of a button: disabled meanwhile, errors become a message. */
export async function act(button, action, success) {
  if (button) button.disabled = true;
  try {
    const result = await action();
    if (success) done(success);
    return result;
  } catch (error) {
    if (error.name !== "AbortError") failed(error);
    return undefined;
  } finally {
    if (button) button.disabled = false;
  }
}

export async function copyText(text, what = "Copied") {
  try {
    await navigator.clipboard.writeText(text);
    done(what);
  } catch {
    failed(new Error("the browser does not let this page copy: select the text and copy it yourself"));
  }
}
