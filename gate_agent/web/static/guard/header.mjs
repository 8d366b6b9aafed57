// The bar at the top: sound and shortcuts.

import { fill } from "./dom.mjs";
import { ui } from "./gate.mjs";
import { muted, muteEnds } from "./sound.mjs";

export function mutedUntilText() {
  return muted() ? fill(ui.sound_off, { time: new Date(muteEnds()).toTimeString().slice(0, 5) }) : ui.mute;
}

export function wireHeader({ showKeys, toggleMute }) {
  document.getElementById("show-shortcuts").addEventListener("click", showKeys);
  document.getElementById("mute").addEventListener("click", toggleMute);
}
