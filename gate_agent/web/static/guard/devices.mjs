// Every device of the gate: the whole gate's and each lane's, what needs somebody first, with its history on demand.

import { age, element, fill, glyph, keyed, setGlyph, setText } from "./dom.mjs";
import { current, secondsSince, ui } from "./gate.mjs";

const at = (id) => document.getElementById(id);
const RANK = { fault: 0, absent: 1, starting: 2, ready: 3 };
const histories = new Map(); // device -> { changes, of: change_count, failed } of those that are unfolded
let onlyAttention = false;
let known = null; // devices that needed attention when the page was last drawn

const rank = (device) => (device.attention && device.state === "ready" ? 1.5 : RANK[device.state]);
const worst = (group) => Math.min(...group.devices.map(rank));

function groupsOf(state) {
  const groups = [
    { key: "gate", title: ui.whole_gate, devices: state.devices },
    ...state.lanes.map((lane) => ({ key: `lane-${lane.lane_id}`, title: `${lane.name} · ${lane.direction_text}`, devices: lane.devices })),
  ];
  return groups
    .map((group) => ({ ...group, devices: group.devices.filter((device) => !onlyAttention || device.attention).toSorted((one, other) => rank(one) - rank(other)) }))
    .filter((group) => group.devices.length > 0)
    .toSorted((one, other) => Number(worst(one) >= 2) - Number(worst(other) >= 2));
}

// A device that two lanes share counts once.
export function attentionOf(state) {
  const all = new Map([...state.devices, ...state.lanes.flatMap((lane) => lane.devices)].map((device) => [device.name, device]));
  return { all: all.size, attention: [...all.values()].filter((device) => device.attention) };
}

// Returns the words for the news when a device began to need attention since the page was drawn last.
export function deviceNews(state) {
  const { attention } = attentionOf(state);
  const fresh = known === null ? undefined : attention.find((device) => !known.has(device.name));
  known = new Set(attention.map((device) => device.name));
  return fresh === undefined ? "" : fill(ui.device_news, { device: `${fresh.class_text} ${fresh.name}, ${fresh.state_text}` });
}

export function renderDevices(state, shown) {
  const { all, attention } = attentionOf(state);
  const count = at("devices-count");
  setText(count, attention.length > 0 ? String(attention.length) : "0");
  count.classList.toggle("some", attention.length > 0);
  at("show-devices").setAttribute("aria-expanded", String(shown));
  at("devices-open").hidden = !shown;
  if (!shown) return;
  setText(at("devices-every"), fill(ui.devices_every, { count: all }));
  setText(at("devices-attention"), fill(ui.devices_attention, { count: attention.length }));
  at("devices-every").setAttribute("aria-pressed", String(!onlyAttention));
  at("devices-attention").setAttribute("aria-pressed", String(onlyAttention));
  const groups = groupsOf(state);
  keyed(at("devices-groups"), groups, (group) => group.key, createGroup, updateGroup);
  at("devices-well").hidden = groups.length > 0;
}

function createGroup(group) {
  const title = element("h3", { id: `devices-${group.key}` });
  const list = element("ul", { "aria-labelledby": title.id });
  const node = element("section", { class: "device-group", "aria-labelledby": title.id }, title, list);
  node.parts = { title, list };
  return node;
}

function updateGroup(node, group) {
  setText(node.parts.title, group.title);
  keyed(node.parts.list, group.devices, (device) => device.name, () => createDevice(group.key), updateDevice);
}

function createDevice(groupKey) {
  const node = element("li", { class: "device" });
  const parts = {
    glyph: glyph("ready"),
    state: element("strong"),
    since: element("span", { class: "number soft" }),
    what: element("span"),
    name: element("span", { class: "soft" }),
    event: element("span"),
    eventAt: element("time", { class: "number soft" }),
    figures: element("p", { class: "device-figures soft" }),
    remedy: element("p", { class: "device-remedy" }),
    last: element("p", { class: "device-last soft" }),
    history: element("ol", { class: "device-history" }),
    fold: element("button", { type: "button", class: "quiet", text: ui.device_history, "aria-expanded": "false", onclick: () => unfold(node) }),
  };
  node.append(
    element("p", { class: "device-what" }, parts.glyph, element("span", {}, parts.what, " ", parts.name)),
    element("p", { class: "device-state" }, parts.state, parts.since),
    element("p", { class: "device-event" }, parts.event, parts.eventAt),
    parts.fold,
    parts.figures,
    parts.remedy,
    parts.last,
    parts.history,
  );
  node.parts = parts;
  node.groupKey = groupKey;
  return node;
}

function updateDevice(node, device) {
  const { parts } = node;
  node.device = device;
  node.className = `device ${device.attention ? "attention" : ""}`;
  setGlyph(parts.glyph, device.attention && device.state === "ready" ? "fault" : device.state);
  setText(parts.what, device.class_text);
  setText(parts.name, device.name);
  setText(parts.state, device.state_text);
  setText(parts.since, age(secondsSince(device.since)));
  setText(parts.event, device.event === null ? ui.device_no_event : device.event.text);
  parts.eventAt.hidden = device.event === null;
  if (device.event !== null) setTime(parts.eventAt, device.event.at);
  parts.figures.hidden = device.figures === "";
  setText(parts.figures, device.figures);
  parts.remedy.hidden = device.remedy === "";
  setText(parts.remedy, device.remedy);
  parts.last.hidden = device.last_fault === null;
  if (device.last_fault !== null) setText(parts.last, `${fill(ui.device_last_fault, { code: device.last_fault.code, time: moment(device.last_fault.at) })} ${device.last_fault.remedy}`);
  parts.fold.setAttribute("aria-label", fill(ui.device_history_of, { device: `${device.class_text} ${device.name}` }));
  drawHistory(node);
}

// The time of day by the gate's clock; the day as well where it is another one.
function moment(time) {
  const [day, clock] = [time.slice(0, 10), new Date(time).toISOString().slice(11, 19)];
  return day === (current()?.now ?? "").slice(0, 10) ? clock : `${day} ${clock}`;
}

function setTime(node, time) {
  if (node.dateTime !== time) node.dateTime = time;
  setText(node, moment(time));
}

function unfold(node) {
  const { name } = node.device;
  if (histories.has(name)) histories.delete(name);
  else histories.set(name, { changes: null, of: -1, failed: false });
  drawHistory(node);
}

function drawHistory(node) {
  const { parts, device } = node;
  const kept = histories.get(device.name);
  parts.fold.setAttribute("aria-expanded", String(kept !== undefined));
  parts.history.hidden = kept === undefined;
  if (kept === undefined) return;
  if (kept.of !== device.change_count) {
    kept.of = device.change_count; // asked for once; a change meanwhile asks again
    ask(node, kept, device.change_count);
  }
  const lines = kept.failed ? [{ text: ui.device_history_gone }] : (kept.changes ?? []);
  const shown = kept.changes !== null && lines.length === 0 ? [{ text: ui.device_history_empty }] : lines;
  if (node.drawn === shown) return;
  node.drawn = shown;
  parts.history.replaceChildren(
    ...shown.map((one) =>
      element(
        "li",
        {},
        one.at === undefined ? null : element("time", { class: "number", datetime: one.at, text: moment(one.at) }),
        one.state === undefined ? null : glyph(one.state),
        element("span", { text: one.text }),
        one.remedy ? element("span", { class: "soft", text: one.remedy }) : null,
      ),
    ),
  );
}

async function ask(node, kept, of) {
  let changes = null;
  try {
    const answer = await fetch(`/guard/devices/${encodeURIComponent(node.device.name)}/history`, { headers: { Accept: "application/json" } });
    if (answer.ok) changes = await answer.json();
  } catch {
    changes = null; // the gate is away; the page says so, and asks again with the next change
  }
  if (kept.of !== of) return;
  kept.failed = changes === null;
  kept.changes = changes ?? kept.changes;
  if (histories.get(node.device.name) === kept) drawHistory(node);
}

export function tickDevices() {
  for (const node of document.querySelectorAll("#devices-groups .device")) setText(node.parts.since, age(secondsSince(node.device.since)));
}

export function wireDevices({ toggle, redraw }) {
  at("show-devices").addEventListener("click", toggle);
  at("devices-close").addEventListener("click", toggle);
  for (const [id, only] of [["devices-every", false], ["devices-attention", true]]) {
    at(id).addEventListener("click", () => {
      onlyAttention = only;
      redraw();
    });
  }
}
