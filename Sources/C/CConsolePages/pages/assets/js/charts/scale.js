// Scales and ticks of chart axes.

/** Round steps that divide a range into about `wanted` parts. */
export function ticks(low, high, wanted = 4) {
  if (!(high > low)) return [low];
  const raw = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((value) => value >= raw) ?? 10 * power;
  const all = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) all.push(Number(at.toPrecision(12)));
  return all;
}

const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800].map((seconds) => seconds * 1000);

/** Ticks of a time axis, on round local times. */
export function timeTicks(low, high, wanted = 5) {
  if (!(high > low)) return [low];
  const raw = (high - low) / Math.max(1, wanted);
  const step = steps.find((value) => value >= raw) ?? Math.ceil(raw / 604800000) * 604800000;
  const shift = new Date(low).getTimezoneOffset() * 60000;
  const all = [];
  for (let at = Math.ceil((low - shift) / step) * step + shift; at <= high; at += step) all.push(at);
  return all;
}

const two = (value) => String(value).padStart(2, "0");
export function timeLabel(at, span) {
  const date = new Date(at);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (span <= 15 * 60000) return `${clock}:${two(date.getSeconds())}`;
  if (span <= 36 * 3600000) return clock;
  return `${date.getDate()} ${date.toLocaleString("en-GB", { month: "short" })}${span < 8 * 86400000 ? ` ${clock}` : ""}`;
}

export const linear = (low, high, from, to) => {
  const width = high - low || 1;
  return (value) => from + ((value - low) / width) * (to - from);
};

const isFinite = (value) => String(value).trim() !== "" && Number.isFinite(Number(value));
/** Categories in their order: numbers as numbers where all are, others as texts. */
export function inOrder(categories) {
  const compare = categories.every(isFinite) ? (a, b) => Number(a) - Number(b) : (a, b) => String(a).localeCompare(String(b), "en", { numeric: true });
  return [...categories].sort(compare);
}
