// Changes of a dashboard that others may be changing, too: each is done to what is there when it is saved.
import { api, path } from "../api.js";

const TURNS = 5;

/** A name for a panel, for good: by it the panel is found among those of others. */
const newId = () => globalThis.crypto?.randomUUID?.() ?? `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`;
const text = (panel) => JSON.stringify(panel);
const isSame = (a, b) => (a.id ? a.id === b.id : text(a) === text(b));
const place = (panels, panel) => panels.findIndex((other) => isSame(panel, other));

/** Another panel than the one that was changed: `theirs`, null when it was taken away; `board` is the dashboard with it. */
export class PanelConflict extends Error {
  constructor(title, theirs) {
    super(theirs ? `“${title}” was changed meanwhile, in another tab or by somebody else. What you wrote is still here: save again to put it in place of theirs, or cancel to see theirs`
      : `“${title}” was removed meanwhile, in another tab or by somebody else. What you wrote is still here: save again to add it anew, or cancel`);
    this.theirs = theirs;
  }
}

/** The panels with `next` in place of `seen`, or as the last one when nothing was seen. */
export function withPanel(panels, seen, next) {
  if (!seen) return [...panels, { ...next, id: newId() }];
  const at = place(panels, seen);
  // One that had no name for good got one when it was changed.
  const theirs = panels[at] ?? (seen.id ? null : panels.find(({ title }) => title === seen.title) ?? null);
  if (at < 0 || text(theirs) !== text(seen)) throw new PanelConflict(seen.title, theirs);
  return panels.map((panel, index) => (index === at ? { ...next, id: seen.id ?? newId() } : panel));
}

export const withoutPanel = (panels, seen) => { const at = place(panels, seen); return panels.filter((_, index) => index !== at); };

/** The panels with one of them earlier (by < 0) or later. */
export function movedPanel(panels, seen, by) {
  const at = place(panels, seen);
  if (at < 0) return panels;
  const rest = panels.filter((_, index) => index !== at);
  rest.splice(Math.max(0, at + by), 0, panels[at]);
  return rest;
}

/** Saves what `change(board)` makes of a dashboard; of the newest one when `board` is no longer that. */
export async function saveBoard(id, board, change) {
  let now = board;
  for (let turn = 1; ; turn += 1) {
    try {
      return await api.put(path`dashboards/${id}`, { ...now, ...change(now), id });
    } catch (error) {
      if (error instanceof PanelConflict) error.board = now;
      if (error.status !== 409 || turn === TURNS) throw error;
      now = await api.get(path`dashboards/${id}`).catch((other) => { throw other.status === 404 ? error : other; });
    }
  }
}
