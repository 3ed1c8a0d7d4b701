// The icons, drawn with strokes on a grid of 24.
import { s } from "../dom.js";

const paths = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM4 20h6v-3H4zM14 7h6V4h-6z",
  topics: "M4 6h16M4 12h16M4 18h10",
  groups: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM3 20c0-3.300 2.700-5.500 6-5.500s6 2.200 6 5.500M16 4.500a3.500 3.500 0 0 1 0 6.200M18 15c1.900.8 3 2.600 3 5",
  schemas: "M8 4c-3 0-2 3.500-2 5.500S5 12 4 12c1 0 2 .5 2 2.500S5 20 8 20M16 4c3 0 2 3.500 2 5.500s1 2.500 2 2.500c-1 0-2 .5-2 2.500s1 5.500-2 5.500",
  connectors: "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
  sql: "M5 7l5 5-5 5M12 18h7",
  lineage: "M3 9h5v6H3zM16 3h5v6h-5zM16 15h5v6h-5zM8 12h4M12 12V6h4M12 12v6h4",
  dashboards: "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6",
  alerts: "M6 17V11a6 6 0 0 1 12 0v6l1.500 1.500h-15zM10 21h4",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4",
  menu: "M4 7h16M4 12h16M4 17h16",
  help: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.4-1 .9-1 1.700M12 16.800v.2",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 2v2M12 20v2M4.900 4.900l1.400 1.400M17.700 17.700l1.400 1.400M2 12h2M20 12h2M4.900 19.100l1.400-1.400M17.700 6.300l1.400-1.400",
  moon: "M20 14.500A8 8 0 0 1 9.500 4 8 8 0 1 0 20 14.500z",
  auto: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  check: "M5 12.500l4.500 4.500L19 7.500",
  warning: "M12 4l9 16H3zM12 10v4M12 17v.2",
  error: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7.500v5.500M12 16v.2",
  info: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5.500M12 8v.2",
  caret: "M9 5l7 7-7 7",
  down: "M5 9l7 7 7-7",
  play: "M7 4.500v15l12-7.500z",
  stop: "M6 6h12v12H6z",
  pause: "M8 5v14M16 5v14",
  refresh: "M20 5v5h-5M4 19v-5h5M19 10a7.500 7.500 0 0 0-13.500-2M5 14a7.500 7.500 0 0 0 13.500 2",
  trash: "M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v5M14 11v5",
  edit: "M4 20h4L19 9l-4-4L4 16zM13 7l4 4",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700l-1 1M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700l1-1",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  send: "M4 12l16-8-5 16-4-6zM11 14l9-10",
  up: "M12 20V5M6 11l6-6 6 6",
};

export function icon(name, label) {
  const svg = s("svg", {
    viewBox: "0 0 24 24", fill: "none", stroke: "currentColor", "stroke-width": 1.8, "stroke-linecap": "round",
    "stroke-linejoin": "round", ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }),
  });
  svg.append(s("path", { d: paths[name] ?? paths.info }));
  return svg;
}

export const brandMark = () =>
  s("svg", { viewBox: "0 0 32 32", "aria-hidden": "true" },
    s("rect", { width: 32, height: 32, rx: 8, fill: "var(--accent)" }),
    s("path", {
      d: "M6 12c3.300-3.400 6.700-3.400 10 0s6.700 3.400 10 0M6 20c3.300-3.400 6.700-3.400 10 0s6.700 3.400 10 0", fill: "none",
      stroke: "var(--accent-ink)", "stroke-width": 3, "stroke-linecap": "round",
    }));
