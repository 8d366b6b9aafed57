// Checks in groups, each with its five-valued mark; and the inspection that runs in a lane, as its results come in.

import { element, glyph, keyed, setText } from "./dom.mjs";

const GLYPHS = { pending: "starting", held_back: "absent" };
const symbol = (outcome) => GLYPHS[outcome] ?? outcome;
const panel = document.getElementById("inspection-open");
let parts = null;

function mark() {
  return element("span", { class: "outcome" }, glyph("successful"), element("b"), element("span"));
}

function showMark(node, { outcome, letter, outcome_text: text }) {
  if (node.dataset.outcome !== outcome) {
    node.dataset.outcome = outcome;
    node.className = `outcome ${outcome}`;
    node.querySelector("use").setAttribute("href", `#g-${symbol(outcome)}`);
  }
  setText(node.children[1], letter);
  setText(node.children[2], text);
}

export function checkGroups(heading) {
  return element("div", { class: "groups", "data-heading": heading });
}

export function renderGroups(node, groups) {
  keyed(node, groups, (group) => group.group, () => createGroup(node.dataset.heading), updateGroup);
}

function createGroup(heading) {
  const node = element("section", { class: "group" });
  const head = element(heading, { class: "group-name" });
  node.parts = { head, mark: mark(), checks: element("ul", { class: "checks" }), note: element("p", { class: "soft" }) };
  node.append(element("div", { class: "group-head" }, head, node.parts.mark), node.parts.note, node.parts.checks);
  return node;
}

function updateGroup(node, group) {
  setText(node.parts.head, group.group_text);
  showMark(node.parts.mark, group);
  setText(node.parts.note, group.note);
  node.parts.checks.setAttribute("aria-label", group.group_text);
  node.parts.checks.hidden = group.checks.length === 0;
  keyed(node.parts.checks, group.checks, (check) => check.key, createCheck, updateCheck);
}

function createCheck() {
  const node = element("li");
  node.parts = { name: element("span", { class: "check-name" }), mark: mark(), why: element("p", { class: "why" }) };
  node.append(node.parts.name, node.parts.mark, node.parts.why);
  return node;
}

function updateCheck(node, check) {
  setText(node.parts.name, check.check_text);
  showMark(node.parts.mark, check);
  setText(node.parts.why, [...check.reasons, ...check.compared].join("\n"));
  node.title = check.duration_text;
}

// The small marks of a lane's tile: one a group, words for those who do not see them.
export function groupMarks() {
  return element("ul", { class: "group-marks", hidden: true });
}

export function showGroupMarks(node, inspection) {
  node.hidden = inspection === null;
  if (inspection === null) return;
  keyed(node, inspection.groups, (group) => group.group, () => element("li", {}, glyph("starting"), element("span", { class: "visually-hidden" })), (item, group) => {
    const text = `${group.group_text}: ${group.outcome_text}`;
    if (item.title !== text) item.title = text;
    item.className = `outcome ${group.outcome}`;
    item.querySelector("use").setAttribute("href", `#g-${symbol(group.outcome)}`);
    setText(item.lastElementChild, text);
  });
}

export function renderInspection(lane) {
  panel.hidden = lane === null;
  if (lane === null) return;
  if (parts === null) {
    parts = { chip: element("p", { class: "chip-line", role: "status" }), gaps: element("p", { class: "soft gaps" }), groups: checkGroups("h3") };
    panel.append(parts.chip, parts.gaps, parts.groups);
  }
  setText(parts.chip, lane.inspection.chip);
  setText(parts.gaps, lane.inspection.gaps);
  renderGroups(parts.groups, lane.inspection.groups);
}
