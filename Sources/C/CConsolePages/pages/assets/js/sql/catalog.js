// What the SQL server knows: streams, tables, their columns, functions. Kept for a few seconds.
import { ksql } from "../api.js";

let cached = null;
let at = 0;
let functions = null;

/** A column's type in SQL. */
export function typeText(schema) {
  if (!schema) return "";
  if (schema.type === "ARRAY") return `ARRAY<${typeText(schema.memberSchema)}>`;
  if (schema.type === "MAP") return `MAP<STRING, ${typeText(schema.memberSchema)}>`;
  if (schema.type === "STRUCT") return `STRUCT<${(schema.fields ?? []).map(({ name, schema: inner }) => `${name} ${typeText(inner)}`).join(", ")}>`;
  if (schema.type === "DECIMAL") return `DECIMAL(${schema.parameters?.precision}, ${schema.parameters?.scale})`;
  return schema.type;
}

export function forgetCatalog() { cached = null; }

/** [{ kind: "stream" | "table", name, topic, fields: [{ name, type, key }] }] */
export async function catalog(signal) {
  if (cached && Date.now() - at < 5000) return cached;
  const answer = await ksql("DESCRIBE STREAMS; DESCRIBE TABLES;", { signal });
  cached = answer.flatMap((entity) => entity.sourceDescriptions ?? []).map((source) => ({
    kind: source.type === "TABLE" ? "table" : "stream", name: source.name, topic: source.topic,
    fields: (source.fields ?? []).map(({ name, schema, type }) => ({ name, type: typeText(schema), key: type === "KEY" })),
  })).sort((a, b) => a.name.localeCompare(b.name));
  at = Date.now();
  return cached;
}

export async function functionNames(signal) {
  functions ??= ksql("SHOW FUNCTIONS;", { signal }).then((answer) => (answer[0]?.functions ?? []).map(({ name }) => name), () => { functions = null; return []; });
  return functions;
}
