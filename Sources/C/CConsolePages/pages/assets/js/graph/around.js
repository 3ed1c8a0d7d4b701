// What of a lineage is looked at: parts by their names, and what leads to them and comes from them.

/**
 * The parts of `data` around those in `starts` (ids), up to `steps` connections away: all that leads to them, all that comes
 * from them, but not what else those feed. Their ids are in `ids`.
 */
export function around(data, starts, steps = Infinity) {
  const next = new Map();
  for (const { from, to } of data.edges) {
    for (const [here, there, side] of [[from, to, 0], [to, from, 1]]) {
      if (!next.has(here)) next.set(here, [[], []]);
      next.get(here)[side].push(there);
    }
  }
  const lit = new Set(starts);
  for (const side of [0, 1]) {
    const seen = new Set(starts);
    let ring = [...starts];
    for (let step = 0; step < steps && ring.length; step += 1) {
      const further = [];
      for (const id of ring) for (const other of next.get(id)?.[side] ?? []) if (!seen.has(other)) { seen.add(other); further.push(other); }
      ring = further;
    }
    seen.forEach((id) => lit.add(id));
  }
  return { ids: lit, nodes: data.nodes.filter(({ id }) => lit.has(id)), edges: data.edges.filter(({ from, to }) => lit.has(from) && lit.has(to)) };
}

/** Without the topics and groups that nothing is connected with. */
export function connected(data) {
  const used = new Set(data.edges.flatMap(({ from, to }) => [from, to]));
  return { nodes: data.nodes.filter(({ id, kind }) => used.has(id) || kind !== "topic" && kind !== "group"), edges: data.edges };
}
