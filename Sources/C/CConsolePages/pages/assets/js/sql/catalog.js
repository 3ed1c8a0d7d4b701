// What the SQL server knows: streams, tables, their columns, functions. Kept for a few seconds.
import { ksql } from "../api.js";

const KEPT = 5000;
const kept = new Map();  // what was asked -> { at, answer }
let functions = null;

function keep(text, signal, read) {
  const found = kept.get(text);
  if (found && Date.now() - found.at < KEPT) return found.answer;
  const entry = { at: Date.now(), answer: ksql(text, { signal }).then(read) };
  kept.set(text, entry);
  entry.answer.catch(() => { if (kept.get(text) === entry) kept.delete(text); });
  return entry.answer;
}

/** A column's type in SQL. */
export function typeText(schema) {
  if (!schema) return "";
  if (schema.type === "ARRAY") return `ARRAY<${typeText(schema.memberSchema)}>`;
  if (schema.type === "MAP") return `MAP<STRING, ${typeText(schema.memberSchema)}>`;
  if (schema.type === "STRUCT") return `STRUCT<${(schema.fields ?? []).map(({ name, schema: inner }) => `${name} ${typeText(inner)}`).join(", ")}>`;
  if (schema.type === "DECIMAL") return `DECIMAL(${schema.parameters?.precision}, ${schema.parameters?.scale})`;
  return schema.type;
}

export function forgetCatalog() { kept.clear(); }

/** A name as it stands in a statement. */
export const sqlName = (name) => (/^[A-Z_][A-Z0-9_]*$/.test(name) ? name : `\`${name.replaceAll("`", "``")}\``);

/** [{ kind: "stream" | "table", name, topic }] */
export const catalog = (signal) => keep("SHOW STREAMS; SHOW TABLES;", signal, (answer) => answer
  .flatMap(({ streams, tables }) => [...(streams ?? []).map((source) => ["stream", source]), ...(tables ?? []).map((source) => ["table", source])])
  .map(([kind, { name, topic }]) => ({ kind, name, topic })).sort((a, b) => (a.name < b.name ? -1 : 1)));

/** [{ name, type, key }] of one stream or table: there may be hundreds, so they are asked for one by one. */
export const columnsOf = (name, signal) => keep(`DESCRIBE ${sqlName(name)};`, signal, (answer) => (answer[0]?.sourceDescription?.fields ?? [])
  .map(({ name: column, schema, type }) => ({ name: column, type: typeText(schema), key: type === "KEY" })));

export async function functionNames(signal) {
  functions ??= ksql("SHOW FUNCTIONS;", { signal }).then((answer) => (answer[0]?.functions ?? []).map(({ name }) => name), () => { functions = null; return []; });
  return functions;
}
