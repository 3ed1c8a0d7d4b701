// One connector: state, tasks with their traces, controls, configuration, offsets, dead letters.
import { api, path } from "../api.js";
import { fill, h } from "../dom.js";
import { poll } from "../live.js";
import { navigate } from "../router.js";
import { confirmDialog } from "../ui/dialog.js";
import { button, codeBlock, pageHead, tabs } from "../ui/page.js";
import { emptyState, goneNote, note, region, stateBadge } from "../ui/states.js";
import { act, done } from "../ui/toast.js";
import { connectorForm } from "./connector-form.js";
import { overall, pageOf, shortClass } from "./connectors.js";
import deadLettersTab from "./dead-letters.js";

function taskCard(name, task, refresh) {
  const restart = button("Restart", { small: true, icon: "refresh", "aria-label": `Restart task ${task.id}`, click: () => act(restart, () => api.post(path`connect/connectors/${name}/tasks/${task.id}/restart`), `Task ${task.id} restarts.`).then(refresh) });
  return h("section", { class: "card", "aria-label": `Task ${task.id}` },
    h("div", { class: "head" }, h("h2", {}, `Task ${task.id}`), stateBadge(task.state), h("span", { class: "muted small" }, task.worker_id), restart),
    task.trace ? h("div", { class: "body" }, codeBlock(task.trace, { label: `Trace of task ${task.id}`, wrap: true })) : null);
}

/** Whether there is no such connector any more; one that moves between workers has no state for a while. */
const isGone = (name, signal) => api.get(path`connect/connectors/${name}`, { signal }).then(() => false, (error) => error.status === 404);

function statusTab(name, first, { signal }) {
  const host = h("div", { class: "stack" });
  let seen = "";
  const show = (status) => {
    const text = JSON.stringify(status);
    if (text === seen) return;
    seen = text;
    fill(host, status.connector.trace ? h("section", { class: "card", "aria-label": "Trace of the connector" }, h("div", { class: "head" }, h("h2", {}, "The connector failed")), h("div", { class: "body" }, codeBlock(status.connector.trace, { label: "Trace of the connector", wrap: true }))) : null,
      status.tasks.length ? status.tasks.map((task) => taskCard(name, task, refresh)) : emptyState("No tasks", status.connector.state === "STOPPED" ? "The connector is stopped. Resume it to get tasks." : "Tasks are made a moment after the connector starts."));
  };
  const refresh = async () => show(await api.get(path`connect/connectors/${name}/status`, { signal }));
  show(first);
  poll(refresh, 2000, signal, () => isGone(name, signal));
  return host;
}

/** `state()` is the connector's now; `reload` of the answer shows the offsets for it. */
function offsetsTab(name, state, { signal, reload }) {
  return region(async () => {
    const answer = await api.get(path`connect/connectors/${name}/offsets`, { signal });
    const offsets = answer.offsets.filter(({ offset }) => offset !== null);  // null: it was reset
    const stopped = state() === "STOPPED";
    const text = h("textarea", { rows: 14, spellcheck: "false", value: JSON.stringify({ offsets }, null, 2), readonly: !stopped, "aria-label": "Offsets as JSON" });
    const save = button("Save offsets", { kind: "primary", disabled: !stopped, click: () => act(save, async () => {
      let body;
      try { body = JSON.parse(text.value); } catch (error) { throw new Error(`the offsets are not JSON: ${error.message}`); }
      const saved = await api.patch(path`connect/connectors/${name}/offsets`, body);
      done(saved?.message ?? "The offsets were saved.");
      return true;
    }).then((isSaved) => { if (isSaved) reload(); }) });
    const reset = button("Reset all", { kind: "danger", disabled: !stopped, click: () => confirmDialog({
      title: "Reset the offsets?", action: "Reset", text: "The connector will begin as if it were new.", submit: () => api.delete(path`connect/connectors/${name}/offsets`),
    }).then((gone) => { if (gone) { done("The offsets were reset."); reload(); } }) });
    return h("div", { class: "stack" }, stopped ? null : note("info", "Offsets can be changed while the connector is stopped."),
      offsets.length ? text : emptyState("No offsets yet", "The connector has not committed how far it came. Sources do so about once a minute."), h("div", { class: "row" }, offsets.length ? [save, reset] : null));
  }, { signal });
}

export default async function connector(visit) {
  const { params, signal, reload } = visit;
  const name = params.name;
  const tab = params.tab ?? "status";
  const [info, first, topics] = await Promise.all([
    api.get(path`connect/connectors/${name}`, { signal }),
    api.get(path`connect/connectors/${name}/status`, { signal }).catch((error) => (error.status === 404 ? { connector: { state: "UNASSIGNED" }, tasks: [] } : Promise.reject(error))),
    api.get(path`connect/connectors/${name}/topics`, { signal }).then((answer) => answer[name]?.topics ?? [], () => []),
  ]);
  const config = info.config;
  const deadLetters = config["errors.deadletterqueue.topic.name"];
  const badge = h("span", {}, stateBadge(overall(first)));
  const controls = h("span", { class: "row" });
  let stateNow = first.connector.state;
  let content = null;
  const call = (method, action, text) => async (event) => {
    const pressed = event.currentTarget;
    await act(pressed, () => api[method](path`connect/connectors/${name}/` + action), text);
    await refresh().catch((error) => { if (!signal.aborted) throw error; });  // the page may have been left meanwhile
  };
  const show = (status) => {
    fill(badge, stateBadge(overall(status)));
    const state = status.connector.state;
    const turned = (state === "STOPPED") !== (stateNow === "STOPPED");
    stateNow = state;
    // What is being written stays: the offsets are shown anew only when they become free to change, or no longer are.
    if (turned && tab === "offsets") content?.reload();
    if (controls.dataset.state === state) return;
    controls.dataset.state = state;
    fill(controls, state === "RUNNING" || state === "FAILED" || state === "UNASSIGNED" ? [button("Restart", { icon: "refresh", click: call("post", "restart?includeTasks=true", "The connector restarts with its tasks.") }), button("Pause", { icon: "pause", click: call("put", "pause", "The connector pauses.") })] : null,
      state === "PAUSED" || state === "STOPPED" ? button("Resume", { icon: "play", kind: "primary", click: call("put", "resume", "The connector resumes.") }) : null,
      state !== "STOPPED" ? button("Stop", { icon: "stop", click: call("put", "stop", "The connector stops.") }) : null);
  };
  const refresh = async () => show(await api.get(path`connect/connectors/${name}/status`, { signal }));
  show(first);
  const word = h("div", { role: "status" });
  poll(refresh, 2000, signal, async () => {
    if (!await isGone(name, signal)) return false;
    controls.replaceChildren();
    fill(badge, stateBadge("gone"));
    fill(word, goneNote(name, "All connectors", "/connectors"));
    return true;
  });
  const remove = () => confirmDialog({ title: "Delete this connector?", text: `"${name}" stops for good. Its topics and offsets stay.`, submit: () => api.delete(path`connect/connectors/${name}`) })
    .then((gone) => { if (gone) { done(`Connector "${name}" is gone.`); navigate("/connectors"); } });
  if (tab === "config") {
    content = h("div", { class: "card body" }, await connectorForm({ plugin: config["connector.class"], config, fixedName: name, action: "Save", signal, submit: async (_, next) => {
      await api.put(path`connect/connectors/${name}/config`, next);
      done("The configuration was saved; the connector restarts with it.");
      navigate(pageOf(name));
    } }));
  } else if (tab === "offsets") content = offsetsTab(name, () => stateNow, visit);
  else if (tab === "dead-letters") content = deadLettersTab(visit, name, deadLetters);
  else content = statusTab(name, first, visit);
  const link = (id, label) => [label, id === "status" ? pageOf(name) : path`/connectors/${name}/` + id, tab === id];
  return h("div", {},
    pageHead({ title: name, badge, crumbs: [["Connectors", "/connectors"]], lead: `${shortClass(config["connector.class"])}, a ${info.type}`, actions: [controls, button("Delete", { kind: "danger", icon: "trash", click: remove })] }),
    word, topics.length ? h("p", { class: "row small" }, h("span", { class: "muted" }, "Topics:"), topics.map((topic) => h("a", { href: path`/topics/${topic}` }, topic))) : null,
    h("div", { class: "section" }, tabs("Parts of the connector", [link("status", "Tasks"), link("config", "Configuration"), link("offsets", "Offsets"), ...(info.type === "sink" ? [link("dead-letters", "Dead letters")] : [])]), content));
}

