// The live stream: one at a time, none while nobody looks, and its state in words.
//
// Browsers open six connections to a host: a hidden tab that kept one would cost another tab its place.

import { clock } from "./format.js";
import { onPace, paused, running } from "./pace.js";

/** A stream that says nothing for this long is taken for dead. Milliseconds. */
const SILENCE = 12_000;
/** Until the next try after the daemon refused. Milliseconds. */
const RETRY = 5_000;

/** Opens streams. `frame` gets each frame, `state` one of live, connecting, lost, paused with its words. */
export function stream({ frame, state }) {
  let look = null;
  let source = null;
  let timer = 0;
  let lost = null;
  let last = null;

  function close() {
    source?.close();
    source = null;
    clearTimeout(timer);
  }

  function open() {
    close();
    if (look === null || !running()) return;
    if (!lost) state("connecting", "connecting");
    source = new EventSource(`/api/v1/live?view=${look}`);
    source.addEventListener("message", take);
    source.addEventListener("error", fail);
    watch();
  }

  function watch() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      fail();
      open();
    }, SILENCE);
  }

  function take(event) {
    const found = parse(event.data);
    if (!found) return;
    lost = null;
    last = new Date();
    state("live", "live");
    watch();
    frame(found);
  }

  function fail() {
    lost ??= last ?? new Date();
    state("lost", `no connection since ${clock(lost)}, trying again`);
    // The browser tries again by itself after a break, but not after an answer that is no stream.
    if (source?.readyState === EventSource.CLOSED) {
      clearTimeout(timer);
      timer = setTimeout(open, RETRY);
    }
  }

  onPace(() => {
    if (running()) {
      if (!source) open();
      return;
    }
    close();
    if (paused()) state("paused", last ? `paused at ${clock(last)}` : "paused");
  });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());

  return {
    /** Looks at something else. While paused it is looked at once. */
    async look(next) {
      look = next;
      if (!paused()) return open();
      close();
      const found = await once(next);
      if (found && look === next && paused()) {
        last = new Date();
        state("paused", `paused at ${clock(last)}`);
        frame(found);
      }
    },
  };
}

/** One frame, or nothing. */
export async function once(look) {
  try {
    const answer = await fetch(`/api/v1/look?view=${look}`);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
