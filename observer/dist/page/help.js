// The help: what the numbers are, and the keys.

import { closer, dialog } from "./dialog.js";
import { h, prose } from "./dom.js";

const SHORTCUTS = [
  ["g o", "overview"],
  ["g c", "consumers"],
  ["g r", "routes"],
  ["g i", "incidents"],
  ["g p", "posture"],
  ["g h", "health"],
  ["/", "filter"],
  ["p", "pause, and go on"],
  ["?", "this help"],
  ["Esc", "close a dialog"],
];

/** The help. `shortcuts` says whether keys do something, `setShortcuts` changes it. */
export function help(shortcuts, setShortcuts) {
  const keys = h("input", { type: "checkbox", id: "keys", onchange: () => setShortcuts(keys.checked) });
  keys.checked = shortcuts;
  dialog(
    "Help",
    h(
      "p",
      null,
      "Counters are since the daemon began to count, rates since the look before (five minutes where there was none), ratios over the last five minutes. ",
      "What is not known is an en dash that says why.",
    ),
    h(
      "p",
      null,
      "Errors are of four classes: client (4xx but 401, 403 and 429), auth (401, 403), limited (429), and server (5xx and failures). ",
      "A score of 1 is an alarm.",
    ),
    h(
      "p",
      null,
      prose("Everything here is told by commands too: `observer usage`, `observer incidents`, `observer posture`, `observer responses`."),
    ),
    h(
      "dl",
      { class: "keys" },
      SHORTCUTS.map(([key, text]) =>
        h(
          "div",
          null,
          h(
            "dt",
            null,
            key.split(" ").map((one) => h("kbd", null, one)),
          ),
          h("dd", null, text),
        ),
      ),
    ),
    h("p", null, keys, " ", h("label", { for: "keys" }, "Shortcuts are on")),
    h("p", { class: "buttons" }, closer("Close")),
  );
}
