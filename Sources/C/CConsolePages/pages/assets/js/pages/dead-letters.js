// Records that a sink could not deliver: why, and once the reason is gone, back to where they came from.
import { api, path } from "../api.js";
import { fill, h } from "../dom.js";
import { count, plural } from "../format.js";
import { field } from "../ui/form.js";
import { messageItem } from "../ui/message.js";
import { button, codeBlock, facts } from "../ui/page.js";
import { emptyState, note, region } from "../ui/states.js";
import { act, done } from "../ui/toast.js";

export default function deadLetters({ signal }, name, topic) {
  if (!topic) return emptyState("This connector keeps no dead letters", "Set errors.tolerance=all and errors.deadletterqueue.topic.name in its configuration, and errors.deadletterqueue.context.headers.enable=true to keep the reasons.");
  const chosen = new Map();
  const bar = h("div", { class: "row" });
  const host = region(async () => {
    chosen.clear();
    const answer = await api.get(`dead-letters?topic=${encodeURIComponent(topic)}&limit=200`, { signal });
    const messages = Array.isArray(answer) ? answer : answer.messages ?? [];
    if (!messages.length) { bar.replaceChildren(); return emptyState("No dead letters", "Everything was delivered so far."); }
    const send = button("Send back", { kind: "primary", icon: "send", disabled: true, click: () => act(send, async () => {
      const result = await api.post("dead-letters/redrive", { topic, messages: [...chosen.values()].map(({ message, edit }) => ({ partition: message.partition, offset: message.offset, ...(edit() !== null ? { value: { ...message.value, text: edit(), json: undefined } } : {}) })) });
      done(`${plural(result.written, "record")} went back to ${Array.isArray(result.to) ? result.to.join(", ") : result.to}.`);
      host.reload();
    }) });
    const boxes = [];
    const mark = () => { send.disabled = chosen.size === 0; send.lastChild.textContent = chosen.size ? `Send ${plural(chosen.size, "record")} back` : "Send back"; };
    const all = h("input", { type: "checkbox", on: { change: () => boxes.forEach((box) => { if (box.dataset.sent) return; box.checked = all.checked; box.dispatchEvent(new Event("change")); }) } });
    const shown = messages.filter((message) => !message.sent_again).length;
    const more = answer.waiting > shown ? h("span", { class: "muted" }, `the oldest ${count(shown)} of ${count(answer.waiting)} that wait; the next come when these are sent`) : null;
    fill(bar, h("label", { class: "check" }, all, messages.length > shown ? "All that wait" : "All"), send, h("span", { class: "muted" }, "of ", h("a", { href: path`/topics/${topic}` }, topic)), more);
    const items = messages.map((message) => {
      const reason = message.reason ?? {};
      let edit = () => null;
      const box = h("input", { type: "checkbox", "aria-label": `Choose the record at ${message.partition}·${message.offset}`, on: { change: () => { if (box.checked) chosen.set(`${message.partition} ${message.offset}`, { message, edit: () => edit() }); else chosen.delete(`${message.partition} ${message.offset}`); mark(); } } });
      if (message.sent_again) box.dataset.sent = "true";
      boxes.push(box);
      const item = messageItem(message, { topic, extra: () => {
        const text = h("textarea", { rows: 5, spellcheck: "false", value: message.value?.text ?? "" });
        // Where the text area has turned line ends into its own, nothing was repaired.
        const untouched = text.value;
        edit = () => (text.value === untouched ? null : text.value);
        // What is seen only in part, or is no text, goes back as it is.
        const repair = message.value?.cut ? h("p", { class: "muted" }, "This value is too long to be repaired here; it goes back as it is.")
          : (message.value?.format ?? "null") === "null" ? null : field(`Repair the value before it goes back${message.value.format === "bytes" ? ", in hexadecimal" : ""}`, text);
        return h("div", { class: "stack-s" }, facts([["Stage", reason.stage ?? "–"], ["Came from", reason.topic ? `${reason.topic}, partition ${reason.partition}, offset ${reason.offset}` : "–"], ["Task", reason.task ?? "–"], ["Error", reason.class ?? reason.exception ?? "–"]]),
          reason.stack_trace ? codeBlock(reason.stack_trace, { label: "Stack trace", wrap: true }) : null, repair);
      } });
      item.prepend(h("div", { class: "row dead-reason" }, box, h("span", { class: "badge bad" }, reason.stage ?? "failed"), h("span", { class: "break small" }, reason.message ?? reason.class ?? "no reason was kept"),
        message.sent_again ? h("span", { class: "badge" }, "was sent again") : null));
      return item;
    });
    return h("ul", { class: "messages", "aria-label": "Dead letters" }, items);
  }, { signal });
  return h("div", { class: "stack-s" }, note("info", `Records that ${name} could not deliver. Mend the reason, then send them back to their topic.`), bar, host);
}
