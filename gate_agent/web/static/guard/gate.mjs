// What this page knows of the gate: the newest state, the gate's clock, and whether the gate is still heard.

const STALE_AFTER_MS = 4200; // the agent gives a sign of life every 2 s; two missed ones are shown as lost (limit 5 s)

export const page = JSON.parse(document.getElementById("page").textContent);
export const ui = page.ui;

let state = null;
let offsetMs = 0; // gate clock minus this machine's clock
let heardAt = performance.now();
let stale = false;
const followers = [];

export function follow(onState, onStale) {
  followers.push({ onState, onStale });
}

export function current() {
  return state;
}

export function gateNow() {
  return Date.now() + offsetMs;
}

export function secondsSince(time) {
  return (gateNow() - Date.parse(time)) / 1000;
}

export function isStale() {
  return stale;
}

export function silentSeconds() {
  return (performance.now() - heardAt) / 1000;
}

function heard() {
  heardAt = performance.now();
  if (stale) setStale(false);
}

function setStale(value) {
  stale = value;
  for (const follower of followers) follower.onStale(value);
}

function setClock(now) {
  offsetMs = Date.parse(now) - Date.now();
}

function take(text) {
  heard();
  state = JSON.parse(text);
  setClock(state.now);
  for (const follower of followers) follower.onState(state);
}

function open() {
  const source = new EventSource("/guard/events");
  source.onmessage = (event) => take(event.data);
  source.addEventListener("beat", (event) => {
    heard();
    setClock(JSON.parse(event.data).now);
  });
  source.addEventListener("locked", () => {
    source.close();
    location.assign("/guard/login?note=locked");
  });
  source.onerror = () => {
    // A refused stream (server restarted, session gone) is not opened again by the browser; ask what happened.
    if (source.readyState !== EventSource.CLOSED) return;
    source.close();
    setTimeout(async () => {
      try {
        const answer = await fetch("/guard/state", { headers: { Accept: "application/json" } });
        if (answer.status === 401) location.assign("/guard/login?note=locked");
        else open();
      } catch {
        open();
      }
    }, 1000);
  };
}

export function start() {
  open();
  setInterval(() => {
    if (!stale && performance.now() - heardAt > STALE_AFTER_MS) setStale(true);
  }, 200);
}

export async function post(path, content) {
  try {
    const answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": page.csrf },
      body: JSON.stringify(content),
    });
    if (answer.status === 401) location.assign("/guard/login?note=locked");
    const body = answer.status === 204 ? {} : await answer.json();
    return { ok: answer.ok, body };
  } catch {
    return { ok: false, body: { code: "gate_unreachable" } };
  }
}

let lastActivity = 0;
for (const kind of ["keydown", "pointerdown"]) {
  addEventListener(kind, () => {
    if (performance.now() - lastActivity < 60000) return;
    lastActivity = performance.now();
    post("/guard/activity", {});
  }, { passive: true });
}
