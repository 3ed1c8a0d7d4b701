// Colours SQL: parts for the layer beneath the text.
import { h } from "../dom.js";
import { tokens } from "./text.js";

const classes = { comment: "tok-c", string: "tok-s", name: "tok-i", number: "tok-n", keyword: "tok-k" };

export function colourSql(text) {
  if (text.length > 60000) return [text];
  return tokens(text).map(([kind, part]) => (classes[kind] ? h("span", { class: classes[kind] }, part) : part));
}
