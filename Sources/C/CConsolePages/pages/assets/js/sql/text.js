// SQL as text: tokens for colours, statements for running, what stands at the cursor for completion.

export const KEYWORDS = `ADD ADVANCE ALL ALTER AND ARRAY AS ASSERT AT BEGINNING BETWEEN BY CASE CAST CATALOG CHANGES COLUMN CONNECTOR CONNECTORS CREATE DAY DAYS DECIMAL
DEFINE DELETE DELIMITED DESCRIBE DISTINCT DROP ELSE EMIT END ESCAPE EXISTS EXPLAIN ANALYZE EXTENDED FALSE FINAL FROM FULL FUNCTION FUNCTIONS GRACE GROUP HAVING HEADER HEADERS
HOPPING HOUR HOURS IF IN INNER INSERT INTERVAL INTO IS JOIN KEY LEFT LIKE LIMIT LIST MAP MATERIALIZED MILLISECOND MILLISECONDS MINUTE MINUTES MONTH NOT NULL ON OR ORDER OUTER
PARTITION PARTITIONS PAUSE PERIOD PLUGINS PRIMARY PRINT PROPERTIES QUERIES QUERY RENAME REPLACE RESUME RETENTION RIGHT RUN SAMPLE SCHEMA SCRIPT SECOND SECONDS SELECT SESSION SET
SHOW SINK SIZE SOURCE STREAM STREAMS STRUCT SUBJECT SYSTEM TABLE TABLES TERMINATE THEN TIMEOUT TIMESTAMP TO TOPIC TOPICS TRUE TUMBLING TYPE TYPES UNDEFINE UNSET VALUES VARIABLES
WHEN WHERE WINDOW WITH WITHIN YEAR BIGINT INT INTEGER VARCHAR STRING DOUBLE BOOLEAN BYTES DATE TIME`.split(/\s+/);
const keywords = new Set(KEYWORDS);

const TOKEN = /(--[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|('(?:[^']|'')*(?:'|$))|(`[^`]*(?:`|$)|"[^"\n]*(?:"|$))|(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|([A-Za-z_@][A-Za-z0-9_@]*)|(\s+)|([\s\S])/g;

/** [[kind, text, at]]: comment, string, name, number, keyword, word, space, sign. */
export function tokens(text) {
  const all = [];
  for (const found of text.matchAll(TOKEN)) {
    const [whole, comment, string, name, digits, word, space] = found;
    const kind = comment !== undefined ? "comment" : string !== undefined ? "string" : name !== undefined ? "name" : digits !== undefined ? "number"
      : word !== undefined ? (keywords.has(word.toUpperCase()) ? "keyword" : "word") : space !== undefined ? "space" : "sign";
    all.push([kind, whole, found.index]);
  }
  return all;
}

/** The statements of a text: [{ text, start, end }], without what is only space and comments. */
export function statements(text) {
  const all = [];
  let start = 0;
  let solid = false;
  let from = 0;
  const close = (end) => {
    if (solid) all.push({ text: text.slice(from, end).trim(), start: from, end });
    start = end;
    from = end;
    solid = false;
  };
  for (const [kind, part, at] of tokens(text)) {
    if (kind === "sign" && part === ";") close(at + 1);
    else if (kind !== "space" && kind !== "comment" && !solid) { solid = true; from = Math.max(start, at); }
  }
  close(text.length);
  return all;
}

/** The statement that a position lies in; the last one before it when it lies between. */
export function statementAt(text, position) {
  const all = statements(text);
  return all.find(({ start, end }) => position >= start && position <= end) ?? all.filter(({ end }) => end <= position).pop() ?? all[0] ?? null;
}

/** What kind of statement it is: rows | print | set | unset | define | undefine | other. */
export function kindOf(statement) {
  const words = tokens(statement).filter(([kind]) => kind !== "space" && kind !== "comment").slice(0, 2).map(([, text]) => text.toUpperCase());
  if (words[0] === "SELECT") return "rows";
  return { PRINT: "print", SET: "set", UNSET: "unset", DEFINE: "define", UNDEFINE: "undefine" }[words[0]] ?? "other";
}

/** Names that stand behind FROM and JOIN: their columns are offered first. */
export function sourcesOf(statement) {
  const words = tokens(statement).filter(([kind]) => kind !== "space" && kind !== "comment");
  const found = [];
  words.forEach(([, text], at) => {
    if (/^(from|join|into)$/i.test(text) && words[at + 1]) found.push(words[at + 1][1].replaceAll("`", ""));
  });
  return found;
}

const literal = (text) => (text?.startsWith("'") ? text.slice(1, -1).replaceAll("''", "'") : text);
/** The name and the value of SET 'a'='b' and DEFINE a='b'. */
export function assignment(statement) {
  const words = tokens(statement).filter(([kind, text]) => kind !== "space" && kind !== "comment" && text !== ";" && text !== "=").map(([, text]) => text);
  return [literal(words[1]), literal(words[2])];
}
