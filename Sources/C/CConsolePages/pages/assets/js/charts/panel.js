// One panel of a dashboard: runs its query and shows the rows as a chart, a table or a number.
import { fill, h } from "../dom.js";
import { count, dateOf, short } from "../format.js";
import { queriesShareSocket, sqlStream } from "../queries.js";
import { assignment, kindOf, statements } from "../sql/text.js";
import { cellText } from "../sql/results.js";
import { describe, note } from "../ui/states.js";
import { plainTable } from "../ui/table.js";
import { chart } from "./chart.js";

const KEPT = 300;
const numberOf = (value) => (typeof value === "number" ? value : value === null || value === undefined || value === "" ? NaN : Number(value));

/** SET statements and the query of a panel's text. */
export function parsePanel(sql) {
  const properties = {};
  let query = "";
  for (const { text } of statements(sql)) {
    const kind = kindOf(text);
    if (kind === "set") { const [name, value] = assignment(text); properties[name] = value; } else if (kind === "rows") query = text;
    else throw new Error("a panel takes one SELECT, with SET statements before it");
  }
  if (!query) throw new Error("a panel needs a SELECT");
  return { query: query.endsWith(";") ? query : `${query};`, properties, push: /\bEMIT\s+(CHANGES|FINAL)\b/i.test(query) };
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
    if (this.rows.size > KEPT) this.rows.delete(this.rows.keys().next().value);
    let x = this.x < 0 ? now : values[this.x];
    if (this.x >= 0 && (x === null || x === undefined)) return;  // no place on the axis
    if (this.x >= 0) {
      const time = typeof x === "number" && x > 1e11 ? x : typeof x === "string" && /^\d{4}-\d\d-\d\dT/.test(x) ? dateOf(x)?.getTime() : null;
      if (time === null || time === undefined) { this.categories = true; x = cellText(x); } else x = time;
    }
    this.ys.forEach(([name, at], index) => {
      const value = numberOf(values[at]);
      if (!Number.isFinite(value)) return;
      if (index === 0) { this.last = value; this.history.push([now, value]); if (this.history.length > KEPT) this.history.shift(); }
      const line = this.split < 0 ? name : this.ys.length > 1 ? `${cellText(values[this.split])} ${name}` : cellText(values[this.split]);
      const points = this.lines.get(line) ?? this.lines.set(line, new Map()).get(line);
      points.set(x, value);
      if (points.size > KEPT) points.delete(this.categories ? points.keys().next().value : Math.min(...points.keys()));
    });
  }

  get series() {
    return { categories: this.categories, series: [...this.lines].slice(0, 24).map(([name, points]) => ({ name, points: [...points].sort(this.categories ? (a, b) => String(a[0]).localeCompare(String(b[0]), "en", { numeric: true }) : (a, b) => a[0] - b[0]) })) };
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
  const host = h("div", { class: "stack-s" });
  let parsed;
  try { parsed = parsePanel(panel.sql); } catch (error) { host.append(note("error", describe(error))); return host; }
  const problem = h("div");
  const hindrance = h("div");
  const view = panel.kind === "table" || panel.kind === "number" ? h("div") : chart({ label: panel.title || "Panel", kind: panel.kind, height, wait: parsed.push ? "Waiting for the first rows…" : "No rows yet" });
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
    return data.turn && !data.lines.size ? "Rows come, but none has a number to draw: show them as a table, or choose another column." : null;
  };

  function draw() {
    frame = 0;
    if (!data || signal.aborted) return;
    const why = obstacle();
    if (hindrance.textContent !== (why ?? "")) fill(hindrance, why ? note("warn", why) : null);
    view.hidden = Boolean(why);
    if (panel.kind === "table") {
      const rows = [...data.rows.values()].slice(-50).reverse();
      fill(view, plainTable(panel.title || "Rows", data.columns, rows.map((values) => values.map(cellText))));
    } else if (panel.kind === "number") {
      view.firstChild.textContent = data.last === null ? "–" : Number.isInteger(data.last) ? count(data.last) : short(data.last * 100) === "0" ? String(data.last) : count(Math.round(data.last * 100) / 100);
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
