// Renews the monitor page: fetches it again, puts its parts in place of the old ones, and says so when that fails.
"use strict";

const renewal = document.getElementById("renewal");
const pause = document.getElementById("pause");
const stale = document.getElementById("stale");
const interval = Number(renewal.dataset.refreshS) * 1000;
let isPaused = false;
let lostSince = null;

function exchange(next, selector) {
  const old = document.querySelector(selector);
  const fresh = next.querySelector(selector);
  // What the reader is in the middle of (focus, selection) stays as it is until the next time.
  const isInUse = old.contains(document.activeElement) || document.getSelection().containsNode(old, true) && !document.getSelection().isCollapsed;
  if (fresh && !isInUse) old.replaceWith(document.adoptNode(fresh));
}

async function renew() {
  try {
    const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(interval) });
    if (!answer.ok) throw new Error(String(answer.status));
    const next = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = next.title;
    for (const selector of ["#as-of", "main"]) exchange(next, selector);
    lostSince = null;
    stale.textContent = "";
  } catch {
    if (lostSince === null) {
      lostSince = new Date();
      stale.textContent = `Connection lost at ${lostSince.toISOString().slice(11, 19)} UTC: figures are old.`;
    }
  }
  document.body.classList.toggle("is-stale", lostSince !== null);
}

async function keepRenewing() {
  if (!isPaused) await renew();
  setTimeout(keepRenewing, interval);
}

pause.hidden = false;
pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.textContent = isPaused ? "Resume" : "Pause";
});
setTimeout(keepRenewing, interval);
