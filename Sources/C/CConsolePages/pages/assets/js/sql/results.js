// What statements answer: messages, lists, descriptions, plans, rows as they come.
import { path } from "../api.js";
import { fill, h } from "../dom.js";
import { count, duration, rate } from "../format.js";
import { Digits } from "../queries.js";
import { codeBlock, facts } from "../ui/page.js";
import { note } from "../ui/states.js";
import { plainTable, table } from "../ui/table.js";
import { typeText } from "./catalog.js";
import { analysisView } from "./analysis.js";
import { planView } from "./plan.js";

export const cellText = (value) => (value instanceof Digits ? value.text : value === null || value === undefined ? "null" : typeof value === "object" ? JSON.stringify(value) : String(value));

const sortable = (value) => (value instanceof Digits ? Number(value) : value !== null && typeof value === "object" ? JSON.stringify(value) : value);

const fieldsTable = (fields) => plainTable("Columns", ["Column", "Type", ""], (fields ?? []).map(({ name, schema, type }) => [name, h("code", {}, typeText(schema)), type ? h("span", { class: "badge" }, type.toLowerCase()) : ""]));

function description(data) {
  return h("div", { class: "stack-s" }, h("h2", {}, data.name), facts([["Kind", data.type?.toLowerCase()], ["Topic", h("a", { href: path`/topics/${data.topic ?? ""}` }, data.topic)], ["Formats", `key ${data.keyFormat}, value ${data.valueFormat}`],
    data.statistics ? ["Statistics", data.statistics] : null, data.statement ? ["Statement", h("code", { class: "break" }, data.statement)] : null]), fieldsTable(data.fields),
  [...(data.writeQueries ?? []), ...(data.readQueries ?? [])].map((query) => h("p", {}, h("a", { href: path`/queries/${query.id}` }, query.id), h("span", { class: "muted" }, ` ${query.state ?? ""}`))));
}

function queryDescription(data) {
  return h("div", { class: "stack-s" }, data.analysis ? analysisView(data.analysis) : null, h("h2", {}, "Plan"), planView(data.executionPlan),
    data.fields?.length ? [h("h2", {}, "Columns"), fieldsTable(data.fields)] : null);
}

/** A list of objects as a table with the members that hold plain values. */
function listOf(name, rows) {
  if (!rows.length) return h("p", { class: "muted" }, `No ${name}.`);
  if (typeof rows[0] !== "object") return h("p", { class: "break" }, rows.join(", "));
  const titles = [...new Set(rows.flatMap(Object.keys))];
  const linkOf = { id: (row) => (name === "queries" && row.queryType !== "PUSH" ? path`/queries/${row.id}` : null), topic: (row) => path`/topics/${row.topic}`, name: (row) => (name === "topics" ? path`/topics/${row.name}` : null) };
  let key = 0;
  const keys = new WeakMap(rows.map((row) => [row, key++]));
  return table({ label: name, key: (row) => keys.get(row), rows, height: "60vh", columns: titles.map((title) => ({
    id: title, title, value: (row) => (typeof row[title] === "object" ? JSON.stringify(row[title]) : row[title]),
    cell: (row) => { const to = linkOf[title]?.(row); const text = cellText(row[title]); return to ? h("a", { href: to }, text) : text; },
  })) });
}

/** One entity of the server's answer. */
export function entityView(entity) {
  const warnings = (entity.warnings ?? []).map(({ message }) => note("warn", message));
  const body = () => {
    if (entity.commandStatus) {
      const { status, message, queryId } = entity.commandStatus;
      return note(status === "ERROR" ? "error" : "ok", message || status, queryId ? [". ", h("a", { href: path`/queries/${queryId}` }, "Look at the query")] : null);
    }
    if (entity.sourceDescription) return description(entity.sourceDescription);
    if (entity.sourceDescriptions) return h("div", { class: "stack" }, entity.sourceDescriptions.map(description));
    if (entity.queryDescription) return queryDescription(entity.queryDescription);
    if (entity.upgrade) return h("div", { class: "stack-s" }, note("info", typeof entity.upgrade === "string" ? entity.upgrade : cellText(entity.upgrade)));
    if (entity["@type"] === "describe_function") return h("div", { class: "stack-s" }, h("h2", {}, entity.name), h("p", {}, entity.description), codeBlock(JSON.stringify(entity.functions, null, 2), { label: "Variants" }));
    const lists = Object.entries(entity).filter(([name, value]) => Array.isArray(value) && !["warnings", "overwrittenProperties", "defaultProperties"].includes(name));
    if (lists.length) return h("div", { class: "stack" }, lists.map(([name, rows]) => listOf(name, rows)));
    if (entity.message) return note("info", entity.message);
    const rest = Object.fromEntries(Object.entries(entity).filter(([name]) => !["@type", "statementText", "warnings"].includes(name)));
    return codeBlock(JSON.stringify(rest, null, 2), { label: "Answer" });
  };
  return h("div", { class: "stack-s" }, warnings, body());
}

const KEPT = 1000;

/** A table of rows as they come. Answers { element, header, row, done, fail }. */
export function rowsView({ push }) {
  const status = h("p", { class: "muted small num", role: "status" }, "Running…");
  const holder = h("div", {});
  const rows = [];
  let grid = null;
  let columns = [];
  let total = 0;
  let lastTotal = 0;
  let frame = 0;
  const began = performance.now();
  const draw = () => { frame = 0; grid?.update(push ? [...rows].reverse() : [...rows]); };
  const tick = () => {
    status.textContent = `${count(total)} ${total === 1 ? "row" : "rows"}, ${rate((total - lastTotal))}${total > KEPT ? `, the last ${count(KEPT)} are shown` : ""}${total === 0 && push ? ". Waiting for new records; “from the beginning” reads those that are there" : ""}`;
    lastTotal = total;
  };
  let timer = setInterval(tick, 1000);
  const end = (text) => { clearInterval(timer); timer = 0; draw(); status.textContent = text; };
  return {
    element: h("div", { class: "stack-s" }, status, holder),
    get total() { return total; },
    header: ({ columnNames, columnTypes }) => {
      columns = columnNames;
      grid = table({ label: "Rows of the query", key: (row) => row.at, height: "60vh", columns: columnNames.map((name, at) => ({
        id: String(at), title: name, end: /^(INT|BIGINT|DOUBLE|DECIMAL)/.test(columnTypes?.[at] ?? ""), value: (row) => sortable(row.values[at]), cell: (row) => cellText(row.values[at]),
      })) });
      fill(holder, grid);
    },
    row: (values) => {
      total += 1;
      rows.push({ at: total, values });
      if (rows.length > KEPT) rows.shift();
      if (!frame) frame = requestAnimationFrame(draw);
    },
    line: (text) => {
      if (/^rowtime: /.test(text)) total += 1;  // in front are two lines that tell the formats
      if (!holder.firstChild) holder.append(h("pre", { class: "code", tabindex: 0, role: "region", "aria-label": "Printed records" }));
      const pre = holder.firstChild;
      pre.append(`${text}\n`);
      while (pre.childNodes.length > KEPT) pre.firstChild.remove();
      pre.scrollTop = pre.scrollHeight;
    },
    done: (text) => end(text ?? `${count(total)} ${total === 1 ? "row" : "rows"} in ${duration(performance.now() - began)}.`),
    fail: (message) => { end(total ? `${count(total)} rows before it failed.` : ""); holder.append(note("error", message)); },
    columns: () => columns,
  };
}
