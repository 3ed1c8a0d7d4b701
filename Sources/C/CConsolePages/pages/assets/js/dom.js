// Builds elements. Text always becomes text nodes: nothing from outside is ever parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An address that may stand in a link: our own pages, or http(s). Others (javascript:, data:) lead nowhere. */
export function safeHref(value) {
  const text = String(value ?? "");
  if (text.startsWith("/") && !text.startsWith("//")) return text;
  if (text.startsWith("#") || text.startsWith("?") || text === "") return text;
  return /^https?:\/\//i.test(text) ? text : "#";
}

function apply(element, props) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
    } else if (name === "style") {
      for (const [key, entry] of Object.entries(value)) element.style.setProperty(key, entry);
    } else if (name === "data") {
      for (const [key, entry] of Object.entries(value)) element.dataset[key] = entry;
    } else if (name === "value" || name === "checked" || name === "disabled" || name === "selected" || name === "open") {
      element[name] = value;
    } else if (name === "href") {
      element.setAttribute("href", safeHref(value));
    } else if (/^(on|srcdoc$|src$)/i.test(name)) {
      throw new Error(`attribute ${name} is not set from here`);
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
}

/** Adds children: nodes, texts, numbers, arrays of them; null, undefined and false are left out. */
export function add(parent, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
  return parent;
}

/** h("button", { class: "button", on: { click } }, "Save") */
export function h(tag, props, ...children) {
  const element = document.createElement(tag);
  add(element, ...children);
  apply(element, props);
  return element;
}

/** The same for SVG. */
export function s(tag, props, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === "href") element.setAttribute("href", safeHref(value));
    else if (name === "on" || name === "data") apply(element, { [name]: value });
    else if (value !== undefined && value !== null && value !== false) element.setAttribute(name, String(value));
  }
  return add(element, ...children);
}

/** Replaces all content. */
export function fill(parent, ...children) {
  parent.replaceChildren();
  return add(parent, ...children);
}

let ids = 0;
/** An id for labels and descriptions, unique in the document. */
export const uid = (prefix = "id") => `${prefix}-${++ids}`;

/** Calls `action` once things have been quiet for a while. */
export function debounce(action, milliseconds = 250) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}

/** Says something to screen readers without moving the focus. */
export function announce(text) {
  const region = document.getElementById("announce");
  if (region) region.textContent = text;
}
