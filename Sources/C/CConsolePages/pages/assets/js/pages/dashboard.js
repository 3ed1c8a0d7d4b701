// One dashboard: its panels run; edit, arrange, share.
import { api, path } from "../api.js";
import { h } from "../dom.js";
import { navigate } from "../router.js";
import { panelBody } from "../charts/panel.js";
import { confirmDialog, formDialog } from "../ui/dialog.js";
import { field, textInput } from "../ui/form.js";
import { icon } from "../ui/icons.js";
import { button, pageHead } from "../ui/page.js";
import { emptyState } from "../ui/states.js";
import { act, copyText, done } from "../ui/toast.js";
import { movedPanel, PanelConflict, saveBoard, withoutPanel, withPanel } from "./board-change.js";
import { panelForm } from "./panel-form.js";

export default async function dashboard({ params, query, signal, reload }) {
  const board = await api.get(path`dashboards/${params.id}`, { signal });
  const panels = board.panels ?? [];
  const editing = query.get("edit") === "1";
  let newest = board;
  const save = (change) => saveBoard(params.id, newest, change);
  const here = path`/dashboards/${params.id}`;
  const edit = async (at) => {
    let seen = panels[at] ?? null;
    let conflicted = false;
    const form = panelForm(seen ?? { title: "", sql: "", kind: "line", x: "", y: [], series: "", width: 1 });
    const saved = await formDialog({
      title: seen ? "Edit the panel" : "New panel", action: "Save", wide: true, body: form.element,
      submit: async () => {
        const panel = await form.checked();
        try {
          await save((now) => ({ panels: withPanel(now.panels ?? [], seen, panel) }));
        } catch (error) {
          // It is told; saving again is meant.
          if (error instanceof PanelConflict) { seen = error.theirs; newest = error.board; conflicted = true; }
          throw error;
        }
      },
    });
    if (saved || conflicted) reload();
  };
  const move = (at, by) => async (event) => {
    await act(event.currentTarget, () => save((now) => ({ panels: movedPanel(now.panels ?? [], panels[at], by) })));
    reload();
  };
  const drop = async (at) => { if (await confirmDialog({ title: "Remove this panel?", action: "Remove", text: `“${panels[at].title}” is taken off the dashboard.`, submit: () => save((now) => ({ panels: withoutPanel(now.panels ?? [], panels[at]) })) })) reload(); };
  const rename = async () => {
    const title = textInput({ value: board.title });
    if (await formDialog({ title: "Rename", action: "Save", body: field("Title", title), submit: () => save((now) => ({ title: title.value.trim() || now.title })) })) reload();
  };
  const remove = () => confirmDialog({ title: "Delete this dashboard?", text: `“${board.title}” will be gone for everybody.`, submit: () => api.delete(here.slice(1)) }).then((gone) => { if (gone) { done("The dashboard is gone."); navigate("/dashboards"); } });
  const tool = (label, name, click, disabled) => h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click }, disabled }, icon(name));
  const grid = h("div", { class: "panels" }, panels.map((panel, at) => h("section", { class: `card panel w${panel.width ?? 1}`, "aria-label": panel.title },
    h("div", { class: "head" }, h("h2", {}, panel.title), editing ? h("span", { class: "row" }, tool(`Move ${panel.title} forward`, "up", move(at, -1), at === 0), tool(`Edit ${panel.title}`, "edit", () => edit(at)), tool(`Remove ${panel.title}`, "trash", () => drop(at))) : null),
    h("div", { class: "body" }, panelBody(panel, { signal })))));
  return h("div", {},
    pageHead({ title: board.title || params.id, crumbs: [["Dashboards", "/dashboards"]], actions: [
      button("Copy link", { icon: "link", click: () => copyText(location.origin + here, "The link was copied.") }),
      ...(editing ? [button("Rename", { icon: "edit", click: rename }), button("Delete", { kind: "danger", icon: "trash", click: remove }), button("Add a panel", { icon: "plus", "data-new": true, click: () => edit(panels.length) }), button("Done", { kind: "primary", click: () => navigate(here) })]
        : [button("Edit", { icon: "edit", click: () => navigate(`${here}?edit=1`) }), button("Add a panel", { kind: "primary", icon: "plus", "data-new": true, click: () => edit(panels.length) })])] }),
    panels.length ? grid : emptyState("Nothing on it yet", "Add a panel: a SELECT, and how it is drawn.", button("Add a panel", { kind: "primary", icon: "plus", click: () => edit(0) })));
}
