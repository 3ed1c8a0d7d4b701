// The configuration of a topic, with where each value comes from.
import { api, path } from "../api.js";
import { h } from "../dom.js";
import { setQuery } from "../router.js";
import { formDialog } from "../ui/dialog.js";
import { checkbox, field, searchInput, textInput } from "../ui/form.js";
import { button } from "../ui/page.js";
import { emptyState } from "../ui/states.js";
import { table } from "../ui/table.js";
import { act, done } from "../ui/toast.js";

export default function config({ query, reload }, topic) {
  let filter = query.get("filter") ?? "";
  let changed = false;
  const edit = async (row) => {
    const value = textInput({ value: row.value ?? "" });
    const saved = await formDialog({
      title: row.name, action: "Save",
      body: [row.documentation ? h("p", {}, row.documentation) : null, field("Value", value, { hint: row.default_value === undefined || row.default_value === null ? undefined : `Default: ${row.default_value === "" ? "empty" : row.default_value}` })],
      submit: () => api.patch(path`topics/${topic.name}/configs`, { set: { [row.name]: value.value }, delete: [] }).then(() => true),
    });
    if (saved) { done(`${row.name} was changed.`); reload(); }
  };
  const reset = (row) => async (event) => {
    const answer = await act(event.currentTarget, () => api.patch(path`topics/${topic.name}/configs`, { set: {}, delete: [row.name] }).then(() => true), `${row.name} has its default again.`);
    if (answer) reload();
  };
  const list = table({
    label: "Configuration", key: (row) => row.name, sort: { id: "name", down: false },
    empty: () => emptyState("No such option", "Change the filter, or show all options."),
    columns: [
      { id: "name", title: "Option", value: (row) => row.name, cell: (row) => h("code", { title: row.documentation ?? "" }, row.name) },
      { id: "value", title: "Value", value: (row) => row.value, cell: (row) => h("span", { class: "mono" }, row.sensitive ? "hidden" : row.value === "" || row.value === null ? "–" : row.value) },
      { id: "source", title: "From", low: true, value: (row) => row.source, cell: (row) => h("span", { class: `badge ${row.source === "topic" ? "accent" : ""}` }, row.source) },
      { id: "actions", title: "", sortable: false, end: true, value: (row) => row.name + row.source, cell: (row) => (row.read_only ? h("span", { class: "muted small" }, "read only")
        : h("span", { class: "row end" }, row.source === "topic" ? button("Default", { small: true, click: reset(row), "aria-label": `Reset ${row.name} to its default` }) : null,
          button("Edit", { small: true, icon: "edit", click: () => edit(row), "aria-label": `Edit ${row.name}` }))) },
    ],
  });
  const show = () => list.update(topic.configs.filter((row) => row.name.includes(filter.toLowerCase()) && (!changed || row.source === "topic")));
  show();
  return h("div", {}, h("div", { class: "filters" },
    h("div", { class: "field wide" }, searchInput("Filter options", filter, (value) => { filter = value; setQuery({ filter }); show(); })),
    checkbox("Only what this topic sets", changed, (value) => { changed = value; show(); })), list);
}
