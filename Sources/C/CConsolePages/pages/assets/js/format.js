// Numbers, sizes and times as people read them.

const number = new Intl.NumberFormat("en-GB");
const compact = new Intl.NumberFormat("en-GB", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

export const known = (value) => value !== null && value !== undefined && Number.isFinite(Number(value));
export const count = (value) => (known(value) ? number.format(value) : "–");
export const short = (value) => (known(value) ? (Math.abs(value) < 10000 ? number.format(Math.round(value) || 0) : compact.format(value)) : "–");
const exact = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 2 });
/** A number of any kind, as an average: its fraction counts. */
export function figure(value) {
  if (!known(value)) return "–";
  const size = Math.abs(value);
  if (size >= 10000) return compact.format(value);
  return size > 0 && size < 0.01 ? String(Number(Number(value).toPrecision(2))) : exact.format(value);
}
/** A number with all its digits. */
export function exactly(value) {
  if (!known(value)) return "–";
  const text = String(Number(value));
  if (/e/.test(text)) return text;
  const [whole, fraction] = text.split(".");
  return whole.replace(/\B(?=(\d{3})+$)/g, ",") + (fraction === undefined ? "" : `.${fraction}`);
}
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export function rate(value) {
  if (!known(value)) return "–";
  if (value === 0) return "0/s";
  return value < 10 ? `${value.toFixed(1)}/s` : `${short(value)}/s`;
}

export function bytes(value) {
  if (!known(value)) return "–";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  let left = Number(value);
  while (Math.abs(left) >= 1024 && at < units.length - 1) { left /= 1024; at += 1; }
  return `${at === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${units[at]}`;
}

export function duration(milliseconds) {
  if (!known(milliseconds)) return "–";
  const ms = Number(milliseconds);
  if (ms < 0) return `${count(ms)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(ms < 10000 ? 1 : 0)} s`;
  if (ms < 3600000) return `${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s`;
  if (ms < 86400000) return `${Math.floor(ms / 3600000)} h ${Math.floor((ms % 3600000) / 60000)} min`;
  return `${Math.floor(ms / 86400000)} d ${Math.floor((ms % 86400000) / 3600000)} h`;
}

/** Milliseconds since 1970 or an ISO text as a Date; null for what is neither. */
export function dateOf(value) {
  if (value === null || value === undefined || value === "") return null;
  const date = new Date(typeof value === "number" ? value : /^\d+$/.test(value) ? Number(value) : value);
  return Number.isNaN(date.getTime()) ? null : date;
}

const two = (value) => String(value).padStart(2, "0");
export const time = (value) => { const date = dateOf(value); return date ? clock.format(date) : "–"; };
export const date = (value) => { const at = dateOf(value); return at ? day.format(at) : "–"; };
export function stamp(value) {
  const at = dateOf(value);
  if (!at) return "–";
  const ms = String(at.getMilliseconds()).padStart(3, "0");
  const ymd = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${ymd} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}
export function ago(value, now = Date.now()) {
  const at = dateOf(value);
  if (!at) return "–";
  const gone = now - at.getTime();
  return gone < 1500 ? "just now" : `${duration(gone).split(" ").slice(0, 2).join(" ")} ago`;
}
