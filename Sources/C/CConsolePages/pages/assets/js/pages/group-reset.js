// Moving a group's offsets: first the plan, then the change.
import { api, path } from "../api.js";
import { add, fill, h, uid } from "../dom.js";
import { count } from "../format.js";
import { dialog } from "../ui/dialog.js";
import { checkbox, field, select, textInput } from "../ui/form.js";
import { button } from "../ui/page.js";
import { describe, note } from "../ui/states.js";
import { plainTable } from "../ui/table.js";
import { act, done } from "../ui/toast.js";

export function resetDialog(id, data) {
  return new Promise((resolve) => {
    let moved = false;
    const topics = [...new Set((data.offsets ?? []).map((row) => row.topic))].sort();
    const chosen = new Set(topics);
    const kind = select([["earliest", "the beginning: read all again"], ["latest", "the end: skip what is there"], ["time", "a point in time"], ["offset", "an offset"], ["shift", "relative to now"]], "earliest");
    const time = h("input", { type: "datetime-local", step: 1, value: new Date(Date.now() - new Date().getTimezoneOffset() * 60000 - 3600000).toISOString().slice(0, 19) });
    const amount = h("input", { type: "number", value: "0" });
    const timeField = field("Time", time);
    const amountField = field("Offset", amount, { hint: "For “relative”: −100 goes back a hundred records in each partition." });
    // A group may begin with a topic of which it has no offsets.
    const known = h("datalist", { id: uid("topics") });
    const other = textInput({ list: known.id });
    api.get("topics").then((all) => add(known, all.filter((topic) => !topic.internal && !topics.includes(topic.name)).map(({ name }) => h("option", { value: name }))), () => {});  // then names are typed
    const planHost = h("div", { role: "status" });
    const apply = button("Move offsets", { kind: "primary", disabled: true, click: async () => {
      const answer = await act(apply, () => ask(false));
      if (answer) { moved = true; done("The offsets were moved."); view.close(); }
    } });
    const target = () => ({ time: `time:${new Date(time.value).getTime()}`, offset: `offset:${amount.value || 0}`, shift: `shift:${amount.value || 0}` })[kind.value] ?? kind.value;
    const named = () => [...chosen, ...(other.value.trim() ? [other.value.trim()] : [])];
    const ask = (dry) => api.post(path`groups/${id}/reset`, { topics: chosen.size === topics.length && !other.value.trim() ? null : named(), to: target(), dry_run: dry });
    async function plan() {
      apply.disabled = true;
      if (!named().length) { fill(planHost, note("warn", topics.length ? "Choose at least one topic." : "The group has no offsets yet: name a topic.")); return; }
      try {
        const answer = await ask(true);
        // Why an offset is not the one that was asked for.
        const notes = answer.plan.some((row) => row.note);
        fill(planHost, h("h2", {}, "Plan"), plainTable("Plan", ["Topic", "Partition", "From", "To", "Change", ...(notes ? ["Note"] : [])],
          answer.plan.map(({ topic, partition, from, to, note: why }) => [topic, partition, count(from), count(to), Number.isFinite(from) ? `${to - from > 0 ? "+" : ""}${count(to - from)}` : "new", ...(notes ? [why] : [])]), { ends: [1, 2, 3, 4] }));
        apply.disabled = answer.plan.length === 0;
      } catch (error) {
        fill(planHost, note("error", describe(error)));
      }
    }
    /** A plan that is no longer what would be done goes. */
    const stale = () => { apply.disabled = true; planHost.replaceChildren(); };
    const reveal = () => { timeField.hidden = kind.value !== "time"; amountField.hidden = !["offset", "shift"].includes(kind.value); stale(); };
    kind.addEventListener("change", reveal);
    for (const input of [time, amount, other]) input.addEventListener("input", stale);
    reveal();
    const view = dialog({
      title: `Move offsets of ${id}`, wide: true, onClose: () => resolve(moved),
      body: [
        data.members?.length ? note("warn", "The group has members. Stop them first: offsets can only be moved while nobody reads.") : null,
        h("div", { class: "fields" }, field("Move to", kind), timeField, amountField),
        topics.length > 1 ? h("fieldset", {}, h("legend", { class: "label" }, "Topics"), h("div", { class: "row" }, topics.map((name) => checkbox(name, true, (on) => { if (on) chosen.add(name); else chosen.delete(name); stale(); })))) : null,
        field(topics.length ? "Another topic" : "Topic", other, { hint: topics.length ? "One that the group has no offsets of yet; empty for none." : "All of its partitions get an offset." }), known,
        planHost,
      ],
      buttons: [button("Cancel", { click: () => view.close() }), button("Show the plan", { click: plan }), apply],
    });
  });
}
