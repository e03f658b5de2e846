// One route: how much it is called and by whom, what it answers, how long it takes, and whether it asks for keys.

import { h, section, show } from "../dom.js";
import { count, milliseconds, percent, rate, unknown } from "../format.js";
import { historyPanel } from "../history.js";
import { consumerName, incidentTable, posture, tiles, usageColumns } from "../parts.js";
import { table } from "../table.js";
import { CLASSES, POSTURES, STATUSES, reserved } from "../words.js";

/** API and template of a place: a template may have its slashes as they are. */
const named = ({ parts: [api = "", ...rest] }) => ({ api, route: rest.join("/") });

export default {
  title: (place) => `Route ${named(place).route}`,
  look(place) {
    const { api, route } = named(place);
    return `route&api=${encodeURIComponent(api)}&route=${encodeURIComponent(route)}`;
  },
  mount(place, context) {
    const { api, route } = named(place);
    const numbers = tiles([
      { id: "rate", label: "Requests", title: "Requests a second" },
      { id: "recent", label: "Five minutes", title: "Requests of the last five minutes" },
      { id: "time", label: "Time of 95 of 100", title: "Milliseconds that 95 of 100 requests take at most" },
      { id: "posture", label: "Posture", title: "Whether it asks for keys", href: "#/posture" },
    ]);
    const missing = h(
      "p",
      { class: "empty", hidden: true },
      "No request of it was seen since the daemon began to count. What was before is in the history.",
    );
    const errors = errorTable();
    const statuses = table({
      label: "Responses by class",
      key: ([name]) => name,
      columns: [
        { id: "status", label: "Responses", head: true, cell: ([name]) => name },
        { id: "count", label: "In all", number: true, title: "Since counting began", cell: ([, number]) => count(number) },
        {
          id: "share",
          label: "Share",
          number: true,
          cell: ([, number, all]) => (all ? percent(number / all) : unknown("Nothing was answered.")),
        },
      ],
    });
    const incidents = incidentTable({ label: `Open incidents about ${route}` });
    const parts = partTables();
    const history = historyPanel({
      context,
      scope: `api=${encodeURIComponent(api)}&route=${encodeURIComponent(route)}`,
      plots: ["requests", "errors", "latency"],
      extra: parts.update,
    });

    return {
      nodes: [
        h("p", { class: "lead" }, `API ${api}`, reserved(route) ? `. ${reserved(route)}` : ""),
        missing,
        numbers.element,
        h("div", { class: "halves" }, section("Errors, five minutes", ...errors.nodes), section("Responses", ...statuses.nodes)),
        section("Open incidents", ...incidents.nodes),
        section("History", ...history.nodes),
        ...parts.nodes,
      ],
      frame(frame) {
        const row = frame.routes[0];
        show(missing, !row);
        show(numbers.element, Boolean(row));
        if (row) {
          const timed = (value) =>
            value === null ? unknown("Not known where another API has a route of the same name.") : milliseconds(value);
          numbers.update({
            rate: [rate(row.rate), `${count(row.requests)} in all`],
            recent: [row.recent === null ? unknown("Not known yet.") : count(row.recent), "requests"],
            time: [timed(row.p95_ms), ...(row.mean_ms === null ? [] : [`${milliseconds(row.mean_ms)} in the mean`])],
            posture: [posture(row.posture), POSTURES[row.posture] ?? ""],
          });
        }
        errors.update(row ? CLASSES.map((kind, number) => ({ kind, number, row })) : []);
        const all = row ? row.status.reduce((sum, value) => sum + value, 0) : 0;
        statuses.update(row ? STATUSES.map((name, number) => [name, row.status[number], all]).filter(([, number]) => number > 0) : []);
        incidents.update(frame.incidents ?? []);
      },
      change: history.change,
    };
  },
};

function errorTable() {
  const ratio = (of, number, why) => (of ? percent(of[number]) : unknown(why));
  return table({
    label: "Errors by class",
    key: ({ kind }) => kind.id,
    empty: "Nothing to compare yet.",
    columns: [
      { id: "class", label: "Class", head: true, cell: ({ kind }) => ({ text: kind.label, title: kind.title }) },
      {
        id: "now",
        label: "Now",
        number: true,
        title: "Share of the last five minutes",
        cell: ({ row, number }) => ratio(row.error_ratio, number, "Not known yet."),
      },
      {
        id: "usual",
        label: "Usual",
        number: true,
        cell: ({ row, number }) => ratio(row.baseline, number, "Not known yet: it is learned from the first requests on."),
      },
    ],
  });
}

/** What the history splits by consumer, and by method and status. */
function partTables() {
  const consumers = table({
    label: "By consumer, in the window",
    key: (row) => row.consumer,
    empty: "Nothing in the window.",
    columns: [
      { id: "consumer", label: "Consumer", head: true, class: "name", cell: (row) => consumerName(row.consumer) },
      ...usageColumns().filter(({ id }) => id !== "received"),
    ],
  });
  const methods = table({
    label: "By method and status, in the window",
    key: (row) => `${row.method} ${row.status}`,
    empty: "Nothing in the window.",
    columns: [
      { id: "method", label: "Method", head: true, cell: (row) => row.method },
      { id: "status", label: "Status", cell: (row) => (row.status === "none" ? unknown("There was no response.") : row.status) },
      { id: "requests", label: "Requests", number: true, cell: (row) => count(row.requests) },
    ],
  });
  return {
    nodes: [section("By consumer, in the window", ...consumers.nodes), section("By method and status, in the window", ...methods.nodes)],
    update(data) {
      consumers.update(data?.consumers ?? []);
      methods.update(data?.methods ?? []);
    },
  };
}
