// A short tone for what needs a guard. The mute ends by itself, so that nobody forgets it.

const MUTE_MS = 15 * 60 * 1000;
let context = null;
let mutedUntil = 0;

addEventListener("pointerdown", wake, { once: true });
addEventListener("keydown", wake, { once: true });

function wake() {
  context ??= new AudioContext(); // browsers give sound only after a first press
}

export function muted() {
  return Date.now() < mutedUntil;
}

export function muteEnds() {
  return mutedUntil;
}

export function toggleMute() {
  mutedUntil = muted() ? 0 : Date.now() + MUTE_MS;
}

export function tone(urgent) {
  if (context === null || muted()) return;
  const times = urgent ? [0, 0.22, 0.44] : [0];
  for (const start of times) {
    const oscillator = context.createOscillator();
    const gain = context.createGain();
    oscillator.frequency.value = urgent ? 880 : 587;
    gain.gain.setValueAtTime(0.0001, context.currentTime + start);
    gain.gain.exponentialRampToValueAtTime(0.2, context.currentTime + start + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, context.currentTime + start + 0.18);
    oscillator.connect(gain).connect(context.destination);
    oscillator.start(context.currentTime + start);
    oscillator.stop(context.currentTime + start + 0.2);
  }
}
