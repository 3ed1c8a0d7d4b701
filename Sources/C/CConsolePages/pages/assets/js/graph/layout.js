// Places a directed graph in columns: what feeds something stands left of it, crossings are few.

/** { nodes: Map(id -> { x, y, column }), width, height } for nodes of one size. Circles do not harm. */
export function layered(nodes, edges, { width = 190, height = 54, gapX = 96, gapY = 22, margin = 20 } = {}) {
  const ids = new Set(nodes.map(({ id }) => id));
  const out = new Map(nodes.map(({ id }) => [id, []]));
  const into = new Map(nodes.map(({ id }) => [id, []]));
  const state = new Map();
  const forward = [];
  for (const { from, to } of edges) if (ids.has(from) && ids.has(to) && from !== to) out.get(from).push(to);
  // Edges that close a circle are left out of the order, found without recursion: pipelines may be long.
  for (const { id } of nodes) {
    if (state.has(id)) continue;
    const stack = [[id, 0]];
    state.set(id, 1);
    while (stack.length) {
      const top = stack[stack.length - 1];
      const next = out.get(top[0])[top[1]++];
      if (next === undefined) { state.set(top[0], 2); stack.pop(); continue; }
      if (state.get(next) === 1) continue;
      forward.push([top[0], next]);
      if (!state.has(next)) { state.set(next, 1); stack.push([next, 0]); }
    }
  }
  const next = new Map(nodes.map(({ id }) => [id, []]));
  const missing = new Map(nodes.map(({ id }) => [id, 0]));
  for (const [from, to] of forward) { next.get(from).push(to); into.get(to).push(from); missing.set(to, missing.get(to) + 1); }
  const column = new Map(nodes.map(({ id }) => [id, 0]));
  const ready = nodes.map(({ id }) => id).filter((id) => missing.get(id) === 0);
  for (let at = 0; at < ready.length; at += 1) {
    for (const to of next.get(ready[at])) {
      column.set(to, Math.max(column.get(to), column.get(ready[at]) + 1));
      missing.set(to, missing.get(to) - 1);
      if (missing.get(to) === 0) ready.push(to);
    }
  }
  // Beginnings stand right before what they feed.
  for (const id of ready) {
    if (into.get(id).length === 0 && next.get(id).length) column.set(id, Math.min(...next.get(id).map((to) => column.get(to))) - 1);
  }
  const least = Math.min(0, ...column.values());
  const columns = [];
  for (const { id } of nodes) { const at = column.get(id) - least; column.set(id, at); (columns[at] ??= []).push(id); }
  for (let at = 0; at < columns.length; at += 1) columns[at] ??= [];
  columns.forEach((list) => list.sort());
  const order = new Map();
  const number = () => columns.forEach((list) => list.forEach((id, at) => order.set(id, at - list.length / 2)));
  number();
  for (let round = 0; round < 8; round += 1) {
    const sweep = round % 2 === 0 ? columns : [...columns].reverse();
    const near = round % 2 === 0 ? into : next;
    for (const list of sweep) {
      const weight = new Map(list.map((id) => {
        const around = near.get(id);
        return [id, around.length ? around.reduce((sum, other) => sum + order.get(other), 0) / around.length : order.get(id)];
      }));
      list.sort((a, b) => weight.get(a) - weight.get(b) || (a < b ? -1 : 1));
    }
    number();
  }
  const tallest = Math.max(1, ...columns.map((list) => list.length));
  const total = tallest * (height + gapY) - gapY;
  const places = new Map();
  columns.forEach((list, at) => {
    const own = list.length * (height + gapY) - gapY;
    list.forEach((id, row) => places.set(id, { x: margin + at * (width + gapX), y: margin + (total - own) / 2 + row * (height + gapY), column: at, row }));
  });
  // Nodes move towards the middle of what they are connected with, as far as their neighbours leave room.
  for (let round = 0; round < 6; round += 1) {
    columns.forEach((list) => {
      list.forEach((id, row) => {
        const around = [...into.get(id), ...next.get(id)];
        if (!around.length) return;
        const place = places.get(id);
        const wanted = around.reduce((sum, other) => sum + places.get(other).y, 0) / around.length;
        const low = row ? places.get(list[row - 1]).y + height + gapY : margin;
        const high = row < list.length - 1 ? places.get(list[row + 1]).y - height - gapY : margin + total - height;
        place.y = Math.max(low, Math.min(high, wanted));
      });
    });
  }
  return { nodes: places, columns, width: margin * 2 + columns.length * (width + gapX) - gapX, height: margin * 2 + total };
}
