// An editor for SQL: a text area with a coloured layer beneath it, and a list of completions.
import { announce, fill, h, uid } from "../dom.js";
import { catalog, columnsOf, functionNames } from "./catalog.js";
import { colourSql } from "./highlight.js";
import { KEYWORDS, sourcesOf, statementAt } from "./text.js";

const WORD = /[A-Za-z0-9_`]+$/;

async function candidates(text, position, signal) {
  const before = text.slice(0, position);
  const word = before.match(WORD)?.[0] ?? "";
  const wanted = word.replaceAll("`", "").toUpperCase();
  const [sources, functions] = await Promise.all([catalog(signal).catch(() => []), functionNames(signal)]);
  const named = new Set(sourcesOf(statementAt(text, position)?.text ?? "").map((name) => name.toUpperCase()));
  const found = new Map();
  const offer = (name, kind, weight) => {
    const upper = name.toUpperCase();
    if (upper.startsWith(wanted) && upper !== wanted && !found.has(name)) found.set(name, { name, kind, weight });
  };
  const afterFrom = /\b(?:from|join|into|describe|print|table|stream|explain)\s+[A-Za-z0-9_`]*$/i.test(before);
  for (const source of sources) offer(source.name, source.kind, afterFrom ? 0 : 2);
  const columns = await Promise.all(sources.filter(({ name }) => named.has(name.toUpperCase())).map(({ name }) => columnsOf(name, signal).catch(() => [])));
  for (const column of columns.flat()) offer(column.name, column.type.toLowerCase(), 1);
  for (const name of KEYWORDS) offer(name, "keyword", 3);
  for (const name of functions) offer(name, "function", 4);
  return { word, list: [...found.values()].sort((a, b) => a.weight - b.weight || a.name.localeCompare(b.name)).slice(0, 60) };
}

/** The editor. `run(text, at)` is called by Ctrl-Enter with the selection, or the statement at the cursor, and where it begins. */
export function sqlEditor({ value = "", label = "SQL", run, change, rows, signal }) {
  const listId = uid("completions");
  const layer = h("pre", { "aria-hidden": "true" });
  const hintId = uid("hint");
  const area = h("textarea", {
    value, "aria-label": label, spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off", "aria-autocomplete": "list",
    "aria-controls": listId, "aria-haspopup": "listbox", "aria-describedby": hintId, rows,
  });
  const list = h("ul", { class: "completions", id: listId, role: "listbox", "aria-label": "Completions", hidden: true });
  const element = h("div", { class: "editor" }, layer, area, list, h("span", { class: "sr", id: hintId }, "Control Enter runs the statement, Control Space offers completions."));
  let shown = [];
  let at = 0;
  let word = "";
  let turn = 0;

  const colour = () => fill(layer, colourSql(area.value), "\n");
  const scroll = () => { layer.scrollTop = area.scrollTop; layer.scrollLeft = area.scrollLeft; };
  const close = () => { list.hidden = true; area.removeAttribute("aria-activedescendant"); };

  function place() {
    const before = area.value.slice(0, area.selectionStart - word.length).split("\n");
    const style = getComputedStyle(area);
    const probe = document.createElement("canvas").getContext("2d");
    probe.font = `${style.fontSize} ${style.fontFamily}`;
    const left = parseFloat(style.paddingLeft) + probe.measureText(before[before.length - 1].replaceAll("\t", "  ")).width - area.scrollLeft;
    const top = parseFloat(style.paddingTop) + before.length * parseFloat(style.lineHeight) - area.scrollTop + 4;
    list.style.left = `${Math.max(4, Math.min(left, element.clientWidth - 240))}px`;
    list.style.top = `${Math.min(top, area.clientHeight - 4)}px`;
  }
  function mark() {
    [...list.children].forEach((item, index) => item.setAttribute("aria-selected", String(index === at)));
    const chosen = list.children[at];
    if (chosen) { area.setAttribute("aria-activedescendant", chosen.id); chosen.scrollIntoView({ block: "nearest" }); }
  }
  async function complete(asked) {
    const mine = ++turn;
    const answer = await candidates(area.value, area.selectionStart, signal).catch(() => null);  // completion is a help, not a must
    if (!answer || mine !== turn || document.activeElement !== area) return;
    word = answer.word;
    shown = asked || word.length >= 2 ? answer.list : [];
    if (!shown.length) { close(); return; }
    at = 0;
    fill(list, shown.map(({ name, kind }, index) => h("li", { id: `${listId}-${index}`, role: "option", "aria-selected": "false", on: { mousedown: (event) => { event.preventDefault(); accept(index); } } }, h("span", {}, name), h("span", {}, kind))));
    list.hidden = false;
    announce(shown.length === 1 ? `Completion: ${shown[0].name}` : `${shown.length} completions, the first is ${shown[0].name}`);
    place();
    mark();
  }
  function accept(index) {
    const choice = shown[index];
    if (!choice) return;
    const start = area.selectionStart - word.length;
    const plain = choice.kind === "keyword" || choice.kind === "function" || /^[A-Z_][A-Z0-9_]*$/.test(choice.name);
    const lower = word && word === word.toLowerCase() && choice.kind === "keyword";
    const text = plain ? (lower ? choice.name.toLowerCase() : choice.name) : `\`${choice.name}\``;
    area.setRangeText(text + (choice.kind === "function" ? "(" : ""), start, area.selectionStart, "end");
    changed();
    close();
  }
  function changed() { colour(); scroll(); change?.(area.value); }

  area.addEventListener("input", () => { changed(); complete(false); });
  area.addEventListener("scroll", () => { scroll(); if (!list.hidden) close(); });
  area.addEventListener("blur", () => setTimeout(close, 100));
  area.addEventListener("click", close);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      close();
      const { text, at: start } = element.chosen();
      run?.(text, start);
    } else if (event.key === " " && event.ctrlKey) { event.preventDefault(); complete(true); }
    else if (!list.hidden) {
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        event.preventDefault();
        at = (at + (event.key === "ArrowDown" ? 1 : -1) + shown.length) % shown.length;
        mark();
      } else if (event.key === "Enter" || event.key === "Tab") { event.preventDefault(); accept(at); }
      else if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); close(); }
      else if (["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) close();
    }
  });
  new ResizeObserver(() => { layer.style.height = `${area.offsetHeight}px`; }).observe(area);
  colour();
  element.area = area;
  element.value = () => area.value;
  element.set = (text) => { area.value = text; changed(); };
  /** The selection, or all of the text's statement at the cursor, and where it begins: { text, at }. */
  element.chosen = () => {
    const selected = area.value.slice(area.selectionStart, area.selectionEnd);
    const text = selected.trim();
    if (text) return { text, at: area.selectionStart + selected.indexOf(text) };
    const found = statementAt(area.value, area.selectionStart);
    return { text: found?.text ?? "", at: found?.start ?? 0 };
  };
  /** Selects the line of a position, from there on. */
  element.mark = (position) => {
    const end = area.value.indexOf("\n", position);
    area.focus();
    area.setSelectionRange(position, end < 0 ? area.value.length : end);
    area.scrollTop = Math.max(0, area.value.slice(0, position).split("\n").length - 3) * parseFloat(getComputedStyle(area).lineHeight);
  };
  return element;
}
