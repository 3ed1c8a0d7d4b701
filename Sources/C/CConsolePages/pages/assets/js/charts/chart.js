// Line, area and bar charts in SVG: time or category axis, legend, read-out under the pointer or the arrow keys, and the
// same data as a table.
import { fill, h, s, uid } from "../dom.js";
import { exactly, figure, plural, stamp } from "../format.js";
import { plainTable } from "../ui/table.js";
import { inOrder, linear, ticks, timeLabel, timeTicks } from "./scale.js";

const MARGIN = { top: 10, right: 12, bottom: 24, left: 46 };
/** Of a digit on the axis, about. */
const DIGIT = 7;
const swatch = (at) => s("svg", { viewBox: "0 0 10 10", "aria-hidden": "true" }, s("rect", { width: 10, height: 10, rx: 3, class: `s${(at % 8) + 1}`, stroke: "none" }));

/**
 * A chart. `update({ series: [{ name, points: [[x, y], ...] }], categories: bool, hidden })` draws; x are milliseconds, or any
 * text with `categories`; `hidden` says how many series there are besides. kind: line | area | bar. `height` is that of the plot
 * in pixels; with `fills` at least so much, and all that the place has.
 */
export function chart({ label, kind = "line", height: least = 220, fills = false, format = figure, exact = exactly, wait = "Waiting for data…", tableButton = true }) {
  let data = { series: [], categories: false };
  let width = 0;
  let height = least;
  let hover = null;
  let asTable = false;
  const plot = s("svg", { class: "plot", height, role: "img", tabindex: 0, "aria-label": label, "aria-roledescription": "chart" });
  const readout = h("div", { class: "readout", hidden: true, role: "status" });
  const legend = h("div", { class: "legend" });
  const tableHost = h("div", { hidden: true, id: uid("chart-table") });
  const toggle = h("button", { type: "button", class: "button quiet small", "aria-expanded": "false", "aria-controls": tableHost.id, "aria-label": `${label}: as a table`, on: { click: () => {
    asTable = !asTable;
    toggle.setAttribute("aria-expanded", String(asTable));
    toggle.textContent = asTable ? "Hide table" : "Table";
    tableHost.hidden = !asTable;
    if (asTable) drawTable();
  } } }, "Table");
  const room = h("div", { class: "plot-room" }, plot);
  room.style.minHeight = `${least}px`;
  const host = h("div", { class: fills ? "chart fills" : "chart" }, room, readout, h("div", { class: "chart-foot" }, legend, tableButton ? toggle : null), tableHost);

  const xs = () => {
    const all = new Set();
    for (const { points } of data.series) for (const [x] of points) all.add(x);
    return data.categories ? inOrder([...all]) : [...all].sort((a, b) => a - b);
  };
  const nameOf = (x) => (data.categories ? String(x) : stamp(x).slice(0, 19));

  function drawTable() {
    const every = xs();
    const all = every.slice(-200);
    const maps = data.series.map(({ points }) => new Map(points));
    fill(tableHost, plainTable(label, [data.categories ? "" : "Time", ...data.series.map(({ name }) => name)],
      all.reverse().map((x) => [nameOf(x), ...maps.map((map) => (map.has(x) ? exact(map.get(x)) : "–"))]), { ends: data.series.map((_, at) => at + 1) }),
      every.length > all.length ? h("p", { class: "muted small" }, `The last ${all.length} of ${plural(every.length, "row")}.`) : null);
  }

  function draw() {
    plot.replaceChildren();
    if (width < 40) return;
    plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const all = xs();
    if (!all.length) {
      plot.append(s("g", { class: "axis" }, s("text", { x: width / 2, y: height / 2, "text-anchor": "middle" }, wait)));
      return;
    }
    const right = width - MARGIN.right;
    const floor = height - MARGIN.bottom;
    let low = 0;
    let high = 0;
    for (const { points } of data.series) for (const [, y] of points) { if (y < low) low = y; if (y > high) high = y; }
    if (high === low) high = low + 1;
    const marks = ticks(low, high, Math.max(2, Math.floor(height / 56)));
    if (marks[marks.length - 1] < high) high = marks[marks.length - 1] + (marks[1] - marks[0] || 1);
    const shown = marks[marks.length - 1] < high ? [...marks, high] : marks;
    const texts = shown.map((value) => format(value));
    const edge = Math.min(width / 3, Math.max(MARGIN.left, 12 + DIGIT * Math.max(...texts.map((text) => text.length))));
    const y = linear(low, high, floor, MARGIN.top);
    const axis = s("g", { class: "axis" });
    shown.forEach((value, at) => {
      axis.append(s("line", { class: "grid", x1: edge, x2: right, y1: y(value), y2: y(value) }), s("text", { x: edge - 8, y: y(value) + 4, "text-anchor": "end" }, texts[at]));
    });
    const wide = right - edge;
    const banded = data.categories || kind === "bar";
    const band = wide / all.length;
    const place = new Map(all.map((value, at) => [value, at]));
    const time = linear(all[0], all[all.length - 1], edge + (all.length === 1 ? wide / 2 : 0), right);
    const x = banded ? (value) => edge + band * (place.get(value) + 0.5) : time;
    if (data.categories) {
      // As many names as stand beside each other, long ones cut.
      const longest = all.reduce((most, value) => Math.max(most, String(value).length), 0);
      const every = Math.ceil(all.length / Math.max(1, Math.floor(wide / Math.min(72, 14 + DIGIT * longest))));
      const fits = Math.max(3, Math.floor((band * every) / DIGIT));
      all.forEach((value, at) => {
        const text = String(value);
        if (at % every === 0) axis.append(s("text", { x: x(value), y: height - 6, "text-anchor": "middle" }, text.length > fits ? `${text.slice(0, fits - 1)}…` : text));
      });
    } else {
      const span = all[all.length - 1] - all[0];
      const wanted = Math.max(2, Math.floor(wide / 90));
      const places = banded ? all.filter((_, at) => at % Math.ceil(all.length / wanted) === 0) : timeTicks(all[0], all[all.length - 1], wanted);
      for (const at of places) {
        const left = x(at);
        axis.append(s("text", { x: left, y: height - 6, "text-anchor": left < edge + 24 ? "start" : left > right - 24 ? "end" : "middle" }, timeLabel(at, span)));
      }
    }
    plot.append(axis);
    const zero = y(Math.max(low, 0));
    data.series.forEach(({ points }, index) => {
      const colour = `s${(index % 8) + 1}`;
      if (kind === "bar") {
        const part = Math.min(48, (band * 0.72) / data.series.length);
        for (const [at, value] of points) {
          const left = x(at) - (part * data.series.length) / 2 + part * index;
          const tip = y(value);
          plot.append(s("rect", { class: `bar ${colour} ${hover === at ? "on" : ""}`, x: left, y: Math.min(tip, zero), width: Math.max(1, part - 1), height: Math.max(1, Math.abs(zero - tip)), rx: Math.min(3, part / 4) }));
        }
        return;
      }
      const ordered = data.categories ? points : [...points].sort((a, b) => a[0] - b[0]);
      const line = ordered.map(([at, value], step) => `${step ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
      if (!line) return;
      if (kind === "area") plot.append(s("path", { class: `area ${colour}`, d: `${line}L${x(ordered[ordered.length - 1][0]).toFixed(1)} ${zero}L${x(ordered[0][0]).toFixed(1)} ${zero}Z` }));
      plot.append(s("path", { class: `line ${colour}`, d: line }));
      if (ordered.length === 1) plot.append(s("circle", { class: colour, cx: x(ordered[0][0]), cy: y(ordered[0][1]), r: 3 }));
    });
    if (hover !== null && place.has(hover)) {
      const left = x(hover);
      if (kind !== "bar") {
        plot.append(s("line", { class: "cursor", x1: left, x2: left, y1: MARGIN.top, y2: floor }));
        data.series.forEach(({ points }, index) => {
          const found = points.find(([at]) => at === hover);
          if (found) plot.append(s("circle", { class: `s${(index % 8) + 1}`, cx: left, cy: y(found[1]), r: 3.5 }));
        });
      }
      showReadout(left);
    } else {
      readout.hidden = true;
    }
    plot.positions = all.map((value) => [value, x(value)]);
  }

  function showReadout(left) {
    fill(readout, h("div", { class: "muted" }, nameOf(hover)), h("dl", {}, data.series.slice(0, 8).map(({ name, points }, at) => {
      const found = points.find(([x]) => x === hover);
      return [swatch(at), h("dt", {}, name), h("dd", {}, found ? exact(found[1]) : "–")];
    })), data.series.length > 8 ? h("div", { class: "muted" }, `and ${data.series.length - 8} more, in the table`) : null);
    readout.hidden = false;
    const half = width / 2;
    readout.style.left = left < half ? `${left + 12}px` : "auto";
    readout.style.right = left < half ? "auto" : `${width - left + 12}px`;
    readout.style.top = "8px";
  }

  const point = (event) => {
    if (!plot.positions?.length) return;
    const at = event.clientX - plot.getBoundingClientRect().left;
    hover = plot.positions.reduce((best, entry) => (Math.abs(entry[1] - at) < Math.abs(best[1] - at) ? entry : best))[0];
    draw();
  };
  const leave = () => { hover = null; draw(); };
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);
  plot.addEventListener("pointerleave", leave);
  plot.addEventListener("blur", leave);
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === "Escape") leave();
    if (!step || !plot.positions?.length) return;
    event.preventDefault();
    const all = plot.positions.map(([value]) => value);
    const now = hover === null ? (step > 0 ? -1 : all.length) : all.indexOf(hover);
    hover = all[Math.min(all.length - 1, Math.max(0, now + step))];
    draw();
  });

  let frame = 0;
  const later = () => {
    if (frame) return;
    frame = requestAnimationFrame(() => { frame = 0; draw(); if (asTable) drawTable(); });
  };
  new ResizeObserver((entries) => {
    const place = entries[0].contentRect;
    const next = [Math.floor(place.width), fills ? Math.max(least, Math.floor(place.height)) : least];
    if (next[0] === width && next[1] === height) return;
    [width, height] = next;
    plot.setAttribute("height", height);
    later();
  }).observe(room);

  host.update = (next) => {
    data = { categories: false, ...next };
    const names = data.series.map(({ name }) => name);
    const told = [...names, data.hidden ?? 0].join("\n");
    if (legend.told !== told) {
      legend.told = told;
      fill(legend, names.map((name, at) => h("span", {}, swatch(at), name)), data.hidden ? h("span", {}, `and ${data.hidden} more that ${data.hidden === 1 ? "is" : "are"} not drawn`) : null);
    }
    plot.setAttribute("aria-label", `${label}. ${describe(data)}`);
    later();
  };
  return host;
}

function describe({ series }) {
  const last = series.slice(0, 4).map(({ name, points }) => (points.length ? `${name}: now ${figure(points[points.length - 1][1])}` : null)).filter(Boolean);
  return last.length ? `${last.join("; ")}. Arrow keys read single values; the same data is in the table.` : "No data yet.";
}
