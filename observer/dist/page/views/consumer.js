// One consumer: how much it calls, what fails against what is usual for it, its keys, and what is done about it.

import { actionTable } from "../actions.js";
import { h, section, show } from "../dom.js";
import { bytes, completeness, count, percent, rate, unknown, whenSeconds } from "../format.js";
import { historyPanel } from "../history.js";
import { toRoute } from "../links.js";
import { actButtons } from "../orders.js";
import { incidentTable, scoreSpec, tiles, usageColumns } from "../parts.js";
import { signedIn } from "../session.js";
import { table } from "../table.js";
import { CLASSES, reserved } from "../words.js";

export default {
  title: ({ parts }) => `Consumer ${parts[0] ?? ""}`,
  look: ({ parts }) => `consumer&consumer=${encodeURIComponent(parts[0] ?? "")}`,
  mount({ parts: [id = ""] }, context) {
    const why = reserved(id);
    const numbers = tiles([
      { id: "rate", label: "Requests", title: "Requests a second" },
      { id: "recent", label: "Five minutes", title: "Requests of the last five minutes" },
      { id: "received", label: "Received", title: "Contents of requests" },
      { id: "sent", label: "Sent", title: "Contents of responses" },
      { id: "complete", label: "Completeness", title: "Certain requests of the last five minutes among all" },
    ]);
    const missing = h(
      "p",
      { class: "empty", hidden: true },
      "No request of it was seen since the daemon began to count. What was before is in the history.",
    );
    const errors = errorTable();
    const keys = keyTable(id);
    const parts = partTables();
    const history = historyPanel({
      context,
      scope: `consumer=${encodeURIComponent(id)}`,
      plots: ["requests", "errors", "latency"],
      extra: parts.update,
    });
    const incidents = incidentTable({ label: `Open incidents about ${id}` });
    const actions = actionTable(`Responses against ${id}`, "Nothing is in force or proposed.");

    return {
      nodes: [
        why ? h("p", { class: "lead" }, why) : null,
        signedIn() && !why ? h("p", { class: "buttons" }, actButtons(id, "consumer", "consumer")) : null,
        missing,
        numbers.element,
        section("Errors, five minutes", ...errors.nodes),
        section("Open incidents", ...incidents.nodes),
        section("History", ...history.nodes),
        section("Keys", ...keys.nodes),
        section("Responses", ...actions.nodes),
        ...parts.nodes,
      ].filter(Boolean),
      frame(frame) {
        const row = frame.consumers[0];
        show(missing, !row);
        show(numbers.element, Boolean(row));
        if (row) {
          numbers.update({
            rate: [rate(row.rate), `${count(row.requests)} in all`],
            recent: [count(row.recent), "requests"],
            received: [bytes(row.request_bytes)],
            sent: [bytes(row.response_bytes)],
            complete: [completeness(row.completeness), "of five minutes"],
          });
        }
        errors.update(row ? CLASSES.map((kind, number) => ({ kind, number, row })) : []);
        keys.update(frame.keys ?? []);
        incidents.update(frame.incidents ?? []);
        actions.update(frame.actions ?? []);
      },
      change: history.change,
    };
  },
};

function errorTable() {
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
        cell: ({ row, number }) => percent(row.error_ratio[number]),
      },
      {
        id: "usual",
        label: "Usual",
        number: true,
        cell: ({ row, number }) =>
          row.baseline ? percent(row.baseline[number]) : unknown("Not known yet: it is learned from the first requests on."),
      },
      { id: "score", label: "Score", number: true, title: "1 is an alarm", cell: ({ row, number }) => scoreSpec(row.score[number]) },
      { id: "all", label: "In all", number: true, title: "Since counting began", cell: ({ row, number }) => count(row.errors[number]) },
    ],
  });
}

function keyTable(consumer) {
  const columns = [
    {
      id: "key",
      label: "Key",
      head: true,
      class: "name",
      cell: ({ key, registered }) => ({ text: key, class: "code", sub: registered ? "" : "not registered" }),
    },
    { id: "last", label: "Last used", cell: ({ last }) => whenSeconds(last) },
    { id: "first", label: "First used", wide: true, cell: ({ first }) => whenSeconds(first) },
    {
      id: "networks",
      label: "Networks",
      number: true,
      title: "Networks that it is known from, a dozen at most",
      cell: ({ networks }) => count(networks),
    },
    { id: "requests", label: "Requests", number: true, title: "Since it was first used", cell: ({ requests }) => count(requests) },
    {
      id: "success",
      label: "Success",
      number: true,
      title: "Share that succeeds; what was long ago counts less",
      cell: ({ success }) => percent(success),
    },
  ];
  if (signedIn()) {
    columns.push({
      id: "do",
      label: "",
      class: "buttons",
      make: (cell, row) => cell.append(...actButtons(row().key, row().registered ? "key" : "credential")),
    });
  }
  return table({ label: `Keys of ${consumer}`, columns, key: (row) => row.key, empty: "No key of it was seen." });
}

/** What the history splits by key and by route. */
function partTables() {
  const shared = usageColumns();
  const routes = table({
    label: "By route, in the window",
    key: (row) => `${row.api} ${row.route}`,
    empty: "Nothing in the window.",
    columns: [
      {
        id: "route",
        label: "Route",
        head: true,
        class: "name",
        cell: (row) => ({ text: row.route, href: toRoute(row.api, row.route), sub: row.api }),
      },
      ...shared,
    ],
  });
  const keys = table({
    label: "By key, in the window",
    key: (row) => `${row.app} ${row.key}`,
    empty: "Nothing in the window.",
    columns: [
      {
        id: "key",
        label: "Key",
        head: true,
        class: "name",
        cell: (row) => ({ text: row.key || "none", class: "code", sub: row.app ?? "" }),
      },
      ...shared,
    ],
  });
  return {
    nodes: [section("By route, in the window", ...routes.nodes), section("By key, in the window", ...keys.nodes)],
    update(data) {
      routes.update(data?.routes ?? []);
      keys.update(data?.keys ?? []);
    },
  };
}
