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

/** What is wrong with a statement, and where: `at` is a position in its text. */
export class StatementError extends Error {
  constructor(message, at) {
    super(message);
    this.at = at;
  }
}

const isString = ([kind, text]) => kind === "string" && text.length > 1 && /^'(?:[^']|'')*'$/.test(text);
const isName = ([kind, text]) => kind === "word" || kind === "keyword" && !/^(SET|DEFINE|UNSET|UNDEFINE)$/i.test(text);
const literal = (text) => text.slice(1, -1).replaceAll("''", "'");

const STRING = ["a text in single quotes", isString];
const NAME = ["a name without quotes", isName];
const EQUALS = ["=", ([, text]) => text === "="];
const shapes = {
  SET: [[STRING, EQUALS, STRING], "SET 'auto.offset.reset' = 'earliest';"], UNSET: [[STRING], "UNSET 'auto.offset.reset';"],
  DEFINE: [[NAME, EQUALS, STRING], "DEFINE topic = 'orders';"], UNDEFINE: [[NAME], "UNDEFINE topic;"],
};

/** The name and the value of SET 'a' = 'b' and DEFINE a = 'b'; the name of UNSET 'a' and UNDEFINE a. Throws what is wrong with others. */
export function assignment(statement) {
  const words = tokens(statement).filter(([kind]) => kind !== "space" && kind !== "comment");
  const verb = words[0][1].toUpperCase();
  const [shape, example] = shapes[verb];
  const given = words.slice(1);
  if (given.length && given[given.length - 1][1] === ";") given.pop();
  const values = [];
  for (let at = 0; at < Math.max(shape.length, given.length); at += 1) {
    const [expected, fits] = shape[at] ?? ["the end of the statement", () => false];
    if (given[at] && fits(given[at])) { values.push(given[at][1]); continue; }
    const place = given[at]?.[2] ?? statement.replace(/\s*;?\s*$/, "").length;
    throw new StatementError(`${lineOf(statement, place)}: ${verb} expects ${expected} here${given[at] ? `, not ${given[at][1]}` : ""}, as in ${example}`, place);
  }
  const plain = values.filter((value) => value !== "=").map((value) => (value.startsWith("'") ? literal(value) : value));
  return [plain[0], plain[1]];
}

/** "line 2:7": lines count from one, columns too, as the SQL server's. */
export function lineOf(text, at) {
  const before = text.slice(0, at).split("\n");
  return `line ${before.length}:${before[before.length - 1].length + 1}`;
}

/** A message about a statement with the line of the text that it stands in: `before` is what stands in front of it. */
export function withLine(message, before) {
  const lines = before.split("\n");
  return String(message).replace(/\bline (\d+):(\d+)/g, (_, line, column) => {
    const own = Number(line);
    return `line ${own + lines.length - 1}:${Number(column) + (own === 1 ? lines[lines.length - 1].length : 0)}`;
  });
}

/** The position of "line 2:7" in a text; null when a message has none. */
export function positionOf(message, text) {
  const found = String(message).match(/\bline (\d+):(\d+)/);
  const lines = text.split("\n");
  if (!found || Number(found[1]) > lines.length) return null;
  const before = lines.slice(0, Number(found[1]) - 1).reduce((sum, line) => sum + line.length + 1, 0);
  return Math.min(text.length, before + Math.max(0, Number(found[2]) - 1));
}
