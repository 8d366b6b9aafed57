// One tile per lane: state and its age, who is inside, the devices that are not well, the corridor.

import { groupMarks, showGroupMarks } from "./checks.mjs";
import { age, element, fill, glyph, keyed, setGlyph, setText } from "./dom.mjs";
import { page, secondsSince, ui } from "./gate.mjs";

const LOOKS = { referred: "attention", not_passed: "attention", faulted: "trouble", suspended: "paused" };
const GLYPHS = { idle: "starting", referred: "hand", not_passed: "hand", faulted: "fault", suspended: "aborted", passed: "successful" };

export function renderLanes(list, lanes, watched, open, watch, act) {
  keyed(list, lanes, (lane) => lane.lane_id, () => create(open, watch, act), (node, lane) => update(node, lane, watched));
}

export function tickLanes(list) {
  for (const node of list.children) setText(node.parts.age, age(secondsSince(node.lane.since)));
}

function create(open, watch, act) {
  const node = element("li", { class: "lane" });
  const parts = {
    name: element("strong"),
    arrow: glyph("entry"),
    direction: element("span"),
    stateGlyph: glyph("ready"),
    state: element("span"),
    age: element("span", { class: "age number" }),
    person: glyph("person"),
    count: element("span", { class: "count-only number", "aria-hidden": "true" }),
    occupancy: element("span", { class: "count-words" }),
    corridor: corridorMark(),
    marks: groupMarks(),
    intercom: element("p", { class: "lane-row lane-intercom", hidden: true }),
    deviceGlyph: glyph("ready"),
    devices: element("span"),
    open: element("button", { type: "button", class: "small lane-act", text: ui.open, onclick: () => open(node.lane.referral) }),
    watch: element("button", { type: "button", class: "quiet lane-act", text: ui.watch, onclick: () => watch(node.lane.lane_id) }),
    act: element("button", { type: "button", class: "quiet lane-act", onclick: () => act(node.lane.action, { lane_id: node.lane.lane_id }) }),
    lockdown: element("button", { type: "button", class: "quiet lane-act lane-lockdown", onclick: () => act(node.lane.lockdown_action, { lane_id: node.lane.lane_id }) }),
  };
  parts.deviceRow = element("p", { class: "lane-row lane-devices" }, parts.deviceGlyph, parts.devices);
  node.append(
    element(
      "div",
      { class: "lane-body" },
      element("p", { class: "lane-head" }, parts.name, parts.age),
      element("p", { class: "lane-state" }, parts.stateGlyph, parts.state),
      element("p", { class: "lane-row lane-where" }, element("span", {}, parts.arrow, parts.direction), element("span", {}, parts.person, parts.count, parts.occupancy)),
      element("div", { class: "lane-corridor" }, parts.corridor, parts.marks),
      parts.intercom,
      parts.deviceRow,
      element("div", { class: "lane-acts" }, parts.open, parts.watch, parts.act, parts.lockdown),
    ),
  );
  node.parts = parts;
  return node;
}

function update(node, lane, watched) {
  const { parts } = node;
  node.lane = lane;
  setText(parts.name, lane.name);
  setGlyph(parts.arrow, lane.direction);
  setText(parts.direction, lane.direction_text);
  setGlyph(parts.stateGlyph, lane.lockdown ? "locked" : lane.fallback ? "by-hand" : (GLYPHS[lane.state] ?? "ready"));
  setText(parts.state, lane.state_text);
  setText(parts.age, age(secondsSince(lane.since)));
  parts.person.classList.toggle("nobody", lane.occupancy === 0);
  setText(parts.count, String(lane.occupancy));
  setText(parts.occupancy, lane.occupancy_text);
  parts.intercom.hidden = lane.intercom === "";
  setText(parts.intercom, lane.intercom_text);
  showCorridor(parts.corridor, lane.corridor);
  showGroupMarks(parts.marks, lane.corridor === null ? lane.inspection : null);
  parts.watch.hidden = lane.inspection === null;
  parts.watch.setAttribute("aria-pressed", String(lane.lane_id === watched));
  parts.watch.setAttribute("aria-label", `${ui.watch}: ${lane.name}`);
  const unwell = lane.devices.filter((device) => device.state !== "ready");
  // A lane that is suspended because a device is gone is trouble; one that a person suspended is merely paused.
  const isBroken = lane.state === "suspended" && unwell.some((device) => device.state !== "starting");
  node.className = `lane ${lane.lockdown ? "locked" : lane.fallback ? "by-hand" : isBroken ? "trouble" : (LOOKS[lane.state] ?? "")}`;
  const worst = unwell.find((device) => device.state === "fault") ?? unwell.find((device) => device.state === "absent") ?? unwell[0];
  setGlyph(parts.deviceGlyph, worst === undefined ? "ready" : worst.state);
  setText(parts.devices, worst === undefined ? ui.devices_ready : `${worst.class_text}: ${worst.state_text}${unwell.length > 1 ? ` +${unwell.length - 1}` : ""}`);
  parts.deviceRow.classList.toggle("bad", worst !== undefined && worst.state !== "starting");
  parts.deviceRow.title = unwell.map((device) => `${device.name}: ${device.state_text} ${device.remedy}`).join("\n");
  parts.open.hidden = lane.referral === null;
  parts.open.setAttribute("aria-label", `${ui.open}: ${lane.name}`);
  showAct(parts.act, lane, lane.referral !== null || lane.inspection !== null ? null : lane.action);
  showAct(parts.lockdown, lane, lane.lockdown_action);
}

function showAct(button, lane, action) {
  button.hidden = action === null;
  if (action === null) return;
  setText(button, page.choices[action].text);
  button.setAttribute("aria-label", fill(page.choices[action].title, { lane: lane.lane_id }));
}

export function corridorMark() {
  return element("span", { class: "corridor", hidden: true }, glyph("green"), element("b"), element("span"));
}

export function showCorridor(node, corridor) {
  node.hidden = corridor === null;
  if (corridor === null) return;
  node.className = `corridor ${corridor.code}`;
  setGlyph(node.firstElementChild, corridor.code);
  setText(node.children[1], corridor.letter);
  setText(node.children[2], corridor.text);
}
