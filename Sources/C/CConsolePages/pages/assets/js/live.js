// Rates each second, shared by the frame and the page: one stream of events for a tab.
import { events } from "./api.js";

const listeners = new Set();
const states = new Set();
let source = null;
let watched = "";
let last = null;

function wanted() {
  const topics = new Set();
  for (const { topics: names } of listeners) names.forEach((name) => topics.add(name));
  return [...topics].sort().join(",");
}

function connect() {
  const topics = wanted();
  if (source && topics === watched) return;
  source?.close();
  watched = topics;
  source = events(`events${topics ? `?topics=${encodeURIComponent(topics)}` : ""}`, {
    rates: (data) => {
      last = data;
      for (const { handler } of [...listeners]) handler(data);
    },
  }, { state: (name) => { for (const handler of states) handler(name); } });
}

// A page that is left, though it may be kept for "back", holds no connection.
addEventListener("pagehide", () => { source?.close(); source = null; });
addEventListener("pageshow", (event) => { if (event.persisted) connect(); });

/** Calls `handler` each second until `signal` aborts; `topics` are those whose rates are wanted. */
export function watchRates(handler, { topics = [], signal } = {}) {
  const entry = { handler, topics };
  listeners.add(entry);
  signal?.addEventListener("abort", () => {
    listeners.delete(entry);
    queueMicrotask(connect);
  });
  queueMicrotask(connect);
  if (last) queueMicrotask(() => handler(last));
}

export const watchConnection = (handler) => states.add(handler);

/**
 * Runs `action` every `milliseconds` while the page is open and the tab is seen. `gone` is called when the server answers that
 * it knows no such thing; then it is not asked again, unless `gone` answers false.
 */
export function poll(action, milliseconds, signal, gone) {
  let timer;
  const next = () => { if (!signal.aborted) timer = setTimeout(turn, milliseconds); };
  async function turn() {
    if (signal.aborted) return;
    if (document.hidden) { next(); return; }
    try {
      await action();
    } catch (error) {
      // Otherwise the next turn tries again, and the page shows what it has.
      if (error?.status === 404 && gone && !signal.aborted && await gone() !== false) return;
    }
    next();
  }
  signal.addEventListener("abort", () => clearTimeout(timer));
  next();
}
