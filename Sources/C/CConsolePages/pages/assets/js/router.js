// Deep links by the History API: going from page to page, whichever they are.

let show = () => {};
let leaving = null;
/** The page that is shown, by its address. */
let shown = "";
const here = () => location.pathname + location.search;

/** Goes to another page of ours. */
export function navigate(to, { replace = false } = {}) {
  if (leaving && !leaving()) return;
  history[replace ? "replaceState" : "pushState"](null, "", to);
  show();
}

/** Changes the query of this page's address without loading it again: filters survive a reload and a shared link. */
export function setQuery(values) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || value === null || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
  shown = here();
}

/** `ask` is called before the page is left; false stays. */
export const guardLeaving = (ask) => { leaving = ask; };

export function start(render) {
  show = () => {
    leaving = null;
    shown = here();
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();  // it was of the page that is left
    render();
  };
  // A link within the page, as that to its content, comes here too: loading the page again would take the focus away.
  addEventListener("popstate", () => { if (here() !== shown) show(); });
  document.addEventListener("click", (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest?.("a[href]");
    if (!link || link.target || link.hasAttribute("download")) return;
    const raw = link.getAttribute("href");
    if (typeof raw !== "string" || raw.startsWith("#") || link.origin !== undefined && link.origin !== location.origin) return;
    if (!raw.startsWith("/")) return;
    event.preventDefault();
    navigate(raw);
  });
  show();
}
