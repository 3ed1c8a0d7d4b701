// Queries whose rows come as they are made. All of a tab share one WebSocket, as browsers open only six connections to a
// server; where there is none, each has a request of its own.
import { aboutServer, api, ApiError } from "./api.js";

/** Longer questions, in characters, go by a request: the socket takes messages of 64 KiB. */
const QUESTION_MAX = 20000;
/** How long a socket without queries stays: the next panel or the next turn of a pull query uses it again. */
const LINGER = 10000;

let line = null;  // { socket, ready, queries: Map(id -> { take, done, fail }), lingering }
let lastId = 0;
/** Where no socket ever opened, something between lets none through: that is not tried with every query. */
const AGAIN = 60000;
let everOpened = false;
let refusedAt = -Infinity;

const aborted = () => new DOMException("the query was stopped", "AbortError");

function hear({ queries }, data) {
  const end = data.indexOf("\n");
  const head = JSON.parse(end < 0 ? data : data.slice(0, end));
  const query = queries.get(head.id);
  if (!query) return;  // it was stopped meanwhile
  if (head.error) query.fail(new ApiError(head.error.message, 0, head.error));
  else if (head.end) query.done();
  else query.take(data.slice(end + 1));
}

function open() {
  const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/query`);
  const own = { socket, queries: new Map(), lingering: 0 };
  own.ready = new Promise((resolve) => {
    socket.addEventListener("open", () => { everOpened = true; resolve(true); }, { once: true });
    socket.addEventListener("close", () => { refusedAt = performance.now(); resolve(false); }, { once: true });
  });
  socket.addEventListener("message", ({ data }) => hear(own, data));
  socket.addEventListener("close", ({ reason }) => {
    if (line === own) line = null;
    clearTimeout(own.lingering);
    for (const { fail } of [...own.queries.values()]) fail(new ApiError(reason || "the connection of this page's queries was lost", 0));
  });
  return own;
}

/** The tab's socket, open; null where there is none: an older server, or something between that lets none through. */
async function shared() {
  const { query_socket: offered } = await aboutServer().catch(() => ({}));  // the query itself will say what is wrong
  if (!offered || !line && !everOpened && performance.now() - refusedAt < AGAIN) return null;
  try { line ??= open(); } catch { return null; }  // a browser may refuse it at once
  const own = line;
  clearTimeout(own.lingering);
  return (await own.ready) ? own : null;
}

/** Whether push queries of this tab cost it no connection each. */
export const queriesShareSocket = async () => (await shared()) !== null;

async function socketText(own, question, signal, take) {
  if (signal?.aborted) throw aborted();
  clearTimeout(own.lingering);
  lastId += 1;
  const id = lastId;
  const tell = (message) => { if (own.socket.readyState === WebSocket.OPEN) own.socket.send(JSON.stringify(message)); };
  let stop;
  try {
    await new Promise((resolve, reject) => {
      stop = () => { tell({ stop: id }); reject(aborted()); };
      signal?.addEventListener("abort", stop, { once: true });
      own.queries.set(id, { take, done: resolve, fail: reject });
      if (own.socket.readyState !== WebSocket.OPEN) throw new ApiError("the connection of this page's queries was lost", 0);
      tell({ start: id, ...question });
    });
  } finally {
    signal?.removeEventListener("abort", stop);
    own.queries.delete(id);
    if (!own.queries.size) own.lingering = setTimeout(() => { if (!own.queries.size) { if (line === own) line = null; own.socket.close(); } }, LINGER);
  }
}

async function requestText(question, signal, take) {
  const response = await api.post("sql/query-stream", question, { signal, raw: true, headers: { Accept: "application/vnd.ksqlapi.delimited.v1" } });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    take(value);
  }
}

/** A number whose digits JavaScript would change: to be shown, and counted with as well as it goes. */
export class Digits extends Number {
  constructor(value, text) { super(value); this.text = text; }
  toString() { return this.text; }
  toJSON() { return JSON.rawJSON ? JSON.rawJSON(this.text) : this.text; }
}

/** Whether a row may have such numbers: most have none, and are read in half the time. */
const MAY_CHANGE = /\d[\d.]{15}|\.\d*0(?!\d)|\d[eE]/;
const keepDigits = (_, value, context) => (typeof value === "number" && context?.source !== undefined && context.source !== String(value) ? new Digits(value, context.source) : value);

/** Runs one SELECT or PRINT and gives its lines as they come. Aborting the signal ends the query. With `exact`, numbers may be `Digits`. */
export async function sqlStream(sql, { properties = {}, variables = {}, signal, exact = false, onHeader, onRow, onLine, onError }) {
  let rest = "";
  const take = (text) => {
    if (!text.trim()) return;
    let value;
    try { value = exact && MAY_CHANGE.test(text) ? JSON.parse(text, keepDigits) : JSON.parse(text); } catch { onLine?.(text); return; }  // PRINT writes plain lines
    if (Array.isArray(value)) onRow?.(value);
    else if (value && value.columnNames) onHeader?.(value);
    else if (value && (value.error_code || value["@type"]?.endsWith("error"))) onError?.(value.message ?? "the query failed");
    else onLine?.(text);
  };
  const text = (part) => {
    rest += part;
    const lines = rest.split("\n");
    rest = lines.pop();
    lines.forEach(take);
  };
  const question = { sql, properties, sessionVariables: variables };
  const own = JSON.stringify(question).length < QUESTION_MAX ? await shared() : null;
  await (own ? socketText(own, question, signal, text) : requestText(question, signal, text));
  take(rest);
}

// A page that is left, though it may be kept for "back", holds no connection.
addEventListener("pagehide", () => { const own = line; line = null; own?.socket.close(); });
