// JSON with colours, as text nodes.
import { h } from "../dom.js";

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** A JSON text as coloured parts; long texts stay plain. */
export function colourJson(text) {
  if (text.length > 200000) return [text];
  const parts = [];
  let at = 0;
  for (const found of text.matchAll(TOKEN)) {
    if (found.index > at) parts.push(text.slice(at, found.index));
    const [whole, string, colon, word] = found;
    if (string && colon !== undefined) parts.push(h("span", { class: "tok-i" }, string), colon);
    else if (string) parts.push(h("span", { class: "tok-s" }, string));
    else if (word) parts.push(h("span", { class: "tok-k" }, whole));
    else parts.push(h("span", { class: "tok-n" }, whole));
    at = found.index + whole.length;
  }
  parts.push(text.slice(at));
  return parts;
}

/** Pretty JSON of a text that may be JSON; digits are kept as they are, so big numbers are not rounded. */
export function prettyJson(text) {
  let parsed;
  try { parsed = JSON.parse(text); } catch { return null; }
  if (parsed === null || typeof parsed !== "object") return text;
  let out = "";
  let depth = 0;
  let quoted = false;
  const line = () => `\n${"  ".repeat(depth)}`;
  for (let at = 0; at < text.length; at += 1) {
    const sign = text[at];
    if (quoted) {
      out += sign;
      if (sign === "\\") { at += 1; out += text[at]; } else if (sign === '"') quoted = false;
    } else if (sign === '"') { quoted = true; out += sign; }
    else if (sign === "{" || sign === "[") {
      const rest = text.slice(at + 1).match(/^\s*([}\]])/);
      if (rest) { out += sign + rest[1]; at += rest[0].length; } else { depth += 1; out += sign + line(); }
    } else if (sign === "}" || sign === "]") { depth -= 1; out += line() + sign; }
    else if (sign === ",") out += sign + line();
    else if (sign === ":") out += ": ";
    else if (!/\s/.test(sign)) out += sign;
  }
  return out;
}
