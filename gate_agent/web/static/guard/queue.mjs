// The lists beside the referral: who waits (oldest first), alarms, customs tasks, and how the last transactions ended.

import { age, element, glyph, keyed, setGlyph, setText } from "./dom.mjs";
import { page, secondsSince } from "./gate.mjs";
import { corridorMark, showCorridor } from "./lanes.mjs";

const XRAY = { clear: "successful", alarm: "failed", undetermined: "undetermined" };
const ENDED = { released: "successful", referred: "hand", handed_over: "hand", abandoned: "exit", faulted: "fault", suspended: "aborted" };

export function renderQueue(list, referrals, opened, open) {
  keyed(
    list,
    referrals,
    (referral) => referral.transaction_id,
    () => {
      const node = element("li");
      node.parts = {
        lane: element("strong"),
        age: element("span", { class: "age number" }),
        what: element("span", { class: "what" }),
        inside: element("span"),
      };
      node.button = element(
        "button",
        { type: "button", class: "waiting", onclick: () => open(node.item.transaction_id) },
        node.parts.lane,
        node.parts.age,
        node.parts.what,
        element("span", { class: "inside" }, glyph("person"), node.parts.inside),
      );
      node.append(node.button);
      return node;
    },
    (node, referral) => {
      node.item = referral;
      setText(node.parts.lane, `${referral.lane} · ${referral.direction_text}`);
      setText(node.parts.what, referral.summary);
      setText(node.parts.inside, referral.inside_text);
      node.button.setAttribute("aria-current", String(referral.transaction_id === opened));
      tick(node);
    },
  );
}

export function renderAlarms(list, alarms, act) {
  keyed(
    list,
    alarms,
    (alarm) => alarm.alarm_id,
    () => {
      const node = element("li");
      const parts = {
        lane: element("strong"),
        priority: element("span"),
        age: element("span", { class: "age number" }),
        text: element("p"),
        done: element("p", { class: "done" }),
      };
      parts.act = element("button", {
        type: "button",
        class: "small",
        text: page.choices.acknowledge_alarm.text,
        onclick: () => act(node.item),
      });
      node.append(element("p", { class: "first" }, glyph("fault"), parts.lane, parts.priority, parts.age), parts.text, parts.done, parts.act);
      node.parts = parts;
      return node;
    },
    (node, alarm) => {
      node.item = alarm;
      node.className = `alarm ${alarm.priority} ${alarm.acknowledged ? "" : "open"}`;
      setText(node.parts.lane, alarm.lane);
      setText(node.parts.priority, alarm.priority_text);
      setText(node.parts.text, alarm.text);
      setText(node.parts.done, alarm.acknowledged);
      node.parts.act.hidden = alarm.action === null;
      node.parts.act.setAttribute("aria-label", `${page.choices.acknowledge_alarm.text}: ${alarm.lane}, ${alarm.text}`);
      tick(node);
    },
  );
}

export function renderTasks(list, tasks) {
  keyed(
    list,
    tasks,
    (task) => task.task_id,
    (task) => {
      const node = element("li", { class: "task" });
      const parts = {
        lane: element("strong"),
        age: element("span", { class: "age number" }),
        why: element("p"),
        token: element("p", { class: "token" }),
      };
      node.append(element("p", { class: "first" }, glyph(task.corridor), parts.lane, parts.age), parts.why, parts.token);
      node.parts = parts;
      return node;
    },
    (node, task) => {
      node.item = task;
      setText(node.parts.lane, task.lane);
      setText(node.parts.why, task.reasons.join(" · "));
      setText(node.parts.token, task.declaration);
      tick(node);
    },
  );
}

export function renderXray(list, results) {
  list.hidden = results.length === 0;
  keyed(
    list,
    results,
    (item) => item.scan_id,
    () => {
      const node = element("li");
      node.parts = { glyph: glyph("ready"), text: element("strong"), at: element("time", { class: "number soft" }), more: element("span", { class: "soft" }) };
      node.append(node.parts.glyph, node.parts.text, node.parts.at, node.parts.more);
      return node;
    },
    (node, item) => {
      node.className = item.decision === "alarm" ? "xray of-alarm" : "xray";
      setGlyph(node.parts.glyph, XRAY[item.decision] ?? "ready");
      setText(node.parts.text, item.text);
      setText(node.parts.at, new Date(item.at).toISOString().slice(11, 19));
      setText(node.parts.more, [item.link_text, item.file_text].filter(Boolean).join(" · "));
    },
  );
}

export function renderRecent(list, ended) {
  keyed(
    list,
    ended,
    (one) => one.transaction_id,
    (one) => {
      const corridor = corridorMark();
      showCorridor(corridor, one.corridor);
      const cell = (text, name = "") => element("td", { class: name, text });
      return element(
        "tr",
        { class: one.outcome },
        element("td", { class: "number" }, element("time", { datetime: one.at, text: new Date(one.at).toISOString().slice(11, 19) })),
        cell(String(one.lane_id), "number"),
        element("td", { class: "how" }, glyph(ENDED[one.outcome]), element("span", { text: one.outcome_text })),
        cell(one.decided_by_text),
        element("td", {}, corridor),
        element("td", { class: "why", title: one.reasons.join(" · ") }, element("span", { text: one.reasons.join(" · ") })),
        cell(one.seconds.toFixed(1), "number n"),
      );
    },
    () => {}, // what has ended does not change
  );
}

function tick(node) {
  setText(node.parts.age, age(secondsSince(node.item.since)));
}

export function tickList(list) {
  for (const node of list.children) tick(node);
}
