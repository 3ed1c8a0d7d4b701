// Tables that sort, keep their rows while data changes, and draw only what is seen once they are long.
import { add, fill, h } from "../dom.js";
import { icon } from "./icons.js";

const ROW = 40;
const VIRTUAL_FROM = 150;

// Made once: a collator for each comparison costs more than all the rest of a sort.
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  if (typeof a === "number" && typeof b === "number") return a - b;
  return collator.compare(String(a), String(b));
}

/**
 * columns: [{ id, title, value(row), cell(row)?, sig(row)?, end?, low?, wrap?, sortable? }]; `key(row)` names a row for good.
 * The answer is an element with update(rows).
 */
export function table({ label, columns, key, rows = [], sort, empty, height = "calc(100dvh - 260px)" }) {
  let all = rows;
  let order = sort ?? null;
  let sorted = [];
  let virtual = false;
  const kept = new Map();
  const top = h("tr", { class: "spacer", "aria-hidden": "true" }, h("td", { colspan: columns.length }));
  const bottom = h("tr", { class: "spacer", "aria-hidden": "true" }, h("td", { colspan: columns.length }));
  const body = h("tbody");
  const heads = columns.map((column) => {
    const cell = h("th", { scope: "col", class: `${column.end ? "end" : ""} ${column.low ? "low" : ""}` });
    if (column.sortable === false) return add(cell, column.title ? column.title : h("span", { class: "sr" }, column.name ?? "Actions"));
    return add(cell, h("button", { type: "button", on: { click: () => {
      order = order?.id === column.id ? { id: column.id, down: !order.down } : { id: column.id, down: Boolean(column.end) };
      arrange();
    } } }, column.title, icon("down")));
  });
  const element = h("table", { class: "table-rows", "aria-label": label }, h("thead", {}, h("tr", {}, heads)), body);
  const wrap = h("div", { class: "table-wrap", role: "region", "aria-label": `${label}: table`, tabindex: 0 }, element);
  const host = h("div", {}, wrap);

  function cellOf(td, column, row) {
    const signature = column.sig ? column.sig(row) : column.value(row);
    if (td.signature === signature && td.signature !== undefined) return;
    td.signature = signature;
    const content = column.cell ? column.cell(row) : signature;
    if (content instanceof Node) td.replaceChildren(content);
    else if (Array.isArray(content)) fill(td, content);
    else td.textContent = content ?? "–";
    if (!column.wrap && typeof content === "string" && content.length > 40) td.title = content;
  }

  function rowOf(row, at) {
    const name = key(row);
    let tr = kept.get(name);
    if (!tr) {
      tr = h("tr", {}, columns.map((column) => h("td", { class: `${column.end ? "end" : ""} ${column.low ? "low" : ""} ${column.wrap ? "wrap" : ""}` })));
      kept.set(name, tr);
    }
    columns.forEach((column, index) => cellOf(tr.cells[index], column, row));
    if (virtual) tr.setAttribute("aria-rowindex", String(at + 2));
    return tr;
  }

  function draw() {
    let first = 0;
    let last = sorted.length;
    if (virtual) {
      first = Math.max(0, Math.floor(wrap.scrollTop / ROW) - 8);
      last = Math.min(sorted.length, first + Math.ceil((wrap.clientHeight || 600) / ROW) + 16);
    }
    const wanted = [];
    for (let at = first; at < last; at += 1) wanted.push(rowOf(sorted[at], at));
    if (virtual) {
      top.firstChild.style.height = `${first * ROW}px`;
      bottom.firstChild.style.height = `${(sorted.length - last) * ROW}px`;
      wanted.unshift(top);
      wanted.push(bottom);
      if (kept.size > 600) for (const [name, tr] of kept) if (!tr.isConnected && !wanted.includes(tr)) kept.delete(name);
    }
    // Rows that stay in place are not touched: focus and selection live on.
    const same = wanted.length === body.children.length && wanted.every((tr, at) => body.children[at] === tr);
    if (!same) {
      const focused = document.activeElement;
      body.replaceChildren(...wanted);
      if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    }
  }

  function arrange() {
    sorted = all.slice();
    const column = order && columns.find((entry) => entry.id === order.id);
    if (column) {
      const values = new Map(sorted.map((row) => [row, column.value(row)]));
      sorted.sort((a, b) => compare(values.get(a), values.get(b)) * (order.down ? -1 : 1));
    }
    heads.forEach((cell, at) => {
      if (column && columns[at].id === order.id) cell.setAttribute("aria-sort", order.down ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
    virtual = sorted.length > VIRTUAL_FROM;
    wrap.style.setProperty("--table-max", virtual ? height : "none");
    if (virtual) element.setAttribute("aria-rowcount", String(sorted.length + 1));
    else element.removeAttribute("aria-rowcount");
    const names = new Set(sorted.map(key));
    for (const name of kept.keys()) if (!names.has(name)) kept.delete(name);
    if (sorted.length === 0 && empty) {
      host.replaceChildren(empty());
    } else if (!wrap.isConnected || host.firstChild !== wrap) {
      host.replaceChildren(wrap);
    }
    draw();
  }

  let frame = 0;
  wrap.addEventListener("scroll", () => {
    if (!virtual || frame) return;
    frame = requestAnimationFrame(() => { frame = 0; draw(); });
  }, { passive: true });
  host.update = (next) => { all = next; arrange(); };
  host.redraw = draw;
  arrange();
  return host;
}

/** A plain small table of texts and nodes. */
export function plainTable(label, titles, rows, { ends = [] } = {}) {
  return h("div", { class: "table-wrap", role: "region", "aria-label": `${label}: table`, tabindex: 0 },
    h("table", { "aria-label": label },
      h("thead", {}, h("tr", {}, titles.map((title, at) => h("th", { scope: "col", class: ends.includes(at) ? "end" : "" }, title)))),
      h("tbody", {}, rows.map((cells) => h("tr", {}, cells.map((cell, at) => h("td", { class: ends.includes(at) ? "end" : "" }, cell ?? "–")))))));
}
