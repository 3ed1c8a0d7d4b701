// One topic: its messages, live tail, producing, partitions, configuration, who reads it.
import { api, path } from "../api.js";
import { fill, h } from "../dom.js";
import { bytes, count, rate } from "../format.js";
import { poll, watchRates } from "../live.js";
import { navigate } from "../router.js";
import { confirmDialog } from "../ui/dialog.js";
import { button, pageHead, stat, tabs } from "../ui/page.js";
import { emptyState, goneNote } from "../ui/states.js";
import { done } from "../ui/toast.js";
import missing from "./missing.js";
import config from "./topic-config.js";
import groups from "./topic-groups.js";
import live from "./topic-live.js";
import messages from "./topic-messages.js";
import partitions from "./topic-partitions.js";
import produce from "./topic-produce.js";

const parts = { messages, live, produce, partitions, config, groups };

export default async function topic(visit) {
  const { params, signal } = visit;
  const name = params.name;
  const tab = params.tab ?? "messages";
  if (!Object.hasOwn(parts, tab)) return missing();
  const data = await api.get(path`topics/${name}`, { signal });
  const amount = data.partitions.reduce((sum, part) => sum + (part.end_offset - part.start_offset), 0);
  const sizes = data.partitions.map((part) => part.log_bytes).filter((size) => size !== null && size !== undefined);
  const compacted = data.configs?.some((row) => row.name === "cleanup.policy" && row.value?.includes("compact"));
  const rateText = h("span", {}, "–");
  const ends = h("span", {}, count(amount));
  const starts = data.partitions.reduce((sum, part) => sum + part.start_offset, 0);
  watchRates((now) => {
    const mine = now.topics?.[name];
    if (!mine) return;
    rateText.textContent = rate(mine.rate);
    // The last sample may be older than what this page was told.
    if (Number.isFinite(mine.end) && mine.end >= starts + amount) ends.textContent = count(mine.end - starts);
  }, { topics: [name], signal });
  const word = h("div", { role: "status" });
  poll(() => api.get(path`topics/${name}`, { signal }), 5000, signal, () => fill(word, goneNote(name, "All topics", "/topics")));
  const remove = () => confirmDialog({
    title: "Delete this topic?", type: name, text: `All ${count(amount)} records of "${name}" will be gone, and programs that use it will fail.`,
    submit: () => api.delete(path`topics/${name}`),
  }).then((gone) => { if (gone) { done(`Topic "${name}" is gone.`); navigate("/topics"); } });
  const link = (id, label, number) => [label, id === "messages" ? path`/topics/${name}` : path`/topics/${name}/` + id, tab === id, number];
  const content = await parts[tab](visit, data);
  return h("div", {},
    pageHead({
      title: name, crumbs: [["Topics", "/topics"]], badge: data.internal ? h("span", { class: "badge" }, "internal") : null,
      actions: [button("Delete", { kind: "danger", icon: "trash", click: remove })],
    }),
    word, h("div", { class: "stats" }, stat("Messages", ends, compacted ? "by offsets; compaction keeps fewer" : "by offsets; ends of transactions count, too"), stat("Rate", rateText), stat("Size", sizes.length ? bytes(sizes.reduce((a, b) => a + b, 0)) : "–"),
      stat("Partitions", count(data.partitions.length)), stat("Groups", count(data.groups?.length ?? 0))),
    h("div", { class: "section" },
      tabs("Parts of the topic", [link("messages", "Messages"), link("live", "Live tail"), link("produce", "Produce"), link("partitions", "Partitions", data.partitions.length),
        link("groups", "Consumer groups", data.groups?.length ?? 0), link("config", "Configuration")]),
      content ?? emptyState("Nothing here", "This part of the topic is empty.")));
}
