// Stays that somebody has to look at: an end is missing, or the last day is over. An officer adds the day or says that the record is of nobody.

import { element, glyph, keyed, setText } from "./dom.mjs";
import { page } from "./gate.mjs";

export function renderOrphans(list, orphans, act) {
  keyed(
    list,
    orphans,
    (orphan) => orphan.stay_id,
    () => {
      const node = element("li", { class: "task" });
      const parts = { kind: element("strong"), days: element("p", { class: "number" }), last: element("p", { class: "soft" }), where: element("p", { class: "token" }) };
      parts.act = element("button", {
        type: "button",
        class: "small",
        text: page.choices.correct_stay.text,
        onclick: () => act("correct_stay", { lane_id: 0, subject_id: node.item.stay_id, stay_correction: node.item.adds }, `${node.item.kind_text}: ${node.item.days}`),
      });
      node.append(element("p", { class: "first" }, glyph("person"), parts.kind), parts.days, parts.last, parts.where, parts.act);
      node.parts = parts;
      return node;
    },
    (node, orphan) => {
      node.item = orphan;
      setText(node.parts.kind, orphan.kind_text);
      setText(node.parts.days, orphan.days);
      setText(node.parts.last, orphan.last_day);
      node.parts.last.hidden = orphan.last_day === "";
      setText(node.parts.where, orphan.where);
      node.parts.act.hidden = orphan.adds === "";
      node.parts.act.setAttribute("aria-label", `${page.choices.correct_stay.text}: ${orphan.kind_text}, ${orphan.days}`);
    },
  );
}
