// New records as they are written; when more come than eyes can follow, a sample of them.
import { events, path, queryOf } from "../api.js";
import { debounce, h } from "../dom.js";
import { count, rate } from "../format.js";
import { textInput, searchInput } from "../ui/form.js";
import { messageItem } from "../ui/message.js";
import { button } from "../ui/page.js";
import { describe, emptyState, note } from "../ui/states.js";

const KEPT = 200;

export default function live({ signal }, topic) {
  const list = h("ul", { class: "messages", "aria-label": "New messages, newest first" });
  const figures = h("span", { class: "num", role: "status" }, "Connecting…");
  const holder = h("div", {}, emptyState("Waiting for new messages", "Whatever is written to the topic from now on appears here."));
  const problem = h("div", { role: "status" });
  let running = true;
  let queue = [];
  let shown = 0;
  let missed = 0;
  let stream = null;
  let frame = 0;

  function draw() {
    frame = 0;
    const batch = queue;
    queue = [];
    if (!batch.length) return;
    if (list.parentElement !== holder) holder.replaceChildren(list);
    list.prepend(...batch.reverse().map((message) => messageItem(message, { topic: topic.name, mark: text.value })));
    while (list.children.length > KEPT) list.lastChild.remove();
  }
  function connect() {
    stream?.close();
    problem.replaceChildren();
    const filters = queryOf({ text: text.value, key: key.value, path: condition.value });
    stream = events(path`topics/${topic.name}/tail` + filters, {
      messages: ({ messages }) => {
        shown += messages.length;
        if (!running) { missed += messages.length; return; }
        queue.push(...messages.slice(-KEPT));
        if (!frame) frame = requestAnimationFrame(draw);
      },
      rate: (data) => {
        const sampled = data.sampled_out ? `, a sample is shown (${count(data.sampled_out)} left out)` : "";
        figures.textContent = `${rate(data.per_second)}${sampled}${running ? "" : `, paused (${count(missed)} passed by)`}`;
      },
    }, { signal, state: (state) => {
        figures.textContent = state === "off" ? "Reconnecting…" : shown ? "" : "Connected, nothing new yet";
        if (state === "on") problem.replaceChildren();
      },
      refused: (error) => { figures.textContent = "Not connected"; problem.replaceChildren(note("error", describe(error))); } });
  }
  const again = debounce(connect, 350);
  const text = searchInput("Only messages with this text", "", again);
  const key = textInput({ "aria-label": "Only this key", placeholder: "Only this key", on: { input: again } });
  const condition = textInput({ "aria-label": "Only with this JSON path", placeholder: "Only with JSON path $.a.b", on: { input: again } });
  const pause = button("Pause", { icon: "pause", "aria-pressed": "false", click: () => {
    running = !running;
    missed = 0;
    pause.setAttribute("aria-pressed", String(!running));
    pause.lastChild.textContent = running ? "Pause" : "Go on";
  } });
  connect();
  return h("div", {}, h("div", { class: "filters" }, h("div", { class: "field wide" }, text), h("div", { class: "field" }, key), h("div", { class: "field wide" }, condition)),
    h("div", { class: "tail-bar" }, pause, button("Clear", { click: () => list.replaceChildren() }), figures), problem, holder);
}
