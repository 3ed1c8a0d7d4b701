// Draws the lineage: nodes are links, arrows walk between them, numbers move with the data.
import { s } from "../dom.js";
import { rate, short } from "../format.js";
import { around } from "./around.js";
import { layered } from "./layout.js";

const WIDTH = 190;
const HEIGHT = 54;
export const kindNames = { "connector-source": "source connector", topic: "topic", query: "query", "connector-sink": "sink connector", group: "consumer group" };
const clip = (text, limit) => (text.length > limit ? `${text.slice(0, limit - 1)}…` : text);

/** Of a larger drawing only what is seen stands in the document, and half as much again around it. */
const WHOLE_MAX = 40;
/** A point of a curve from `a` to `d`. */
const along = (a, b, c, d, t) => a * (1 - t) ** 3 + 3 * b * t * (1 - t) ** 2 + 3 * c * t * t * (1 - t) + d * t ** 3;

/**
 * The graph as an SVG with update({ nodes, edges }) and focusNode(id), to stand in an element that scrolls it. One node at a
 * time is a stop of the tab key; arrow keys walk on from it, F asks `choose(id)` to show only what is around it.
 */
export function graphView({ choose } = {}) {
  const edgeLayer = s("g");
  const nodeLayer = s("g");
  const svg = s("svg", { class: "graph", role: "group", "aria-label": "Lineage. Arrow keys walk along the pipeline, F shows only what is around a part." },
    s("defs", {}, s("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, s("path", { d: "M1 1l6 3-6 3", fill: "none", stroke: "var(--muted)", "stroke-width": 1.4 }))),
    edgeLayer, nodeLayer);
  let current = null;
  let shape = "";
  let edges = new Map();  // what is known of each edge; `group` and `text` while it is drawn
  let nodes = new Map();  // the same of each node
  let lit = null;  // ids of what is lit; null when nothing is dimmed
  let plan = null;
  let data = null;

  const key = (edge) => `${edge.from}\n${edge.to}`;
  const textOf = (edge) => [edge.rate !== null && edge.rate !== undefined ? rate(edge.rate) : "", edge.lag ? `lag ${short(edge.lag)}` : ""].filter(Boolean).join(", ");
  const nodeLabel = (node) => `${kindNames[node.kind] ?? node.kind} ${node.name}${node.state ? `, ${node.state}` : ""}${node.detail ? `, ${node.detail}` : ""}`;

  function neighbours(id, direction) {
    return data.edges.filter((edge) => (direction > 0 ? edge.from : edge.to) === id).map((edge) => (direction > 0 ? edge.to : edge.from));
  }
  const isLit = ({ edge, node }) => lit !== null && (node ? lit.has(node.id) : lit.has(edge.from) && lit.has(edge.to));
  function light(id) {
    lit = id ? around(data, [id]).ids : null;
    svg.classList.toggle("dim", lit !== null);
    if (lit) for (const entry of [...nodes.values(), ...edges.values()]) entry.group?.classList.toggle("lit", isLit(entry));
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
    if (to) drawn(to)?.focus();
  }
  function stopAt(id) {
    nodes.get(current)?.group?.setAttribute("tabindex", -1);
    current = id;
    drawn(id)?.setAttribute("tabindex", 0);
  }

  function showEdge(entry) {
    const { edge, group, text } = entry;
    text.textContent = textOf(edge);
    group.classList.toggle("live", edge.rate > 0);
    group.classList.toggle("behind", edge.lag > 1000);
  }
  function showNode({ node, group, kind }) {
    group.setAttribute("aria-label", nodeLabel(node));
    kind.textContent = clip(`${kindNames[node.kind] ?? node.kind}${node.state && node.state.toLowerCase() !== "ok" ? `, ${node.state.toLowerCase()}` : ""}`, 30);
  }
  function drawEdge(entry) {
    entry.text = s("text", { x: entry.textX, y: entry.textY, "text-anchor": "middle" });
    entry.group = s("g", { class: "edge", "aria-hidden": "true" }, s("path", { d: entry.line, "marker-end": "url(#arrow)" }), entry.text);
    if (isLit(entry)) entry.group.classList.add("lit");
    showEdge(entry);
    edgeLayer.append(entry.group);
  }
  function drawNode(entry) {
    const { node, x, y } = entry;
    entry.kind = s("text", { class: "kind", x: 16, y: 20 });
    entry.group = s("a", { class: "node", href: node.link || "#", tabindex: node.id === current ? 0 : -1, transform: `translate(${x} ${y})`, on: {
      keydown: (event) => walk(event, node.id), focus: () => { stopAt(node.id); light(node.id); }, blur: () => light(null), pointerenter: () => light(node.id), pointerleave: () => light(null),
    } },
    s("rect", { class: "box", width: WIDTH, height: HEIGHT, rx: 8 }), s("rect", { class: `stripe kind-${node.kind}`, x: 0, y: 10, width: 4, height: HEIGHT - 20, rx: 2 }),
    entry.kind, s("text", { x: 16, y: 39 }, clip(node.name, 20)), s("title", {}, node.name));
    if (isLit(entry)) entry.group.classList.add("lit");
    showNode(entry);
    nodeLayer.append(entry.group);
    if (!choose) return;
    entry.aside = s("g", { class: "around", transform: `translate(${x + WIDTH - 24} ${y + 4})`, "aria-hidden": "true", on: { click: () => choose(node.id) } },
      s("rect", { width: 20, height: 20, rx: 4 }), s("circle", { cx: 10, cy: 10, r: 4.5 }), s("path", { d: "M10 2.5v3M10 14.5v3M2.5 10h3M14.5 10h3" }), s("title", {}, `Only what is around ${node.name}`));
    nodeLayer.append(entry.aside);
  }
  function remove(entry) {
    entry.group.remove();
    entry.aside?.remove();
    entry.group = entry.aside = null;
  }
  /** The element of a node, drawn if it was not. */
  function drawn(id) {
    const entry = nodes.get(id);
    if (entry && !entry.group) drawNode(entry);
    return entry?.group;
  }

  /** What is seen of the drawing, with a margin, in its own measure; null for all of it. */
  function seen() {
    if (data.nodes.length <= WHOLE_MAX) return null;
    const frame = svg.parentElement?.getBoundingClientRect();
    const own = svg.getBoundingClientRect();
    if (!frame?.width || !own.width) return { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
    const scale = own.width / plan.width;
    const [left, top, width, height] = [(frame.left - own.left) / scale, (frame.top - own.top) / scale, frame.width / scale, frame.height / scale];
    return { left: left - width / 4, top: top - height / 4, right: left + width * 1.25, bottom: top + height * 1.25 };
  }
  function draw() {
    const area = seen();
    for (const [all, make] of [[edges, drawEdge], [nodes, drawNode]]) {
      for (const [id, entry] of all) {
        // The stop of the tab key is always there.
        const wanted = !area || id === current || entry.right >= area.left && entry.left <= area.right && entry.bottom >= area.top && entry.top <= area.bottom;
        if (wanted && !entry.group) make(entry);
        else if (!wanted && entry.group) remove(entry);
      }
    }
  }
  let frame = 0;
  const drawSoon = () => { frame ||= requestAnimationFrame(() => { frame = 0; if (svg.isConnected) draw(); }); };
  // Told when it gets a place in a page too.
  let host = null;
  new ResizeObserver(() => {
    if (svg.parentElement !== host) {
      host?.removeEventListener("scroll", drawSoon);
      host = svg.parentElement;
      host?.addEventListener("scroll", drawSoon, { passive: true });
    }
    if (plan && svg.isConnected) draw();
  }).observe(svg);

  function build() {
    edgeLayer.replaceChildren();
    nodeLayer.replaceChildren();
    plan = layered(data.nodes, data.edges, { width: WIDTH, height: HEIGHT });
    svg.setAttribute("viewBox", `0 0 ${plan.width} ${plan.height}`);
    // Wide pipelines shrink a little before they scroll.
    svg.style.width = `min(100%, ${plan.width}px)`;
    svg.style.minWidth = `${Math.round(plan.width * 0.7)}px`;
    edges = new Map();
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
      const part = Math.abs(y2 - y1) < 4 ? 0.5 : 0.56;
      edges.set(key(edge), {
        edge, line: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, textX: along(x1, x1 + bend, x2 - bend, x2, part), textY: along(y1, y1, y2, y2, part) - 6,
        left: Math.min(x1, x2 - bend), right: Math.max(x2, x1 + bend), top: Math.min(y1, y2) - 20, bottom: Math.max(y1, y2) + 20,
      });
    }
    nodes = new Map(data.nodes.map((node) => { const { x, y } = plan.nodes.get(node.id); return [node.id, { node, x, y, left: x, right: x + WIDTH, top: y, bottom: y + HEIGHT }]; }));
    current = nodes.has(current) ? current : plan.columns.find((list) => list.length)?.[0];
    draw();
  }

  svg.update = (next) => {
    data = next;
    const wanted = JSON.stringify([next.nodes.map(({ id, name, kind, link }) => [id, name, kind, link]), next.edges.map(key)]);
    if (wanted !== shape) {
      shape = wanted;
      const focused = svg.contains(document.activeElement) ? current : null;
      build();
      if (focused) nodes.get(focused)?.group?.focus({ preventScroll: true });
      return;
    }
    for (const edge of next.edges) {
      const found = edges.get(key(edge));
      if (!found) continue;
      found.edge = edge;
      if (found.group) showEdge(found);
    }
    for (const node of next.nodes) {
      const found = nodes.get(node.id);
      found.node = node;
      if (found.group) showNode(found);
    }
  };
  /** Whether the node is drawn, and so has the focus now. */
  svg.focusNode = (id) => {
    const group = svg.isConnected && drawn(id);
    if (!group) return false;
    group.focus({ preventScroll: true });
    group.scrollIntoView({ block: "center", inline: "center" });
    return true;
  };
  return svg;
}
