// The SQL page: editor, results, streams and tables, queries that run.
import { ksql, path } from "../api.js";
import { add, debounce, h } from "../dom.js";
import { draftOf, keepDraft } from "../drafts.js";
import { plural } from "../format.js";
import { poll } from "../live.js";
import { sqlStream } from "../queries.js";
import { navigate, setQuery } from "../router.js";
import { catalog, columnsOf, forgetCatalog, sqlName } from "../sql/catalog.js";
import { sqlEditor } from "../sql/editor.js";
import { colourSql } from "../sql/highlight.js";
import { entityView, rowsView } from "../sql/results.js";
import { assignment, kindOf, positionOf, statements, withLine } from "../sql/text.js";
import { select } from "../ui/form.js";
import { button, card, pageHead } from "../ui/page.js";
import { describe, note, region, stateBadge } from "../ui/states.js";
import { table } from "../ui/table.js";
import { copyText } from "../ui/toast.js";

const welcome = "-- Ctrl-Enter runs the statement at the cursor, Ctrl-Space completes.\nSHOW STREAMS;\n";

/** What a link may run: one statement that only looks. */
const LOOKS = /^\s*(describe|show|list)\b[^;]*;?\s*$/i;

/** Streams and tables that may be seen without scrolling. */
const SEEN = 50;

/** A stream or table; its columns are asked for when somebody opens it, as there may be hundreds. */
function sourceView(source, insert, signal) {
  const columns = () => region(async () => h("ul", { class: "cols" }, (await columnsOf(source.name, signal)).map((column) => h("li", {}, h("span", {}, column.name, column.key ? " 🔑" : ""), h("span", { class: "muted" }, column.type)))), { signal, label: `Columns of ${source.name}` });
  const element = h("details", {}, h("summary", { title: source.topic }, source.name, " ", h("span", { class: "badge" }, source.kind)));
  element.addEventListener("toggle", () => {
    if (element.open) add(element, columns(), h("p", { class: "row" }, button("Select", { small: true, click: () => insert(`SELECT * FROM ${sqlName(source.name)} EMIT CHANGES LIMIT 20;`) })));
  }, { once: true });
  return element;
}

function sources(signal, insert) {
  const host = region(async () => {
    const all = await catalog(signal);
    if (!all.length) return h("div", { class: "body muted" }, "No streams or tables yet. CREATE STREAM makes one over a topic.");
    const tree = h("div", { class: "schema-tree" }, all.slice(0, SEEN).map((source) => sourceView(source, insert, signal)));
    // More than are seen at first come once the page is there.
    if (all.length > SEEN) setTimeout(() => { if (!signal.aborted) add(tree, all.slice(SEEN).map((source) => sourceView(source, insert, signal))); }, 200);
    return tree;
  }, { signal });
  return host;
}

function queryList(signal) {
  return region(async () => {
    const load = async () => (await ksql("SHOW QUERIES;", { signal }))[0]?.queries ?? [];
    const list = table({
      label: "Queries", key: (row) => row.id, rows: await load(), sort: { id: "id", down: false }, height: "50vh",
      columns: [
        { id: "id", title: "Query", value: (row) => row.id, cell: (row) => (row.queryType === "PUSH" ? row.id : h("a", { class: "name", href: path`/queries/${row.id}` }, row.id)) },  // servers explain what stays
        { id: "state", title: "State", value: (row) => row.state, cell: (row) => stateBadge(row.state) },
        { id: "kind", title: "Kind", low: true, value: (row) => (row.queryType ?? "").toLowerCase() },
        { id: "sinks", title: "Writes to", low: true, value: (row) => (row.sinks ?? []).join(", ") || "a client" },
        { id: "text", title: "Statement", low: true, value: (row) => row.queryString, cell: (row) => h("span", { class: "mono", title: row.queryString }, row.queryString) },
      ],
      empty: () => h("div", { class: "body muted" }, "No query runs. CREATE STREAM … AS SELECT and CREATE TABLE … AS SELECT start one."),
    });
    poll(async () => list.update(await load()), 3000, signal);
    return list;
  }, { signal });
}

export default async function sql({ query, signal }) {
  const properties = {};
  const variables = {};
  let running = null;
  const output = h("div", { class: "stack", "aria-label": "Results", role: "region" });
  const from = select([["latest", "from now on"], ["earliest", "from the beginning"]], draftOf("sql.from") ?? "latest", { "aria-label": "Push queries read" });
  from.addEventListener("change", () => keepDraft("sql.from", from.value));
  const stop = button("Stop", { icon: "stop", disabled: true, click: () => running?.abort() });
  const runButton = button("Run", { icon: "play", kind: "primary", title: "Ctrl+Enter", click: () => {
    const { text, at } = editor.area.selectionStart !== editor.area.selectionEnd ? editor.chosen() : { text: editor.value(), at: 0 };
    run(text, at);
  } });
  // The text of a link takes the place of a draft in the editor, not for good.
  const linked = query.get("sql");
  const draft = draftOf("sql.text");
  if (linked !== null && draft?.trim() && draft.trim() !== linked.trim() && draft !== welcome) keepDraft("sql.before", draft);
  const editor = sqlEditor({
    value: linked ?? draft ?? welcome, label: "SQL statements", signal, run: (text, at) => run(text, at),
    change: debounce((text) => { keepDraft("sql.text", text); if (linked !== null) setQuery({ sql: null }); }, 300),
  });
  const before = draftOf("sql.before");
  const back = before === null || before === editor.value() ? null : button("Bring back my draft", { kind: "quiet", title: before.slice(0, 400), click: () => { editor.set(before); keepDraft("sql.before", null); back.remove(); editor.area.focus(); } });
  const insert = (text) => { const value = editor.value().trimEnd(); editor.set(value && value !== welcome.trimEnd() ? `${value}\n\n${text}\n` : `${text}\n`); editor.area.focus(); editor.area.selectionEnd = editor.area.selectionStart = editor.value().length - 1; };
  const tree = sources(signal, insert);
  const queries = queryList(signal);

  /** What is wrong, with the line of the editor; `front` is what stood before the statement when it was run. */
  function fault(error, front) {
    const message = withLine(error?.message ?? error, front);
    const at = positionOf(message, editor.value());
    // The statement, which the server repeats at the end, stands above already.
    return [describe(message.replace(/\n+Statement: [\s\S]*$/, "")), at === null ? null : [" ", button("Show it", { small: true, kind: "quiet", click: () => editor.mark(at) })]];
  }

  async function rows(statement, host, print, abort, front) {
    const push = print || /\bEMIT\s+(CHANGES|FINAL)\b/i.test(statement);
    const view = rowsView({ push });
    host.append(view.element);
    let failed = false;
    const tools = h("div", { class: "row" });
    try {
      await sqlStream(statement, {
        exact: true,
        properties: { ...(push && !print ? { "auto.offset.reset": from.value } : {}), ...properties }, variables, signal: abort,
        onHeader: view.header, onRow: view.row, onLine: view.line, onError: (message) => { failed = true; view.fail(fault(message, front)); },
      });
      // One that has no end of its own was ended by the server, as when it stops.
      const isEndless = push && !print && !/\bLIMIT\s+\d+/i.test(statement);
      if (!failed) view.done(isEndless ? `The server ended the query after ${plural(view.total, "row")}.` : undefined);
    } catch (error) {
      if (error.name === "AbortError") view.done(`Stopped after ${plural(view.total, "row")}.`);
      else { view.fail(fault(error, front)); throw null; }
    }
    if (!print && view.columns().length) {
      tools.append(button("As a dashboard panel", { small: true, icon: "dashboards", click: () => navigate(`/dashboards?panel=${encodeURIComponent(statement)}`) }));
      host.append(tools);
    }
    if (failed) throw null;
  }

  async function runOne(statement, host, abort, front) {
    const kind = kindOf(statement);
    if (["set", "unset", "define", "undefine"].includes(kind)) {
      try {
        assignment(statement);
        // The server knows which properties there are, and what they may be.
        if (kind === "set" || kind === "unset") await ksql(statement.endsWith(";") ? statement : `${statement};`, { variables, signal: abort });
      } catch (error) {
        host.append(error.name === "AbortError" ? note("info", "Stopped.") : note("error", fault(error, front)));
        throw null;  // said already; what follows is not run
      }
    }
    if (kind === "set" || kind === "define") {
      const [name, value] = assignment(statement);
      (kind === "set" ? properties : variables)[name] = value;
      host.append(note("ok", `${name} is ${value} for what is run from this page.`));
    } else if (kind === "unset" || kind === "undefine") {
      const [name] = assignment(statement);
      delete (kind === "unset" ? properties : variables)[name];
      host.append(note("ok", `${name} has its default again.`));
    } else if (kind === "rows" || kind === "print") {
      await rows(statement, host, kind === "print", abort, front);
    } else {
      const waiting = h("p", { class: "muted", role: "status" }, "Running…");
      host.append(waiting);
      try {
        const entities = await ksql(statement.endsWith(";") ? statement : `${statement};`, { properties, variables, signal: abort });
        waiting.replaceWith(...(entities.length ? entities.map(entityView) : [note("ok", /^\s*insert\b/i.test(statement) ? "The row was written." : "Done.")]));
        if (/^\s*(create|drop|alter|terminate|insert|pause|resume)/i.test(statement)) { forgetCatalog(); tree.reload(); queries.reload(); }
      } catch (error) {
        waiting.remove();
        if (error.name === "AbortError") { host.append(note("info", "Stopped.")); return; }
        host.append(note("error", fault(error, front)));
        throw null;  // said already; what follows is not run
      }
    }
  }

  /** Runs the statements of a text that begins at a position of the editor. */
  async function run(text, at = 0) {
    const front = editor.value().slice(0, at);
    const all = statements(text);
    if (!all.length) { editor.area.focus(); return; }
    running?.abort();
    const mine = (running = new AbortController());
    signal.addEventListener("abort", () => mine.abort(), { once: true });
    stop.disabled = false;
    output.replaceChildren();
    for (const { text: statement, start } of all) {
      const host = h("div", { class: "body stack-s" });
      output.append(h("section", { class: "card", "aria-label": `Result of ${statement.slice(0, 60)}` }, h("div", { class: "head" }, h("code", { class: "grow break" }, colourSql(statement.length > 400 ? `${statement.slice(0, 400)}…` : statement))), host));
      try { await runOne(statement, host, mine.signal, front + text.slice(0, start)); } catch (error) { if (error) throw error; break; }
      if (mine.signal.aborted) break;
    }
    if (running === mine) stop.disabled = true;
  }

  const share = button("Copy link", { kind: "quiet", icon: "link", click: () => copyText(`${location.origin}/sql?sql=${encodeURIComponent(editor.value())}`, "The link was copied.") });
  // A link may be anybody's: it runs what only looks, and once, not with every reload.
  if (query.has("run")) {
    setQuery({ run: null });
    if (LOOKS.test(editor.value())) queueMicrotask(() => run(editor.value()));
  }
  return h("div", {}, pageHead({ title: "SQL", lead: "Filter, join and aggregate streams while they flow." }),
    h("div", { class: "sql-layout" },
      h("div", { class: "stack" }, h("div", { class: "stack-s" }, editor, h("div", { class: "row" }, runButton, stop, h("label", { class: "row small" }, h("span", { class: "muted" }, "Push queries read"), h("span", {}, from)), share, back)), output),
      card("Streams and tables", tree)),
    h("section", { class: "section", "aria-label": "Queries" }, h("div", { class: "section-head" }, h("h2", {}, "Queries that run")), queries));
}

