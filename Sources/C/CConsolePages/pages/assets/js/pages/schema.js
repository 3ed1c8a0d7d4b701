// One subject: its versions, two of them side by side, a new one, settings.
import { api, path } from "../api.js";
import { fill, h } from "../dom.js";
import { navigate, setQuery } from "../router.js";
import { sideBySide } from "../ui/diff.js";
import { confirmDialog } from "../ui/dialog.js";
import { field, select } from "../ui/form.js";
import { colourJson, prettyJson } from "../ui/json.js";
import { button, codeBlock, facts, pageHead, tabs } from "../ui/page.js";
import { emptyState, region } from "../ui/states.js";
import { act, done } from "../ui/toast.js";
import { registerForm } from "./schema-register.js";

const levels = ["BACKWARD", "BACKWARD_TRANSITIVE", "FORWARD", "FORWARD_TRANSITIVE", "FULL", "FULL_TRANSITIVE", "NONE"];
const kinds = { AVRO: "Avro", PROTOBUF: "Protobuf", JSON: "JSON Schema" };
const readable = (version) => prettyJson(version.schema) ?? version.schema;

/** The documentation of an Avro schema's fields: [[name, type, doc]]; empty for others. */
function fieldsOf(version) {
  if ((version.schemaType ?? "AVRO") !== "AVRO") return [];
  try {
    const schema = JSON.parse(version.schema);
    return (schema.fields ?? []).map(({ name, type, doc }) => [name, typeof type === "string" ? type : Array.isArray(type) ? type.map((part) => part.type ?? part).join(" or ") : type.logicalType ?? type.type ?? "", doc ?? ""]);
  } catch { return []; }
}

async function versionsTab({ query, signal }, subject, versions, load) {
  const last = versions[versions.length - 1];
  const chosen = versions.includes(Number(query.get("version"))) ? Number(query.get("version")) : last;
  const before = versions[versions.indexOf(chosen) - 1];
  const asked = query.get("compare");
  const compare = asked === "none" ? "" : versions.includes(Number(asked)) ? asked : before ? String(before) : "";
  const host = h("div");
  const right = select(versions.map((version) => [String(version), `version ${version}${version === last ? " (newest)" : ""}`]).reverse(), String(chosen));
  const left = select([["", "nothing"], ...versions.map((version) => [String(version), `version ${version}`]).reverse()], compare);
  async function show() {
    setQuery({ version: Number(right.value) === last ? null : right.value, compare: left.value === "" ? "none" : left.value === String(before ?? "") ? null : left.value });
    const compared = left.value && left.value !== right.value;
    const [now, old] = await Promise.all([load(Number(right.value), signal), compared ? load(Number(left.value), signal) : null]);
    const documented = fieldsOf(now);
    const head = facts([["Type", kinds[now.schemaType ?? "AVRO"] ?? now.schemaType], ["Id", String(now.id)], now.references?.length ? ["Refers to", now.references.map((entry) => `${entry.name} (${entry.subject}, version ${entry.version})`).join("; ")] : null]);
    let body;
    if (compared) {
      body = sideBySide({ title: `Version ${old.version}`, text: readable(old) }, { title: `Version ${now.version}`, text: readable(now) });
    } else {
      const text = readable(now);
      body = codeBlock((now.schemaType ?? "AVRO") === "PROTOBUF" ? text : colourJson(text), { text, label: `Schema, version ${now.version}` });
    }
    fill(host, h("div", { class: "stack" }, head, body, documented.some(([, , doc]) => doc) ? h("section", { class: "card" }, h("div", { class: "head" }, h("h2", {}, "Fields")),
      h("div", { class: "body" }, facts(documented.map(([name, type, doc]) => [h("code", {}, name), [type, doc ? h("div", { class: "muted" }, doc) : null]])))) : null));
  }
  right.addEventListener("change", show);
  left.addEventListener("change", show);
  await show();
  return h("div", { class: "stack" }, h("div", { class: "filters" }, field("Version", right), field("Compare with", left)), host);
}

function settingsTab({ signal, reload }, subject) {
  return region(async () => {
    const { own, general } = await api.get(path`subjects/${subject}/compatibility`, { signal });
    const level = select([["", `as everywhere (${general})`], ...levels.map((name) => [name, name])], own ?? "");
    const save = button("Save", { kind: "primary", click: async () => {
      const saved = await act(save, async () => {
        if (level.value) await api.put(path`registry/config/${subject}`, { compatibility: level.value }); else if (own) await api.delete(path`registry/config/${subject}`);
        return true;
      }, "The compatibility level was saved.");
      if (saved) reload();
    } });
    return h("div", { class: "card body stack" }, field("Compatibility", level, { hint: "BACKWARD: new readers understand old records. FORWARD: old readers understand new records. FULL: both. TRANSITIVE: with all versions, not the newest only." }), h("div", { class: "row" }, save));
  }, { signal });
}

export default async function schema(visit) {
  const { params, signal, query } = visit;
  const subject = params.subject;
  const tab = params.tab ?? "versions";
  const known = new Map();  // a version never changes
  const load = async (version, abort) => {
    const found = known.get(version) ?? await api.get(path`registry/subjects/${subject}/versions/${version}`, { signal: abort });
    known.set(found.version, found);
    return found;
  };
  let versions;
  let latest;
  try {
    [versions, latest] = await Promise.all([api.get(path`registry/subjects/${subject}/versions`, { signal }), load("latest", signal)]);
  } catch (error) {
    if (error.code !== 40401 || !/subject/i.test(error.message)) throw error;
    const removed = await api.get(path`registry/subjects/${subject}/versions` + "?deleted=true", { signal }).catch(() => []);
    return h("div", {}, pageHead({ title: subject, crumbs: [["Schemas", "/schemas"]] }), removed.length
      ? emptyState("This subject is deleted", "Its schemas can still be found by their ids. A new registration brings the subject back.",
        button("Delete for good", { kind: "danger", icon: "trash", click: () => confirmDialog({ title: "Delete for good?", type: subject, text: "Records written with these schemas can no longer be read.", submit: () => api.delete(path`registry/subjects/${subject}` + "?permanent=true") }).then((gone) => { if (gone) navigate("/schemas"); }) }))
      : h("div", { class: "stack" }, emptyState("There is no such subject yet", "Register its first schema below."), h("div", { class: "card body" }, registerForm({ subject, done: visit.reload }))));
  }
  const remove = () => confirmDialog({
    title: "Delete this subject?", type: subject, text: "All versions are marked as deleted. Records that were written with them can still be read.", submit: () => api.delete(path`registry/subjects/${subject}`),
  }).then((gone) => { if (gone) { done(`Subject "${subject}" was deleted.`); navigate("/schemas"); } });
  const topic = subject.match(/^(.+)-(key|value)$/)?.[1];
  const content = tab === "register" ? h("div", { class: "card body" }, registerForm({ subject, latest, done: () => navigate(path`/schemas/${subject}`) }))
    : tab === "settings" ? settingsTab(visit, subject) : await versionsTab({ query, signal }, subject, versions, load);
  return h("div", {},
    pageHead({ title: subject, crumbs: [["Schemas", "/schemas"]], badge: h("span", { class: "badge" }, `${kinds[latest.schemaType ?? "AVRO"] ?? latest.schemaType}, ${versions.length === 1 ? "1 version" : `${versions.length} versions`}`),
      lead: topic ? ["Of topic ", h("a", { href: path`/topics/${topic}` }, topic)] : null, actions: [button("Delete", { kind: "danger", icon: "trash", click: remove })] }),
    tabs("Parts of the subject", [["Versions", path`/schemas/${subject}`, tab === "versions", versions.length], ["New version", path`/schemas/${subject}/register`, tab === "register"], ["Settings", path`/schemas/${subject}/settings`, tab === "settings"]]),
    content);
}
