// Keeps the queue fresh and counts ages; nothing else of the page needs it. The page's own forms are never touched.

import { age, setText } from "../guard/dom.mjs";

const body = document.body;
const queue = document.getElementById("stops");
const stale = document.getElementById("stale");
const aheadMs = Date.parse(body.dataset.now) - Date.now(); // the gate's clock against this one
const SILENT_MS = 5000;
let heardMs = Date.now();

function tick() {
  for (const node of document.querySelectorAll("time[data-since]")) {
    setText(node, age((Date.now() + aheadMs - Date.parse(node.dataset.since)) / 1000));
  }
  stale.hidden = Date.now() - heardMs < SILENT_MS;
}

async function renew() {
  const answer = await fetch(`/desk/queue?stop=${encodeURIComponent(body.dataset.stop)}`, { credentials: "same-origin" });
  if (answer.status === 401) window.location.assign("/guard/login?note=locked");
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  const focused = document.activeElement?.id;
  const top = queue.scrollTop;
  queue.replaceChildren(...fresh.body.children);
  queue.scrollTop = top;
  if (focused?.startsWith("q-")) (document.getElementById(focused) ?? queue).focus();
  tick();
}

const source = new EventSource("/desk/changes");
const heard = () => { heardMs = Date.now(); };
source.addEventListener("open", heard);
source.addEventListener("beat", heard);
source.addEventListener("queue", () => { // the first one counts, too: somebody may have come since this page was made
  heard();
  renew().catch(() => {});
});
source.addEventListener("locked", () => {
  source.close();
  window.location.assign("/guard/login?note=locked");
});
window.addEventListener("pagehide", () => source.close());
for (const kind of ["keydown", "pointerdown"]) {
  let toldMs = 0;
  window.addEventListener(kind, () => {
    if (Date.now() - toldMs < 30000) return;
    toldMs = Date.now();
    const csrf = document.querySelector("input[name=csrf]").value;
    fetch("/guard/activity", { method: "POST", headers: { "X-CSRF-Token": csrf } }).catch(() => {});
  }, { passive: true });
}
setInterval(tick, 1000);
tick();
