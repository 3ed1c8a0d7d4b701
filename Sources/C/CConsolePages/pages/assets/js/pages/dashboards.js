// The list of dashboards, and a new one.
import { api, path } from "../api.js";
import { h } from "../dom.js";
import { ago } from "../format.js";
import { navigate, setQuery } from "../router.js";
import { formDialog } from "../ui/dialog.js";
import { field, select, textInput } from "../ui/form.js";
import { button, pageHead } from "../ui/page.js";
import { emptyState } from "../ui/states.js";
import { table } from "../ui/table.js";
import { saveBoard, withPanel } from "./board-change.js";
import { panelForm } from "./panel-form.js";

const slug = (title) => title.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "dashboard";

async function newDashboard(all) {
  const title = textInput({});
  const made = await formDialog({
    title: "New dashboard", action: "Create", body: field("Title", title, { required: true }),
    submit: async () => {
      if (!title.value.trim()) throw new Error("a dashboard needs a title");
      let id = slug(title.value);
      for (let at = 2; all.some((entry) => entry.id === id); at += 1) id = `${slug(title.value)}-${at}`;
      await api.put(path`dashboards/${id}`, { id, title: title.value.trim(), panels: [], version: 0 });
      return id;
    },
  });
  if (made) navigate(path`/dashboards/${made}`);
}

/** From the SQL page: which dashboard takes the panel? */
async function placePanel(sql, all) {
  const where = select([...all.map((entry) => [entry.id, entry.title || entry.id]), ["", "a new dashboard"]], all[0]?.id ?? "");
  const title = textInput({ value: "My dashboard" });
  const titleField = field("Its title", title);
  const show = () => { titleField.hidden = where.value !== ""; };
  where.addEventListener("change", show);
  show();
  const form = panelForm({ title: "", sql, kind: "line", x: "", y: [], series: "", width: 1 });
  const made = await formDialog({
    title: "Add a panel", action: "Add", wide: true, body: [h("div", { class: "fields" }, field("To dashboard", where), titleField), form.element],
    submit: async () => {
      const panel = await form.checked();
      let id = where.value;
      const board = id ? await api.get(path`dashboards/${id}`) : { title: title.value.trim() || "My dashboard", panels: [], version: 0 };
      if (!id) { id = slug(board.title); for (let at = 2; all.some((entry) => entry.id === id); at += 1) id = `${slug(board.title)}-${at}`; }
      await saveBoard(id, board, (now) => ({ panels: withPanel(now.panels, null, panel) }));
      return id;
    },
  });
  if (made) navigate(path`/dashboards/${made}`);
}

export default async function dashboards({ query, signal }) {
  const all = await api.get("dashboards", { signal });
  const create = () => newDashboard(all);
  if (query.has("panel")) { const sql = query.get("panel"); setQuery({ panel: null }); queueMicrotask(() => placePanel(sql, all)); }
  return h("div", {}, pageHead({ title: "Dashboards", lead: "Any query as a chart that moves.", actions: [button("New dashboard", { kind: "primary", icon: "plus", click: create, "data-new": true })] }),
    table({
      label: "Dashboards", key: (row) => row.id, rows: all, sort: { id: "title", down: false },
      columns: [
        { id: "title", title: "Title", value: (row) => row.title || row.id, cell: (row) => h("a", { class: "name", href: path`/dashboards/${row.id}` }, row.title || row.id) },
        { id: "updated", title: "Changed", value: (row) => row.updated ?? null, cell: (row) => (row.updated ? ago(row.updated) : "–") },
      ],
      empty: () => emptyState("No dashboards yet", "Make one, then add panels: each is a SELECT, shown as a line, bar, area, table or number.", button("New dashboard", { kind: "primary", icon: "plus", click: create })),
    }));
}
