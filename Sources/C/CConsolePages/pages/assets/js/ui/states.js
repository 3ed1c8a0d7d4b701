// What a page shows while it waits, when there is nothing yet, and when something failed: each says what to do next.
import { add, h } from "../dom.js";
import { icon } from "./icons.js";

/** An error in a sentence: capital letter, full stop. */
export function describe(error) {
  const text = String(error?.message ?? error ?? "Something failed").trim();
  const sentence = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…:)\]]$/.test(sentence) ? sentence : `${sentence}.`;
}

export function loading(label = "Loading") {
  return h("div", { class: "skeleton", role: "status", "aria-label": label }, h("i"), h("i"), h("i"));
}

export function emptyState(title, text, ...actions) {
  return h("div", { class: "state" }, h("h2", {}, title), h("p", {}, text), actions.length ? h("div", { class: "row" }, actions) : null);
}

export function errorState(error, retry) {
  const absent = error?.status === 404 && error?.code === 40401 || error?.status === 502 || error?.status === 503;
  return h("div", { class: "state error", role: "alert" }, h("h2", {}, absent ? "This part of the platform is not here" : "That did not work"),
    h("p", {}, describe(error)),
    retry ? h("div", { class: "row" }, h("button", { type: "button", class: "button", on: { click: () => retry() } }, icon("refresh"), "Try again")) : null);
}

export function note(kind, ...content) {
  const icons = { ok: "check", warn: "warning", error: "error", info: "info" };
  return h("div", { class: `note ${kind}` }, icon(icons[kind] ?? "info"), add(h("div"), ...content));
}

/** Says that what a page shows is gone. */
export const goneNote = (name, list, href) => note("warn", `“${name}” is gone: it was deleted meanwhile. This page shows what was last known of it. `, h("a", { href }, list));

/** A part of a page that loads by itself: shows that it waits, then what `load` gives, or the error with a way to try again. */
export function region(load, { signal, label, onError } = {}) {
  const host = h("div", {});
  const run = async () => {
    host.replaceChildren(loading(label));
    try {
      const content = await load();
      if (!signal?.aborted) { host.replaceChildren(); add(host, content); }
    } catch (error) {
      if (error.name === "AbortError" || signal?.aborted) return;
      host.replaceChildren(onError?.(error) ?? errorState(error, run));
    }
  };
  host.reload = run;
  run();
  return host;
}

const tones = {
  RUNNING: "ok", ok: "ok", Stable: "ok", STABLE: "ok", up: "ok", FAILED: "bad", ERROR: "bad", down: "bad", Dead: "bad", DEAD: "bad",
  PAUSED: "warn", STOPPED: "warn", RESTARTING: "warn", UNASSIGNED: "warn", UNRESPONSIVE: "warn", REBALANCING: "warn",
  PreparingRebalance: "warn", CompletingRebalance: "warn",
};
export const toneOf = (state) => tones[state] ?? "";
export const stateBadge = (state) => h("span", { class: `badge ${toneOf(state)}` }, h("span", { class: `dot ${toneOf(state)}`, "aria-hidden": "true" }), state ?? "unknown");
