// Draws the lineage: nodes are links, arrows walk between them, numbers move with the data.
import { s } from "../dom.js";
import { rate, short } from "../format.js";
import { layered } from "./layout.js";

const WIDTH = 190;
const HEIGHT = 54;
export const kindNames = { "connector-source": "source connector", topic: "topic", query: "query", "connector-sink": "sink connector", group: "consumer group" };
const clip = (text, limit) => (text.length > limit ? `${text.slice(0, limit - 1)}…` : text);

/**
 * The graph as an SVG with update({ nodes, edges }) and focusNode(id). One node at a time is a stop of the tab key; arrow keys
 * walk on from it, F asks `choose(id)` to show only what is around it.
 */
export function graphView({ choose } = {}) {
  const svg = s("svg", { class: "graph", role: "group", "aria-label": "Lineage. Arrow keys walk along the pipeline, F shows only what is around a part." });
  let current = null;
  let shape = "";
  let labels = new Map();
  let elements = new Map();
  let plan = null;
  let data = null;

  const key = (edge) => `${edge.from}\n${edge.to}`;
  const textOf = (edge) => [edge.rate !== null && edge.rate !== undefined ? rate(edge.rate) : "", edge.lag ? `lag ${short(edge.lag)}` : ""].filter(Boolean).join(", ");
  const nodeLabel = (node) => `${kindNames[node.kind] ?? node.kind} ${node.name}${node.state ? `, ${node.state}` : ""}${node.detail ? `, ${node.detail}` : ""}`;

  function neighbours(id, direction) {
    return data.edges.filter((edge) => (direction > 0 ? edge.from : edge.to) === id).map((edge) => (direction > 0 ? edge.to : edge.from));
  }
  function light(id) {
    if (!id) { svg.classList.remove("dim"); return; }
    const lit = new Set([id]);
    for (const direction of [1, -1]) {
      const queue = [id];
      while (queue.length) for (const next of neighbours(queue.pop(), direction)) if (!lit.has(next)) { lit.add(next); queue.push(next); }
    }
    svg.classList.add("dim");
    for (const [name, { group }] of elements) group.classList.toggle("lit", lit.has(name));
    for (const [, { group, edge }] of labels) group.classList.toggle("lit", lit.has(edge.from) && lit.has(edge.to));
  }
  function walk(event, id) {
    const { column, row } = plan.nodes.get(id);
    let to;
    if (event.key === "ArrowRight") [to] = neighbours(id, 1);
    else if (event.key === "ArrowLeft") [to] = neighbours(id, -1);
    else if (event.key === "ArrowDown") to = plan.columns[column][row + 1];
    else if (event.key === "ArrowUp") to = plan.columns[column][row - 1];
    else if (event.key === "Home") [to] = plan.columns[column];
    else if (event.key === "End") to = plan.columns[column].at(-1);
    else if (event.key.toLowerCase() === "f" && choose && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); event.stopPropagation(); choose(id); return; } else return;
    event.preventDefault();
    if (to) elements.get(to)?.group.focus();
  }
  function stopAt(id) {
    elements.get(current)?.group.setAttribute("tabindex", -1);
    current = id;
    elements.get(id)?.group.setAttribute("tabindex", 0);
  }

  function build() {
    svg.replaceChildren();
    labels = new Map();
    elements = new Map();
    plan = layered(data.nodes, data.edges, { width: WIDTH, height: HEIGHT });
    svg.setAttribute("viewBox", `0 0 ${plan.width} ${plan.height}`);
    // Wide pipelines shrink a little before they scroll.
    svg.style.width = `min(100%, ${plan.width}px)`;
    svg.style.minWidth = `${Math.round(plan.width * 0.7)}px`;
    svg.append(s("defs", {}, s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, s("path", { d: "M1 1l6 3-6 3", fill: "none", stroke: "var(--muted)", "stroke-width": 1.4 }))));
    for (const edge of data.edges) {
      const from = plan.nodes.get(edge.from);
      const to = plan.nodes.get(edge.to);
      if (!from || !to) continue;
      const x1 = from.x + WIDTH;
      const y1 = from.y + HEIGHT / 2;
      const x2 = to.x - 2;
      const y2 = to.y + HEIGHT / 2;
      const bend = Math.max(40, Math.abs(x2 - x1) / 2);
      // The label stands on the curve, nearer to where it goes: edges that leave one node do not cover each other's.
      const at = (a, b, c, d, t) => a * (1 - t) ** 3 + 3 * b * t * (1 - t) ** 2 + 3 * c * t * t * (1 - t) + d * t ** 3;
      const part = Math.abs(y2 - y1) < 4 ? 0.5 : 0.56;
      const text = s("text", { x: at(x1, x1 + bend, x2 - bend, x2, part), y: at(y1, y1, y2, y2, part) - 6, "text-anchor": "middle" });
      const group = s("g", { class: "edge", "aria-hidden": "true" }, s("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, "marker-end": "url(#arrow)" }), text);
      labels.set(key(edge), { group, text, edge });
      svg.append(group);
    }
    data.nodes.forEach((node) => {
      const { x, y } = plan.nodes.get(node.id);
      const group = s("a", { class: "node", href: node.link || "#", tabindex: -1, transform: `translate(${x} ${y})`, on: {
        keydown: (event) => walk(event, node.id), focus: () => { stopAt(node.id); light(node.id); }, blur: () => light(null), pointerenter: () => light(node.id), pointerleave: () => light(null),
      } },
      s("rect", { class: "box", width: WIDTH, height: HEIGHT, rx: 8 }), s("rect", { class: `stripe kind-${node.kind}`, x: 0, y: 10, width: 4, height: HEIGHT - 20, rx: 2 }),
      s("text", { class: "kind", x: 16, y: 20 }), s("text", { x: 16, y: 39 }, clip(node.name, 20)), s("title", {}, node.name));
      elements.set(node.id, { group });
      svg.append(group);
      if (choose) {
        svg.append(s("g", { class: "around", transform: `translate(${x + WIDTH - 24} ${y + 4})`, "aria-hidden": "true", on: { click: () => choose(node.id) } },
          s("rect", { width: 20, height: 20, rx: 4 }), s("circle", { cx: 10, cy: 10, r: 4.5 }), s("path", { d: "M10 2.5v3M10 14.5v3M2.5 10h3M14.5 10h3" }), s("title", {}, `Only what is around ${node.name}`)));
      }
    });
    stopAt(elements.has(current) ? current : plan.columns.find((list) => list.length)?.[0]);
  }

  svg.update = (next) => {
    data = next;
    const wanted = JSON.stringify([next.nodes.map(({ id, name, kind, link }) => [id, name, kind, link]), next.edges.map(key)]);
    if (wanted !== shape) {
      shape = wanted;
      const focused = svg.contains(document.activeElement) ? current : null;
      build();
      if (focused) elements.get(focused)?.group.focus({ preventScroll: true });
    }
    for (const edge of next.edges) {
      const found = labels.get(key(edge));
      if (!found) continue;
      found.text.textContent = textOf(edge);
      found.group.classList.toggle("live", edge.rate > 0);
      found.group.classList.toggle("behind", edge.lag > 1000);
    }
    for (const node of next.nodes) {
      const { group } = elements.get(node.id);
      group.setAttribute("aria-label", nodeLabel(node));
      group.querySelector(".kind").textContent = clip(`${kindNames[node.kind] ?? node.kind}${node.state && node.state.toLowerCase() !== "ok" ? `, ${node.state.toLowerCase()}` : ""}`, 30);
    }
  };
  /** Whether the node is drawn, and so has the focus now. */
  svg.focusNode = (id) => {
    const found = svg.isConnected && elements.get(id);
    if (!found) return false;
    found.group.focus({ preventScroll: true });
    found.group.scrollIntoView({ block: "center", inline: "center" });
    return true;
  };
  return svg;
}
