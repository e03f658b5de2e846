// What several views show: tiles, incidents, and the columns of consumers and routes.

import { draw, h, prose, setText, show } from "./dom.js";
import { brief, bytes, completeness, count, milliseconds, percent, plural, rate, unknown, when } from "./format.js";
import { toConsumer, toIncident, toRoute } from "./links.js";
import { table } from "./table.js";
import { CLASSES, POSTURES, SEVERITIES, reserved } from "./words.js";

/** Tiles: `[{id, label, title, href}]`; `update({id: [lines]})`, the first line large. */
export function tiles(all) {
  const drawn = new Map();
  const element = h(
    "dl",
    { class: "tiles" },
    all.map(({ id, label, title, href }) => {
      const value = h("dd");
      drawn.set(id, { value, lines: [] });
      return h("div", { class: "tile", title }, h("dt", null, href ? h("a", { href }, label) : label), value);
    }),
  );
  return {
    element,
    update(values) {
      for (const [id, lines] of Object.entries(values)) {
        const { value, lines: had } = drawn.get(id);
        lines.forEach((line, number) => {
          if (!had[number]) value.append((had[number] = h("span", { class: number ? "line" : "large" })));
          draw(had[number], line);
          show(had[number], true);
        });
        had.slice(lines.length).forEach((line) => show(line, false));
      }
    },
  };
}

/** How bad something is, as a mark with its name. */
export const severity = (name) => ({ text: name, class: `mark severity-${SEVERITIES.includes(name) ? name : "info"}` });

const rank = (incident) => SEVERITIES.length - SEVERITIES.indexOf(incident.severity);

/** A consumer's name, linked; reserved names are set apart and explained. */
export function consumerName(name) {
  const why = reserved(name);
  return { text: name, href: toConsumer(name), title: why ?? name, class: why ? "reserved" : undefined };
}

/** A table of incidents. */
export function incidentTable({ label, empty, order = { sort: "severity", order: "desc" }, onorder }) {
  return table({
    label,
    key: (incident) => incident.id,
    order,
    onorder,
    empty: empty ?? "Nothing is open.",
    columns: [
      { id: "severity", label: "Severity", sort: rank, cell: (incident) => severity(incident.severity) },
      {
        id: "rule",
        label: "Rule",
        head: true,
        sort: (incident) => incident.rule,
        cell: (incident) => ({ text: incident.rule, href: toIncident(incident.id) }),
      },
      { id: "statement", label: "Statement", class: "long", cell: (incident) => incident.statement },
      {
        id: "consumer",
        label: "Consumer",
        wide: true,
        sort: (incident) => incident.consumer,
        cell: (incident) => (incident.consumer ? consumerName(incident.consumer) : unknown("It is about no single consumer.")),
      },
      {
        id: "state",
        label: "State",
        wide: true,
        sort: (incident) => incident.state,
        cell: (incident) => (incident.state === "ack" ? "acknowledged" : incident.state),
      },
      { id: "detected", label: "Detected", sort: (incident) => incident.detected_at, cell: (incident) => when(incident.detected_at) },
      { id: "seen", label: "Last seen", wide: true, sort: (incident) => incident.last_seen, cell: (incident) => when(incident.last_seen) },
    ],
  });
}

const errorSum = (ratios) => ratios?.reduce((sum, value) => sum + value, 0);
const NO_BASELINE = "Not known yet: what is usual is learned from the first requests on.";
const NO_RECENT = "Not known yet.";

/** Columns of the shares of errors, now and as usual. */
function errorColumns() {
  const sums = [
    {
      id: "errors",
      label: "Errors",
      number: true,
      title: "Share of all errors in the last five minutes",
      sort: (row) => errorSum(row.error_ratio),
      cell: (row) => (row.error_ratio ? percent(errorSum(row.error_ratio)) : unknown(NO_RECENT)),
    },
    {
      id: "usual",
      label: "Usual",
      number: true,
      title: "Share of errors that is usual",
      sort: (row) => errorSum(row.baseline),
      cell: (row) => (row.baseline ? percent(errorSum(row.baseline)) : unknown(NO_BASELINE)),
    },
  ];
  return sums.concat(
    CLASSES.map(({ id, label, title }, number) => ({
      id,
      label: label[0].toUpperCase() + label.slice(1),
      number: true,
      wide: true,
      title: `${title}; share of the last five minutes`,
      sort: (row) => row.error_ratio?.[number],
      cell: (row) =>
        row.error_ratio
          ? { text: percent(row.error_ratio[number]), title: `usual: ${row.baseline ? percent(row.baseline[number]) : "not known yet"}` }
          : unknown(NO_RECENT),
    })),
  );
}

const highest = (scores) => scores.reduce((best, value, number) => (value > scores[best] ? number : best), 0);

/** A score as a text and a bar: 1 is an alarm. */
export function scoreSpec(value, name) {
  return {
    text: brief(value),
    sub: value >= 0.1 ? (name ?? "") : "",
    class: value >= 1 ? "found" : "",
    title: value >= 1 ? "An alarm: 1 or more" : "How far the errors are from what is usual; 1 is an alarm",
    bar: value,
    level: value >= 1 ? "bad" : value >= 0.7 ? "warn" : "",
  };
}

const requestColumn = {
  id: "requests",
  label: "Requests",
  number: true,
  wide: true,
  title: "Since counting began",
  sort: (row) => row.requests,
  cell: (row) => count(row.requests),
};

/** Columns of consumers; the fewer of the overview, or all. */
export function consumerColumns(all) {
  const columns = [
    {
      id: "consumer",
      label: "Consumer",
      head: true,
      class: "name",
      sort: (row) => row.consumer,
      cell: (row) => consumerName(row.consumer),
    },
    { id: "rate", label: "Rate", number: true, title: "Requests a second", sort: (row) => row.rate, cell: (row) => rate(row.rate) },
    ...(all ? [requestColumn] : []),
    ...errorColumns().filter(({ wide }) => all || !wide),
    {
      id: "score",
      label: "Score",
      title: "How far the errors are from what is usual; 1 is an alarm",
      number: true,
      sort: (row) => Math.max(...row.score),
      cell: (row) => scoreSpec(Math.max(...row.score), CLASSES[highest(row.score)].label),
    },
  ];
  if (!all) return columns;
  return columns.concat([
    {
      id: "received",
      label: "Received",
      number: true,
      wide: true,
      title: "Contents of requests",
      sort: (row) => row.request_bytes,
      cell: (row) => bytes(row.request_bytes),
    },
    {
      id: "sent",
      label: "Sent",
      number: true,
      wide: true,
      title: "Contents of responses",
      sort: (row) => row.response_bytes,
      cell: (row) => bytes(row.response_bytes),
    },
    {
      id: "complete",
      label: "Complete",
      number: true,
      wide: true,
      title: "Certain requests of the last five minutes among all",
      sort: (row) => row.completeness,
      cell: (row) => completeness(row.completeness),
    },
  ]);
}

/** Columns of routes; the fewer of the overview, or all. */
export function routeColumns(all) {
  const time = (id, label, title) => ({
    id,
    label,
    title,
    number: true,
    wide: id === "mean_ms",
    sort: (row) => row[id],
    cell: (row) =>
      row[id] === null ? unknown("Not known where another API has a route of the same name, or nothing was timed since counting began.") : milliseconds(row[id]),
  });
  const columns = [
    { id: "route", label: "Route", head: true, class: "name", sort: (row) => row.route, cell: (row) => routeName(row, !all) },
    ...(all ? [{ id: "api", label: "API", class: "name", sort: (row) => row.api, cell: (row) => row.api }] : []),
    { id: "rate", label: "Rate", number: true, title: "Requests a second", sort: (row) => row.rate, cell: (row) => rate(row.rate) },
    ...(all ? [requestColumn] : []),
    ...errorColumns().filter(({ wide }) => all || !wide),
    time("p95_ms", "p95", "Time that 95 of 100 requests took at most since counting began; 10 s stands for 10 s and more"),
  ];
  if (!all) return columns;
  return columns.concat([
    time("mean_ms", "Mean", "Time that a request took in the mean since counting began"),
    { id: "posture", label: "Posture", wide: true, sort: (row) => row.posture, cell: (row) => posture(row.posture) },
  ]);
}

/** Columns of a part of the history: of what it came to in the window. */
export function usageColumns() {
  const share = (row) => (row.requests ? errorSum(row.errors) / row.requests : null);
  return [
    { id: "requests", label: "Requests", number: true, cell: (row) => count(row.requests) },
    { id: "errors", label: "Errors", number: true, cell: (row) => percent(share(row)) },
    ...CLASSES.map(({ id, label, title }, number) => ({
      id,
      label: label[0].toUpperCase() + label.slice(1),
      number: true,
      wide: true,
      title,
      cell: (row) => count(row.errors[number]),
    })),
    {
      id: "mean",
      label: "Mean",
      number: true,
      cell: (row) => (row.mean_ms === null ? unknown("Nothing was timed.") : milliseconds(row.mean_ms)),
    },
    { id: "received", label: "Received", number: true, wide: true, cell: (row) => bytes(row.request_bytes) },
    { id: "sent", label: "Sent", number: true, wide: true, cell: (row) => bytes(row.response_bytes) },
  ];
}

/** A route's template, linked; with its API beside it where that has no column. */
export function routeName({ api, route }, withApi) {
  const why = reserved(route);
  return {
    text: route,
    href: toRoute(api, route),
    title: why ?? route,
    class: why ? "reserved" : undefined,
    sub: withApi ? api : undefined,
  };
}

/** Whether a route asks for keys, as a mark. */
export function posture(name) {
  if (!name) return unknown("Not known until a request succeeds.");
  return { text: name, title: POSTURES[name], class: `mark posture-${Object.hasOwn(POSTURES, name) ? name : "other"}` };
}

/** What stands there before the first request. */
export function noTraffic() {
  return h(
    "div",
    { class: "empty" },
    h("p", null, h("strong", null, "Nothing was seen yet.")),
    h(
      "p",
      null,
      "observer watches the packets of this host's HTTP services; nothing has to be set up in them. Call one, here one on port 8080:",
    ),
    h("pre", null, "curl -H 'X-API-Key: some-key' http://127.0.0.1:8080/v1/widgets/42"),
    h("p", null, prose("Where it stays empty, `observer doctor` says what this host supports, and which ports cannot be read.")),
  );
}

/** A hint for a host without a registry. */
export function noRegistry() {
  return h(
    "div",
    { class: "empty" },
    h(
      "p",
      null,
      h("strong", null, "No key has an owner yet."),
      " Requests with a key count as ",
      h("code", null, "__unregistered__"),
      ", those without one as ",
      h("code", null, "__unkeyed__"),
      ". To give a key an owner, on the host:",
    ),
    h("pre", null, "printf %s some-key | observer consumers add acme --app acme-mobile --key-id k-2026-01 --key-file -"),
    h(
      "p",
      null,
      prose("`observer keys discover` finds out where keys stand in an API's requests, `observer consumers strangers` lists those in use."),
    ),
  );
}

/** Rows of a name and a value, that change in place. */
export function facts(all) {
  const values = new Map();
  const element = h(
    "dl",
    { class: "facts" },
    all.map(({ id, label, title }) => {
      const value = h("dd");
      values.set(id, value);
      return h("div", { title }, h("dt", null, label), value);
    }),
  );
  return {
    element,
    update(specs) {
      for (const [id, spec] of Object.entries(specs)) draw(values.get(id), spec);
    },
  };
}

/** A link to all of a kind, with their number. */
export function allLink(noun, href) {
  const link = h("a", { href });
  return {
    element: h("p", { class: "note" }, link),
    update(all) {
      setText(link, `All ${plural(all, noun)}`);
      show(link, all > 0);
    },
  };
}
