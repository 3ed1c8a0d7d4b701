// An address without a page.
import { emptyState } from "../ui/states.js";
import { linkButton, pageHead } from "../ui/page.js";
import { h } from "../dom.js";

export default function missing() {
  return h("div", {}, pageHead({ title: "There is no such page" }),
    emptyState("The address leads nowhere", "Perhaps it was cut when it was copied. The navigation has every page; / searches by name.", linkButton("To the overview", "/overview", { kind: "primary" })));
}
