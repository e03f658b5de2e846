// Whether the screen may change: not while it is paused, and nobody looks while the tab is hidden.

const listeners = new Set();
let held = false;

/** Whether everything on the screen stays as it is. */
export const paused = () => held;

/** Whether what is new may be shown now. */
export const running = () => !held && !document.hidden;

/** Holds the screen, or lets it go. */
export function setPaused(value) {
  held = value;
  for (const listener of listeners) listener();
}

/**
 * Waits until the screen may change. `before` is whether it was paused when something was asked for: what somebody opens
 * while it is paused is shown all the same.
 */
export function released(before) {
  if (before || !held) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (held) return;
      listeners.delete(look);
      resolve();
    };
    listeners.add(look);
  });
}

/** Calls back whenever the answers above may have changed. */
export function onPace(listener, signal) {
  listeners.add(listener);
  signal?.addEventListener("abort", () => listeners.delete(listener));
}

document.addEventListener("visibilitychange", () => {
  for (const listener of listeners) listener();
});

/** Calls `work` every so many seconds while somebody looks, and at once when they come back after longer than that. */
export function every(seconds, work, signal) {
  let last = Date.now();
  const turn = () => {
    if (!running() || Date.now() - last < seconds * 1000 - 500) return;
    last = Date.now();
    work();
  };
  const timer = setInterval(turn, seconds * 1000);
  signal.addEventListener("abort", () => clearInterval(timer));
  onPace(turn, signal);
}
