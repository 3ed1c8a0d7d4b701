// What was typed and is not sent or saved yet. Each tab has its own; a new tab begins with what was typed last in any.

const key = (name) => `swiftwater.${name}`;

/** null when nothing was typed. */
export function draftOf(name) {
  for (const storage of ["sessionStorage", "localStorage"]) {
    try { const text = globalThis[storage].getItem(key(name)); if (text !== null) return text; } catch { /* storage may be forbidden */ }
  }
  return null;
}

/** Keeps a draft for this tab, and for new ones unless it is `own`; with null it is forgotten. */
export function keepDraft(name, text, { own = false } = {}) {
  for (const storage of own ? ["sessionStorage"] : ["sessionStorage", "localStorage"]) {
    try { if (text === null) globalThis[storage].removeItem(key(name)); else globalThis[storage].setItem(key(name), text); } catch { /* kept for this visit only */ }
  }
}
