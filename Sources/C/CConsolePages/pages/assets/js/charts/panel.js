// One panel of a dashboard: runs its query and shows the rows as a chart, a table or a number.
import { fill, h } from "../dom.js";
import { count, dateOf, exactly, plural } from "../format.js";
import { queriesShareSocket, sqlStream } from "../queries.js";
import { assignment, kindOf, statements, withLine } from "../sql/text.js";
import { cellText } from "../sql/results.js";
import { describe, note } from "../ui/states.js";
import { plainTable } from "../ui/table.js";
import { chart } from "./chart.js";
import { inOrder } from "./scale.js";

const KEPT = 300;
/** Lines that are drawn, and rows of a push query that its table shows. */
const LINES = 24;
const ROWS = 50;
const numberOf = (value) => (typeof value === "number" ? value : value === null || value === undefined || value === "" ? NaN : Number(value));

/** The query of a panel's text, what it sets, and the statements that do. */
export function parsePanel(sql) {
  const properties = {};
  let query = "";
  let settings = "";
  for (const { text, start } of statements(sql)) {
    const kind = kindOf(text);
    if (kind === "set") {
      let pair;
      try { pair = assignment(text); } catch (error) { throw new Error(withLine(error.message, sql.slice(0, start))); }
      properties[pair[0]] = pair[1];
      settings += text.endsWith(";") ? text : `${text};`;
    } else if (kind === "rows" && !query) query = text;
    else throw new Error("a panel takes one SELECT, with SET statements before it");
  }
  if (!query) throw new Error("a panel needs a SELECT");
  return { settings, query: query.endsWith(";") ? query : `${query};`, properties, push: /\bEMIT\s+(CHANGES|FINAL)\b/i.test(query) };
}

/** The time that a value tells, in milliseconds; null when it tells none. Texts of TIMESTAMP columns have no zone and are UTC. */
function timeOf(value) {
  if (typeof value === "number") return value > 1e11 ? value : null;
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\dT/.test(value)) return null;
  return dateOf(/T\d\d(:\d\d(:\d\d(\.\d+)?)?)?$/.test(value) ? `${value}Z` : value)?.getTime() ?? null;
}

/** A number as a panel shows it at large. */
export function numberText(value) {
  if (value === null) return "–";
  if (Number.isInteger(value)) return count(value);
  const cents = Math.round(value * 100);
  return cents === 0 ? String(value) : count(cents / 100);
}

/** Collects rows into what a chart draws. Pure: rows in, series out. */
export class PanelData {
  constructor({ x, y = [], series }, columns) {
    const find = (name) => (name ? columns.findIndex((column) => column.toUpperCase() === name.toUpperCase()) : -1);
    this.columns = columns;
    /** Names that the panel was told and the query does not give. */
    this.missing = [x, ...y, series].filter((name) => name && find(name) < 0);
    this.x = find(x);
    this.split = find(series);
    this.ys = y.map((name) => [name, find(name)]).filter(([, at]) => at >= 0);
    this.candidates = columns.map((name, at) => [name, at]).filter(([, at]) => at !== this.x && at !== this.split);
    this.lines = new Map();
    this.rows = new Map();
    this.categories = false;
    this.last = null;
    this.history = [];
    this.turn = 0;
    this.dropped = 0;
    /** Whether there ever was something to draw. */
    this.drawn = false;
    this.guessed = y.length === 0;
  }

  add(values, now) {
    this.turn += 1;
    // A column is one of numbers from its first number on: rows before may have nulls.
    if (this.guessed && this.ys.length < 4) {
      for (const [name, at] of this.candidates) {
        if (this.ys.length < 4 && Number.isFinite(numberOf(values[at])) && typeof values[at] !== "boolean" && !this.ys.some(([, known]) => known === at)) this.ys.push([name, at]);
      }
    }
    const key = this.x < 0 ? this.turn : `${cellText(values[this.x])}\n${this.split < 0 ? "" : cellText(values[this.split])}`;
    this.rows.delete(key);
    this.rows.set(key, values);
    if (this.rows.size > KEPT) { this.rows.delete(this.rows.keys().next().value); this.dropped += 1; }
    let x = this.x < 0 ? now : values[this.x];
    if (this.x >= 0 && (x === null || x === undefined)) return;  // no place on the axis
    if (this.x >= 0) {
      const time = timeOf(x);
      if (time === null) { this.categories = true; x = cellText(x); } else x = time;
    }
    this.ys.forEach(([name, at], index) => {
      const value = numberOf(values[at]);
      const isNumber = Number.isFinite(value);
      if (index === 0 && (isNumber || values[at] === null)) this.last = isNumber ? value : null;
      const line = this.split < 0 ? name : this.ys.length > 1 ? `${cellText(values[this.split])} ${name}` : cellText(values[this.split]);
      if (!isNumber) {
        // What was there is no longer so.
        const points = this.lines.get(line);
        if (points?.delete(x) && !points.size) this.lines.delete(line);
        return;
      }
      if (index === 0) { this.history.push([now, value]); if (this.history.length > KEPT) this.history.shift(); }
      const points = this.lines.get(line) ?? this.lines.set(line, new Map()).get(line);
      points.set(x, value);
      this.drawn = true;
      if (points.size > KEPT) points.delete(this.categories ? points.keys().next().value : Math.min(...points.keys()));
    });
  }

  /** What a table shows of the rows: the newest ones first, or all in their order; with a word on those that it does not show. */
  table(push) {
    const all = [...this.rows.values()];
    const rows = push ? all.slice(-ROWS).reverse() : all;
    const total = all.length + this.dropped;
    return { rows, word: rows.length < total ? `The last ${rows.length} of ${plural(total, "row")}${push ? ", the newest first" : ""}.` : push && rows.length > 1 ? "The newest first." : "" };
  }

  get series() {
    const order = new Map(this.categories ? inOrder([...new Set([...this.lines.values()].flatMap((points) => [...points.keys()]))]).map((x, at) => [x, at]) : []);
    const place = (x) => (this.categories ? order.get(x) : x);
    return { categories: this.categories, hidden: Math.max(0, this.lines.size - LINES), series: [...this.lines].slice(0, LINES).map(([name, points]) => ({ name, points: [...points].sort((a, b) => place(a[0]) - place(b[0])) })) };
  }
}

// Where queries share no socket, a browser has six connections for everything: four of them may stay with push queries.
let streams = 0;
const waiting = [];
async function turn(signal) {
  if (await queriesShareSocket()) return () => {};
  if (streams >= 4) {
    await new Promise((resolve) => { waiting.push(resolve); signal.addEventListener("abort", resolve, { once: true }); });
    if (signal.aborted) return () => {};
  }
  streams += 1;
  let given = false;
  return () => {
    if (given) return;
    given = true;
    streams -= 1;
    waiting.shift()?.();
  };
}

/** The body of a panel; runs until `signal` aborts. */
export function panelBody(panel, { signal, height = 220 }) {
  const drawn = panel.kind !== "table" && panel.kind !== "number";
  const host = h("div", { class: drawn ? "stack-s fills" : "stack-s" });
  let parsed;
  try { parsed = parsePanel(panel.sql); } catch (error) { host.append(note("error", describe(error))); return host; }
  const problem = h("div");
  const hindrance = h("div");
  const view = drawn ? chart({ label: panel.title || "Panel", kind: panel.kind, height, fills: true, wait: parsed.push ? "Waiting for the first rows…" : "No rows yet" }) : h("div");
  const spark = panel.kind === "number" ? chart({ label: `${panel.title || "Number"} over time`, kind: "area", height: 90, tableButton: false, wait: "" }) : null;
  host.append(view, ...(spark ? [spark] : []), hindrance, problem);
  if (panel.kind === "number") fill(view, h("div", { class: "big-number" }, "–"));
  let data = null;
  let frame = 0;
  let last = 0;

  /** What keeps the rows from being drawn; null when they are. */
  const obstacle = () => {
    if (panel.kind === "table") return null;
    if (data.missing.length) return `The query gives no column ${data.missing.join(", ")}. It gives ${data.columns.join(", ")}.`;
    return data.turn && !data.drawn ? "Rows come, but none has a number to draw: show them as a table, or choose another column." : null;
  };

  function draw() {
    frame = 0;
    if (!data || signal.aborted) return;
    const why = obstacle();
    if (hindrance.textContent !== (why ?? "")) fill(hindrance, why ? note("warn", why) : null);
    view.hidden = Boolean(why);
    if (panel.kind === "table") {
      const { rows, word } = data.table(parsed.push);
      fill(view, plainTable(panel.title || "Rows", data.columns, rows.map((values) => values.map(cellText))), word ? h("p", { class: "muted small" }, word) : null);
    } else if (panel.kind === "number") {
      view.firstChild.textContent = numberText(data.last);
      view.firstChild.title = data.last === null ? "" : exactly(data.last);
      spark.update({ series: [{ name: data.ys[0]?.[0] ?? "value", points: [...data.history] }] });
    } else {
      view.update(data.series);
    }
  }
  // A few drawings a second are enough for eyes, whatever comes in.
  const later = () => {
    if (frame) return;
    frame = setTimeout(() => { last = performance.now(); draw(); }, Math.max(0, 250 - (performance.now() - last)));
  };

  async function run() {
    let rows = 0;
    let failed = null;
    let fresh = null;
    const own = new AbortController();  // ends this run: with the page, or when nobody has looked for a while
    const end = () => own.abort();
    signal.addEventListener("abort", end, { once: true });
    let hidden;
    const look = () => { clearTimeout(hidden); if (document.hidden) hidden = setTimeout(end, 15000); };
    document.addEventListener("visibilitychange", look);
    const release = parsed.push ? await turn(own.signal) : () => {};
    await sqlStream(parsed.query, {
      properties: parsed.properties, signal: own.signal, exact: panel.kind === "table",
      onHeader: (header) => { problem.replaceChildren(); view.hidden = false; fresh = new PanelData(panel, header.columnNames); if (parsed.push) data = fresh; },
      onRow: (values) => { rows += 1; fresh?.add(values, Date.now()); if (parsed.push) later(); },
      onError: (message) => { failed = message; },
    }).finally(() => {
      release();
      clearTimeout(hidden);
      document.removeEventListener("visibilitychange", look);
      signal.removeEventListener("abort", end);
    });
    if (failed) throw new Error(failed);
    if (!parsed.push) {
      if (data && fresh && panel.kind === "number") fresh.history.unshift(...data.history.slice(-KEPT + 1));
      data = fresh;
      draw();
    }
    return rows;
  }
  /** Waits until somebody looks at the page. */
  const seenAgain = () => new Promise((resolve) => {
    const look = () => { if (document.hidden && !signal.aborted) return; document.removeEventListener("visibilitychange", look); resolve(); };
    document.addEventListener("visibilitychange", look);
    signal.addEventListener("abort", look, { once: true });
    look();
  });
  async function loop() {
    let pause = 1000;
    while (!signal.aborted) {
      try {
        await run();
        pause = 1000;
        problem.replaceChildren();
      } catch (error) {
        if (signal.aborted) return;
        if (error?.name === "AbortError") { await seenAgain(); continue; }
        view.hidden = !data;
        fill(problem, note("error", describe(error)));
        pause = Math.min(pause * 2, 30000);
      }
      // A pull query is asked again; a push query that ended begins again.
      await new Promise((resolve) => setTimeout(resolve, Math.max(pause, panel.refresh_ms ?? 3000)));
      if (document.hidden) await seenAgain();
    }
  }
  loop();
  return host;
}
