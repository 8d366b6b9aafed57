// The guard console: puts the newest state on the page, and turns keys and clicks into posts.

import { renderInspection } from "./checks.mjs";
import { age, fill, setGlyph, setText } from "./dom.mjs";
import { askAction, dialogOpen, send, showShortcuts } from "./dialogs.mjs";
import { orderFallback, renderFallback } from "./fallback.mjs";
import { current, follow, gateNow, isStale, page, secondsSince, silentSeconds, start, ui } from "./gate.mjs";
import { deviceNews, renderDevices, tickDevices, wireDevices } from "./devices.mjs";
import { renderLanes, tickLanes } from "./lanes.mjs";
import { renderAlarms, renderQueue, renderRecent, renderTasks, renderXray, tickList } from "./queue.mjs";
import { renderRates } from "./rates.mjs";
import { assess, renderReferral, target, zoomPictures } from "./referral.mjs";
import { mutedUntilText, wireHeader } from "./header.mjs";
import { toggleMute, tone } from "./sound.mjs";
import { renderOrphans } from "./stays.mjs";

const at = (id) => document.getElementById(id);
const lists = { lanes: at("lanes"), queue: at("queue"), alarms: at("alarms"), tasks: at("tasks") };
const SHORTCUTS_KEY = "egate-shortcuts";
let opened = null;
let watched = null; // the lane whose running inspection is on the page
let devicesShown = false; // instead of the referral's column
let known = null; // ids of referrals and alarms already announced

function openedReferral() {
  return current()?.referrals.find((referral) => referral.transaction_id === opened) ?? null;
}

function watchedLane() {
  return opened === null ? (current()?.lanes.find((lane) => lane.lane_id === watched && lane.inspection !== null) ?? null) : null;
}

function watch(laneId) {
  watched = watched === laneId ? null : laneId;
  opened = null;
  devicesShown = false;
  render(current());
  if (watched !== null) at("referral-title").focus();
}

function watchNext() {
  const lanes = (current()?.lanes ?? []).filter((lane) => lane.inspection !== null).map((lane) => lane.lane_id);
  const next = lanes.find((laneId) => laneId > (watched ?? 0)) ?? lanes[0];
  if (next !== undefined && next !== watched) watch(next);
}

// A traveller whose inspection was followed: the guard who is called for him sees that referral at once.
function followToReferral(state) {
  const lane = state.lanes.find((one) => one.lane_id === watched);
  if (watched === null || lane?.inspection) return;
  const hadFocus = at("referral").contains(document.activeElement);
  if (opened === null && lane?.referral) opened = lane.referral;
  else if (opened === null) setText(at("news"), ui.inspection_gone);
  watched = null;
  if (hadFocus) at("referral-title").focus();
}

function open(transactionId) {
  opened = transactionId;
  watched = null;
  devicesShown = false;
  render(current());
  at("referral-title").focus();
}

function toggleDevices() {
  devicesShown = !devicesShown;
  render(current());
  at(devicesShown ? "devices-title" : "show-devices").focus();
}

function acknowledge(alarm) {
  send("acknowledge_alarm", { lane_id: alarm.lane_id, subject_id: alarm.alarm_id }, { reason_code: "seen_and_acting" });
}

function count(id, number) {
  const node = at(id);
  setText(node, String(number));
  node.classList.toggle("some", number > 0);
}

function render(state) {
  if (state === null) return;
  if (opened !== null && openedReferral() === null) {
    const hadFocus = at("referral").contains(document.activeElement);
    opened = null;
    setText(at("news"), ui.referral_gone);
    if (hadFocus) lists.queue.focus();
  }
  followToReferral(state);
  setText(at("gate"), state.gate);
  setText(at("versions"), state.versions);
  const lane = watchedLane();
  renderLanes(lists.lanes, state.lanes, watched, open, watch, askAction);
  renderQueue(lists.queue, state.referrals, opened, open);
  renderAlarms(lists.alarms, state.alarms, acknowledge);
  renderTasks(lists.tasks, state.tasks);
  renderOrphans(at("orphans"), state.orphans, askAction);
  at("orphans-title").hidden = state.orphans.length === 0;
  count("orphans-count", state.orphans.length);
  renderXray(at("xray"), state.xray);
  at("xray-title").hidden = state.xray.length === 0;
  renderPower(state.power);
  renderFallback(state.fallback, askAction);
  renderRecent(at("recent"), state.recent);
  renderRates(state.rates);
  at("referral").hidden = devicesShown;
  renderDevices(state, devicesShown);
  renderReferral(openedReferral(), lane !== null, askAction);
  renderInspection(lane);
  if (lane !== null) setText(at("referral-title"), `${ui.inspection} · ${lane.name} · ${lane.direction_text}`);
  count("queue-count", state.referrals.length);
  count("alarms-count", state.alarms.filter((alarm) => !alarm.acknowledged).length);
  count("tasks-count", state.tasks.length);
  at("queue-empty").hidden = state.referrals.length > 0;
  at("alarms-empty").hidden = state.alarms.length > 0;
  at("tasks-empty").hidden = state.tasks.length > 0;
  at("recent-table").hidden = state.recent.length === 0;
  at("recent-empty").hidden = state.recent.length > 0;
  at("referral-hint").hidden = state.referrals.length === 0;
  renderLink(state.link);
  announce(state);
  tick();
}

const clockText = (time) => new Date(time).toISOString().slice(11, 16);

function renderLink(link) {
  const lastAck = fill(ui.last_ack, { time: link.last_ack === null ? ui.never : clockText(link.last_ack) });
  setGlyph(at("link-state").firstElementChild, link.online ? "ready" : "fault");
  setText(at("link-state").lastElementChild, link.online ? `${ui.online} · ${lastAck}` : fill(ui.offline, { time: clockText(link.since) }));
  at("offline").hidden = link.online;
  setText(at("offline-since"), fill(ui.offline, { time: `${clockText(link.since)} UTC` }));
  setText(at("offline-backlog"), `${fill(ui.backlog, { count: link.backlog, age: age(link.oldest_age_s) })} · ${lastAck}`);
}

function renderPower(power) {
  at("power").hidden = power === null;
  if (power === null) return;
  at("power").classList.toggle("urgent", power.urgent);
  setText(at("power-text"), power.text);
  setText(at("power-what"), power.what);
}

function announce(state) {
  const now = new Set([...state.referrals.map((one) => one.transaction_id), ...state.alarms.map((one) => one.alarm_id)]);
  if (known !== null) {
    const referral = state.referrals.find((one) => !known.has(one.transaction_id));
    const alarm = state.alarms.find((one) => !known.has(one.alarm_id));
    if (referral !== undefined) setText(at("news"), fill(ui.new_referral, { lane: referral.lane_id }));
    if (alarm !== undefined) setText(at("news"), `${ui.new_alarm}: ${alarm.lane}, ${alarm.text}`);
    if (referral !== undefined || alarm !== undefined) tone(alarm?.priority === "high");
  }
  known = now;
  const device = deviceNews(state);
  if (device !== "") setText(at("news"), device);
}

function tick() {
  if (current() !== null) {
    setText(at("clock"), new Date(gateNow()).toISOString().slice(11, 19));
    tickLanes(lists.lanes);
    tickDevices();
    for (const name of ["queue", "alarms", "tasks"]) tickList(lists[name]);
  }
  if (isStale()) setText(at("stale-since"), fill(ui.stale_since, { seconds: Math.floor(silentSeconds()) }));
  setText(at("mute"), mutedUntilText());
}

function showStale(stale) {
  at("stale").hidden = !stale;
  for (const part of document.querySelectorAll("body > header, body > main")) part.inert = stale;
  if (stale) tone(true);
  tick();
}

function step(direction) {
  const buttons = [...lists.queue.querySelectorAll("button")];
  if (buttons.length === 0) return;
  const place = buttons.indexOf(document.activeElement);
  const next = place < 0 ? (direction > 0 ? 0 : buttons.length - 1) : Math.max(0, Math.min(buttons.length - 1, place + direction));
  buttons[next].focus();
}

function decide(action) {
  const referral = openedReferral();
  if (referral === null || !referral.revealed || !referral.actions.includes(action)) return;
  askAction(action, target(referral, action));
}

// The lane whose traveller is on the page; else the only one that this officer may lock down, or the choice among them.
function lockdown() {
  const lanes = (current()?.lanes ?? []).filter((lane) => lane.lockdown_action !== null);
  const shown = openedReferral()?.lane_id ?? watchedLane()?.lane_id;
  const lane = lanes.find((one) => one.lane_id === shown) ?? (lanes.length === 1 ? lanes[0] : undefined);
  if (lane !== undefined) askAction(lane.lockdown_action, { lane_id: lane.lane_id });
  else nextLockdown();
}

function nextLockdown() {
  const buttons = [...lists.lanes.querySelectorAll(".lane-lockdown:not([hidden])")];
  if (buttons.length > 0) buttons[(buttons.indexOf(document.activeElement) + 1) % buttons.length].focus();
}

const SHORTCUTS = [
  { keys: ["?"], label: "?", name: "help", run: () => showKeys() },
  { keys: ["j"], label: "J", name: "next", run: () => step(1) },
  { keys: ["k"], label: "K", name: "previous", run: () => step(-1) },
  { keys: [], label: "Enter", name: "open", run: () => {} }, // the focused button's own key
  { keys: ["d"], label: "D", name: "devices", run: toggleDevices },
  { keys: ["w"], label: "W", name: "watch", run: watchNext },
  { keys: ["1"], label: "1", name: "same", run: () => assess(openedReferral(), "same") },
  { keys: ["2"], label: "2", name: "different", run: () => assess(openedReferral(), "different") },
  { keys: ["3"], label: "3", name: "unsure", run: () => assess(openedReferral(), "unsure") },
  { keys: ["r"], label: "R", name: "release", run: () => decide("release") },
  { keys: ["h"], label: "H", name: "hand_over", run: () => decide("hand_over") },
  { keys: ["c"], label: "C", name: "correct_reading", run: () => decide("correct_reading") },
  { keys: ["z"], label: "Z", name: "zoom", run: zoomPictures },
  { keys: ["a"], label: "A", name: "acknowledge", run: () => { const alarm = current()?.alarms.find((one) => one.action !== null); if (alarm) acknowledge(alarm); } },
  { keys: ["x"], label: "X", name: "lockdown", run: lockdown },
  { keys: ["f"], label: "F", name: "fallback", run: () => orderFallback(current()?.fallback, askAction) },
  { keys: ["m"], label: "M", name: "mute", run: () => { toggleMute(); tick(); } },
  { keys: ["l"], label: "L", name: "lock", run: () => at("lock").click() },
  { keys: ["Escape"], label: "Esc", name: "escape", run: () => { if (devicesShown) toggleDevices(); else if (opened !== null) { opened = null; render(current()); step(1); } else if (watched !== null) { watched = null; render(current()); } } },
];

function enabled() {
  return localStorage.getItem(SHORTCUTS_KEY) !== "off";
}

function showKeys() {
  showShortcuts(
    SHORTCUTS.map(({ label, name }) => ({ label, text: page.shortcut[name] })),
    enabled(),
    (on) => localStorage.setItem(SHORTCUTS_KEY, on ? "on" : "off"),
  );
}

function typing(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}

// A letter key means the same under a Cyrillic layout: where it gives no Latin letter, its place on the keyboard counts.
function pressed(event) {
  const isForeign = event.key.length === 1 && event.key.charCodeAt(0) > 127;
  return isForeign && event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || typing(event.target) || dialogOpen() || isStale()) return;
  const shortcut = SHORTCUTS.find(({ keys }) => keys.includes(pressed(event)));
  if (shortcut === undefined || (!enabled() && event.key !== "Escape")) return;
  event.preventDefault();
  shortcut.run();
});

wireHeader({ showKeys, toggleMute: () => { toggleMute(); tick(); } });
wireDevices({ toggle: toggleDevices, redraw: () => render(current()) });
follow(render, showStale);
setInterval(tick, 1000);
start();
