// Calls of the console's own server: JSON, errors with a next step, server-sent events.

export class ApiError extends Error {
  constructor(message, status, body) {
    super(message);
    this.status = status;
    this.body = body;
    this.code = body?.error_code ?? 0;
  }
  /** A part of the platform that is not running or not configured. */
  get absent() {
    return this.status === 404 && this.code === 40401 && !!this.body?.absent;
  }
}

const part = (text) => encodeURIComponent(text);
/** Builds a path of parts that may hold anything: path`topics/${name}`. */
export const path = (strings, ...values) => strings.reduce((all, text, at) => all + part(values[at - 1]) + text);

/** "?a=1&b=2" without what is empty. */
export function queryOf(values) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") query.set(name, value);
  }
  const text = query.toString();
  return text ? `?${text}` : "";
}

async function failure(response) {
  const text = await response.text().catch(() => "");
  let body = null;
  try { body = JSON.parse(text); } catch { /* not JSON: its text is the message */ }
  const message = body?.message ?? (text && text.length < 300 && !text.startsWith("<") ? text : "");
  return new ApiError(message || `the server answered ${response.status} ${response.statusText}`.trim(), response.status, body);
}

const EARLY_MAX = 5000;
/** The answer that early.js asked for before anybody could; each is taken once, while it is new. Otherwise undefined. */
function early(method, address, body, signal) {
  const name = `${method} ${address} ${body ?? ""}`;
  const found = globalThis.early?.get(name);
  if (!found) return undefined;
  globalThis.early.delete(name);
  if (performance.now() - found.at > EARLY_MAX) return undefined;
  return new Promise((resolve, reject) => {
    const stop = () => reject(new DOMException("the page was left", "AbortError"));
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop, { once: true });
    found.response.then(resolve, reject);
  });
}

async function send(method, address, { body, signal, headers = {}, raw = false } = {}) {
  const init = { method, signal, headers: { Accept: "application/json", ...headers }, cache: "no-store" };
  if (method !== "GET") init.headers["X-Swiftwater-Console"] = "1";
  if (body !== undefined) {
    init.headers["Content-Type"] ??= "application/json";
    init.body = typeof body === "string" ? body : JSON.stringify(body);
  }
  let response;
  try {
    response = await (early(method, address, init.body, signal) ?? fetch(`/api/${address}`, init));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("the console's server does not answer. Is Swiftwater still running? This page tries again when you do.", 0);
  }
  if (!response.ok) throw await failure(response);
  if (raw) return response;
  if (response.status === 204) return null;
  const text = await response.text();
  if (!text) return null;
  try { return JSON.parse(text); } catch {
    throw new ApiError("the server's answer is not JSON", response.status);
  }
}

export const api = {
  get: (address, options) => send("GET", address, options),
  post: (address, body, options) => send("POST", address, { body, ...options }),
  put: (address, body, options) => send("PUT", address, { body, ...options }),
  patch: (address, body, options) => send("PATCH", address, { body, ...options }),
  delete: (address, options) => send("DELETE", address, options),
};

/** Why the server refuses a stream; undefined when it does not. */
async function refusal(address) {
  const asking = new AbortController();
  try {
    const response = await fetch(`/api/${address}`, { signal: asking.signal, cache: "no-store" });
    return response.ok ? undefined : await failure(response);
  } catch {
    return undefined;
  } finally {
    asking.abort();
  }
}

/** Whether asking again later may help: the server, or one between, is not itself right now. */
const mayPass = (error) => !error?.status || error.status >= 500 || error.status === 408 || error.status === 429;
const PAUSE_MAX = 10000;

/**
 * Server-sent events until `signal` aborts or close() is called: { name: handler(data) }; `state` hears "on" and "off".
 * `refused` hears why the server does not want to. Browsers do not ask again after that: this does, unless it is final.
 * A tab that nobody sees lets go of its stream: browsers give a server six connections, for all its tabs together.
 */
export function events(address, handlers, { signal, state, refused } = {}) {
  let source = null;
  let pause = 1000;
  let waiting = 0;
  function open() {
    if (source || document.hidden) return;
    const mine = source = new EventSource(`/api/${address}`);
    for (const [name, handler] of Object.entries(handlers)) {
      mine.addEventListener(name, (event) => {
        let data;
        try { data = JSON.parse(event.data); } catch { return; }  // a damaged event is as good as none
        handler(data);
      });
    }
    mine.addEventListener("open", () => {
      pause = 1000;
      state?.("on");
    });
    mine.addEventListener("error", async () => {
      state?.("off");
      if (mine.readyState !== EventSource.CLOSED) return;  // the browser tries again
      const error = await refusal(address);
      if (source !== mine) return;
      if (error) refused?.(error);
      if (!mayPass(error)) return;
      source = null;
      waiting = setTimeout(open, pause);
      pause = Math.min(2 * pause, PAUSE_MAX);
    });
  }
  function shut() {
    clearTimeout(waiting);
    source?.close();
    source = null;
  }
  const seen = () => (document.hidden ? shut() : open());
  function close() {
    document.removeEventListener("visibilitychange", seen);
    shut();
  }
  document.addEventListener("visibilitychange", seen);
  signal?.addEventListener("abort", close);
  open();
  return { close };
}

/** Statements to the SQL server; answers its entities. */
export const ksql = (statements, { properties = {}, variables = {}, signal } = {}) =>
  api.post("sql/ksql", { ksql: statements, streamsProperties: properties, sessionVariables: variables }, { signal });

let about = null;
/** What the server says about itself; asked once. */
export function aboutServer() {
  about ??= send("GET", "about").catch((error) => { about = null; throw error; });
  return about;
}
