// How well observer itself sees: whether it is ready, what is missing from the data and why, and what to do about it.

import { draw, h, prose, section } from "../dom.js";
import { bytes, completeness, count, percent, plural, unknown } from "../format.js";
import { every, paused, released } from "../pace.js";
import { tiles } from "../parts.js";
import { lostWords, opaqueWords } from "../reasons.js";
import { table } from "../table.js";

export default {
  title: () => "Health and data quality",
  look: () => "quality",
  mount(place, context) {
    const numbers = tiles([
      { id: "complete", label: "Completeness", title: "Certain exchanges of the last minute among all that must have been" },
      { id: "missing", label: "Missing bytes", title: "Acknowledged and never seen, outside of known bodies" },
      { id: "opaque", label: "Opaque connections", title: "Connections that could not be read" },
      { id: "ledger", label: "Ledger", title: "What usage is kept in" },
    ]);
    const ready = h("p", { class: "ready" });
    const lost = missingTable("What was lost, left out or refused", "Nothing was lost, left out or refused.");
    const opaque = opaqueTable();
    const interfaces = interfaceTable();
    const folded = table({
      label: "Folded series",
      key: (row) => row.reason,
      empty: "No series was folded.",
      columns: [
        { id: "metric", label: "Metric", head: true, cell: (row) => ({ text: row.reason, class: "code" }) },
        { id: "count", label: "Series", number: true, cell: (row) => count(row.count) },
        {
          id: "do",
          label: "What to do",
          class: "long",
          cell: () => "Give APIs an OpenAPI document, or raise [metrics] max_series. The ledger is not concerned.",
        },
      ],
    });

    async function look() {
      draw(ready, await readiness(context.signal));
    }

    look();
    every(10, look, context.signal);
    return {
      nodes: [
        ready,
        numbers.element,
        section("Lost, left out, refused", ...lost.nodes),
        section(
          "Opaque connections",
          h("p", { class: "lead" }, "Nobody knows what they held, so that they are in no number of requests."),
          ...opaque.nodes,
        ),
        section("Interfaces", ...interfaces.nodes),
        section(
          "Folded series",
          h("p", { class: "lead" }, ...prose("The least used are counted together as `__other__` past the bound of a metric.")),
          ...folded.nodes,
        ),
        h(
          "p",
          { class: "note" },
          ...prose("On the host: `observer doctor` says which hook each interface gets and why, and lists ports that cannot be read."),
        ),
      ],
      frame(frame) {
        const { quality } = frame;
        numbers.update({
          complete: [completeness(frame.completeness), "of the last minute"],
          missing: [bytes(quality.missing_bytes), "acknowledged, never seen"],
          opaque: [count(frame.totals.opaque), `${plural(frame.totals.connections, "connection")} open`],
          ledger: [
            bytes(quality.ledger_bytes),
            `${plural(quality.ledger_waiting, "batch", "batches")} waiting`,
            quality.ledger_errors
              ? { text: `${plural(quality.ledger_errors, "attempt")} to write failed`, class: "found" }
              : "no attempt to write failed",
          ],
        });
        lost.update(missing(quality));
        opaque.update(quality.opaque);
        interfaces.update(quality.interfaces);
        folded.update(quality.folded);
      },
    };
  },
};

/** What `/healthz` says, as a mark and a sentence. */
async function readiness(signal) {
  try {
    const held = paused();
    const answer = await fetch("/healthz", { signal });
    await released(held);
    if (answer.ok) return { text: "ready", class: "mark good", sub: "Traffic is being observed, and the ledger can be written." };
    return { text: "not ready", class: "mark severity-critical", sub: (await answer.text()).trim().slice(0, 500) };
  } catch {
    return { text: "unknown", class: "mark severity-medium", sub: "The daemon does not answer." };
  }
}

/** Everything that is missing, in one list: where, why, how much. */
function missing({ lost_events: lost, dropped, shedding }) {
  return [
    ...shedding.map(({ what, ratio }) => ({ stage: "kernel", reason: "shed", what, amount: percent(ratio) })),
    ...lost.map(({ reason, count: number }) => ({ stage: "kernel", reason, amount: count(number) })),
    ...dropped.map(({ stage, reason, count: number }) => ({ stage, reason, amount: count(number) })),
  ];
}

function missingTable(label, empty) {
  return table({
    label,
    empty,
    key: (row) => `${row.stage} ${row.reason} ${row.what ?? ""}`,
    columns: [
      { id: "reason", label: "Reason", head: true, cell: (row) => ({ text: row.reason, class: "code", sub: row.what ?? "" }) },
      { id: "stage", label: "Where", wide: true, cell: (row) => row.stage },
      { id: "amount", label: "How much", number: true, cell: (row) => row.amount },
      { id: "means", label: "What it means", class: "long", cell: (row) => words(lostWords(row.reason)[0]) },
      { id: "do", label: "What to do", class: "long", cell: (row) => words(lostWords(row.reason)[1]) },
    ],
  });
}

function opaqueTable() {
  return table({
    label: "Opaque connections by port and reason",
    empty: "Every connection could be read.",
    key: (row) => `${row.port} ${row.process} ${row.reason}`,
    columns: [
      { id: "port", label: "Port", head: true, cell: (row) => String(row.port) },
      { id: "process", label: "Process", cell: (row) => row.process ?? unknown("No process of this host listens there.") },
      { id: "reason", label: "Reason", cell: (row) => ({ text: row.reason, class: "code" }) },
      { id: "count", label: "Connections", number: true, cell: (row) => count(row.count) },
      { id: "means", label: "What it means", class: "long", cell: (row) => words(opaqueWords(row.reason)[0]) },
      { id: "do", label: "What to do", class: "long", cell: (row) => words(opaqueWords(row.reason)[1]) },
    ],
  });
}

const words = (text) => (text ? text.replaceAll("`", "") : unknown("The observer has no words for this reason."));

function interfaceTable() {
  return table({
    label: "Packets by interface",
    empty: "No interface is observed.",
    key: (row) => `${row.interface} ${row.direction}`,
    columns: [
      { id: "interface", label: "Interface", head: true, cell: (row) => row.interface },
      { id: "direction", label: "Direction", cell: (row) => row.direction },
      { id: "packets", label: "Packets", number: true, cell: (row) => count(row.packets) },
      { id: "bytes", label: "Bytes", number: true, cell: (row) => bytes(row.bytes) },
    ],
  });
}
