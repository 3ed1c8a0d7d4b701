// A form made of a plugin's own definitions; the worker says what is wrong while it is filled in.
import { api, path } from "../api.js";
import { debounce, fill, h, uid } from "../dom.js";
import { field, select, textInput } from "../ui/form.js";
import { button, segmented } from "../ui/page.js";
import { describe, note } from "../ui/states.js";

// As the console's server hides them: what only points to a secret, or says of which kind it is, is none.
const secret = (name) => /password|passwd|secret|token|credential|sasl\.jaas\.config|access\.key|api\.?key|private\.key|authorization|user\.info|webhook\.url|passphrase/i.test(name)
  && !/(file|location|topic|class|converter|format|\.type|\.property|(token|endpoint)\.ur[li])$/i.test(name);
const own = new Set(["connector.class", "connector.plugin.version", "key.converter.plugin.version", "value.converter.plugin.version", "header.converter.plugin.version"]);

function control(definition, value, list) {
  const props = { "data-name": definition.name, value: value ?? "", placeholder: definition.default_value ?? "" };
  if (definition.type === "PASSWORD" || secret(definition.name)) return textInput({ ...props, type: "password", autocomplete: "new-password" });
  if (definition.type === "BOOLEAN") {
    const fallback = definition.default_value === null || definition.default_value === undefined ? "not set" : `default (${definition.default_value})`;
    return select([["", fallback], ["true", "true"], ["false", "false"]], value ?? "", { "data-name": definition.name });
  }
  if (definition.name === "schema.string") return h("textarea", { ...props, rows: 4, spellcheck: "false" });
  return textInput({ ...props, list, ...(["INT", "LONG", "SHORT", "DOUBLE"].includes(definition.type) ? { inputmode: "numeric" } : {}) });
}

/**
 * The form for one plugin. `config` is what is set; `fixedName` for a connector that exists. `submit(name, config)` may throw.
 */
export async function connectorForm({ plugin, config = {}, fixedName, action, submit, signal }) {
  let values = { ...config, "connector.class": config["connector.class"] ?? plugin };
  if (fixedName) values.name = fixedName;
  const controls = new Map();
  const lists = new Map();
  const summary = h("div", { role: "status" });
  const body = h("div", { class: "stack" });
  const button1 = h("button", { type: "submit", class: "button primary" }, action);
  let mode = "form";
  /** Takes what is written as JSON; false when it is none. The form's fields are taken as they change. */
  let readText = () => true;
  let turn = 0;

  /** Options that were given empty, which for some says something: the replacement of a pattern, for one. */
  let empty = new Set(Object.keys(values).filter((name) => values[name] === ""));
  const clean = () => Object.fromEntries(Object.entries(values).filter(([name, value]) => (value !== "" || empty.has(name)) && value !== null && value !== undefined));
  const validate = () => api.put(path`connect/connector-plugins/${values["connector.class"]}/config/validate`, { ...clean(), name: values.name || "new-connector" }, { signal });

  /** `known` is what the worker has just said of these values. */
  async function check(everything = false, known = null) {
    const mine = ++turn;
    try {
      const answer = known ?? await validate();
      if (mine !== turn) return answer;
      const loose = [];
      let bad = 0;
      for (const { definition, value } of answer.configs) {
        const entry = controls.get(definition.name);
        const errors = definition.name === "name" && !values.name ? (everything ? ["The connector needs a name."] : []) : value.errors;
        bad += errors.length ? 1 : 0;
        // What was never touched and is merely missing is not shouted at before it is submitted.
        const shown = errors.length && (everything || entry?.touched) ? errors.join(" ") : null;
        if (entry) entry.element.problem(shown); else if (errors.length && (everything || values[definition.name])) loose.push(...errors.map((text) => `${definition.name}: ${text}`));
        if (entry?.list && value.recommended_values?.length) fill(entry.list, value.recommended_values.map((text) => h("option", { value: text })));
      }
      if (!values.name) bad = Math.max(bad, 1);
      fill(summary, loose.length ? note("error", h("ul", {}, loose.map((text) => h("li", {}, text)))) : bad === 0 ? note("ok", "The worker accepts this configuration.") : everything ? note("error", `${bad === 1 ? "One option needs" : `${bad} options need`} your attention.`) : null);
      return { ...answer, bad };
    } catch (error) {
      if (error.name !== "AbortError") fill(summary, note("error", describe(error)));
      return null;
    }
  }
  const checkSoon = debounce(() => check(), 400);

  function makeField({ definition, value }) {
    const listId = uid("options");
    const wantsList = !["BOOLEAN", "PASSWORD"].includes(definition.type) && definition.name !== "schema.string";
    const input = control(definition, values[definition.name], wantsList ? listId : null);
    if (definition.name === "name" && fixedName) { input.value = fixedName; input.disabled = true; }
    const list = wantsList ? h("datalist", { id: listId }, (value.recommended_values ?? []).map((text) => h("option", { value: text }))) : null;
    const title = definition.display_name && definition.display_name !== definition.name ? `${definition.display_name} (${definition.name})` : definition.name;
    const element = field(title, input, { hint: definition.documentation, required: definition.required });
    if (list) element.append(list);
    const entry = { element, input, list, touched: false };
    input.addEventListener("input", () => { values[definition.name] = input.value; entry.touched = true; checkSoon(); });
    controls.set(definition.name, entry);
    return element;
  }

  const extras = h("div", { class: "stack-s" });
  function extraRow(name = "", value = "") {
    const nameInput = textInput({ "aria-label": "Option", placeholder: "option", value: name });
    const valueInput = textInput({ "aria-label": "Value", placeholder: "value", value });
    let before = name;
    const change = () => { if (before) delete values[before]; before = nameInput.value.trim(); if (before) values[before] = valueInput.value; checkSoon(); };
    nameInput.addEventListener("input", change);
    valueInput.addEventListener("input", change);
    const row = h("div", { class: "row", role: "group", "aria-label": "Further option" }, nameInput, valueInput, button("Remove", { small: true, click: () => { if (before) delete values[before]; row.remove(); checkSoon(); } }));
    for (const input of [nameInput, valueInput]) { input.style.flex = "1 1 160px"; input.style.width = "auto"; }
    return row;
  }

  async function drawForm() {
    controls.clear();
    const answer = await validate();
    const entries = answer.configs.filter(({ definition, value }) => !own.has(definition.name) && value.visible !== false);
    const known = new Set(answer.configs.map(({ definition }) => definition.name));
    const first = entries.filter(({ definition }) => definition.required || definition.name === "name" || values[definition.name] || (definition.importance === "HIGH" && definition.group !== "Transforms")
      || definition.name === "key.converter" || definition.name === "value.converter");
    const order = ({ definition }) => (definition.name === "name" ? 0 : definition.required ? 1 : definition.importance === "HIGH" ? 2 : 3);
    first.sort((a, b) => order(a) - order(b));
    const chosen = new Set(first);
    const groups = new Map();
    for (const entry of entries) if (!chosen.has(entry)) groups.set(entry.definition.group ?? "More", [...(groups.get(entry.definition.group ?? "More") ?? []), entry]);
    fill(extras, Object.entries(values).filter(([name]) => !known.has(name)).map(([name, value]) => extraRow(name, value)));
    fill(body, h("div", { class: "fields" }, first.map(makeField)),
      h("div", {}, [...groups].map(([name, members]) => h("details", {}, h("summary", {}, `${name} (${members.length})`), h("div", { class: "fields" }, members.map(makeField))))),
      h("section", { class: "stack-s", "aria-label": "Further options" }, h("div", { class: "row" }, h("h2", {}, "Further options"), button("Add an option", { small: true, icon: "plus", click: () => { const row = extraRow(); extras.append(row); row.querySelector("input").focus(); } })),
        h("p", { class: "muted small" }, "For options of transforms, predicates and converters, such as value.converter.schema.registry.url."), extras));
    await check(false, answer);
  }

  function drawJson() {
    controls.clear();  // what is wrong with an option is told beneath the text
    const shown = { ...clean() };
    const text = h("textarea", { rows: 18, spellcheck: "false", value: JSON.stringify(shown, null, 2) });
    const element = field("Configuration as JSON", text, { hint: "The object of options, or {\"name\": …, \"config\": {…}} as for Connect's API." });
    const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
    /** Whether the text is a configuration; it is taken over then. */
    readText = () => {
      let parsed;
      try { parsed = JSON.parse(text.value); } catch (error) { element.problem(`This is not JSON: ${error.message}`); return false; }
      if (!isObject(parsed)) { element.problem("This is no object of options, as {\"topics\": \"orders\"}."); return false; }
      element.problem(null);
      const next = isObject(parsed.config) ? { name: parsed.name, ...parsed.config } : parsed;
      values = Object.fromEntries(Object.entries(next).filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]));
      empty = new Set(Object.keys(values).filter((name) => values[name] === ""));
      if (fixedName) values.name = fixedName;
      values["connector.class"] ??= plugin;
      return true;
    };
    // What the worker said of another text is of no use.
    const look = debounce(() => { if (!text.isConnected) return; if (readText()) check(); else fill(summary); }, 300);
    text.addEventListener("input", look);
    fill(body, element);
  }

  await drawForm();
  const form = h("form", { class: "stack", novalidate: true, on: { submit: async (event) => {
    event.preventDefault();
    if (!readText()) { form.querySelector('[aria-invalid="true"]')?.focus(); return; }
    button1.disabled = true;
    try {
      const answer = await check(true);
      if (!answer) return;
      if (answer.bad) {
        const wrong = form.querySelector('[aria-invalid="true"]');
        wrong?.closest("details")?.setAttribute("open", "");
        wrong?.focus();
        return;
      }
      await submit(values.name, clean());
    } catch (error) {
      fill(summary, note("error", describe(error)));
    } finally {
      button1.disabled = false;
    }
  } } }, segmented("How to write it", [["form", "Form"], ["json", "JSON"]], mode, (next) => {
    if (next === mode) return undefined;
    // What is no configuration yet stays where it can be mended.
    if (next === "form" && !readText()) { form.querySelector('[aria-invalid="true"]')?.focus(); return false; }
    mode = next;
    if (next === "json") drawJson(); else { readText = () => true; drawForm(); }
    return true;
  }),
  body, summary, h("div", { class: "row" }, button1));
  return form;
}
