// New incidents: a banner with a link, and a sentence for screen readers. Nothing else is announced.
//
// What was open when the page was, is not new; nor is what an older list did not have room for.

import { h, show } from "./dom.js";
import { toIncident } from "./links.js";
import { paused, released } from "./pace.js";
import { once } from "./stream.js";

/** Watches frames for incidents that are new. */
export function news(banner, announcements) {
  const known = new Set();
  let newest = null;
  let before = null;

  function take(incidents) {
    const fresh =
      newest === null ? [] : incidents.filter(({ id, detected_at, state }) => state === "open" && !known.has(id) && detected_at >= newest);
    for (const { id } of incidents) known.add(id);
    newest = incidents.reduce((last, { detected_at }) => (detected_at > last ? detected_at : last), newest ?? "");
    if (fresh.length) tell(fresh);
  }

  function tell([first, ...rest]) {
    const more = rest.length ? ` And ${rest.length} more.` : "";
    announcements.textContent = `New incident, ${first.severity}: ${first.statement}.${more}`;
    banner.replaceChildren(
      h(
        "p",
        null,
        h("strong", null, `New, ${first.severity}: `),
        h("a", { href: toIncident(first.id), onclick: close }, first.rule),
        ` ${first.statement}`,
        rest.length ? h("span", null, " ", h("a", { href: "#/incidents", onclick: close }, `and ${rest.length} more`)) : null,
      ),
      h("button", { type: "button", onclick: close }, "Dismiss"),
    );
    show(banner, true);
  }

  function close() {
    show(banner, false);
    banner.replaceChildren();
  }

  /** `whole` says whether the frame's incidents are those of everybody. */
  return async function watch(frame, whole) {
    const { incidents: now } = frame.counts;
    const other = now !== before;
    before = now;
    if (whole && frame.incidents) take(frame.incidents);
    else if (newest === null) newest = frame.time;
    else if (other) {
      const held = paused();
      const found = await once("incidents");
      await released(held);
      if (found?.incidents) take(found.incidents);
    }
  };
}
