// Buttons in customs tasks that unlock a seal; the gate says for which task and seal there may be one.

import { element, fill } from "./dom.mjs";
import { page } from "./gate.mjs";

export function renderUnlocks(list, unlockable, act) {
  for (const node of list.children) {
    const seals = unlockable[node.dataset.key] ?? [];
    const shown = [...node.querySelectorAll("button.unlock")];
    if (shown.map((button) => button.dataset.seal).join(" ") === seals.join(" ")) continue;
    for (const button of shown) button.remove();
    for (const seal of seals) {
      node.append(element("button", {
        type: "button",
        class: "small unlock",
        "data-seal": seal,
        text: fill(page.choices.unlock_seal.title, { seal }),
        onclick: () => act("unlock_seal", { lane_id: node.item.lane_id, seal_id: seal }, node.item.declaration),
      }));
    }
  }
}
