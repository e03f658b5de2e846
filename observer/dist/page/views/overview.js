// The overview: how much there is, how much of it fails, what is open, and who is busy.

import { h, section, show } from "../dom.js";
import { bytes, completeness, count, percent, plural, rate, unknown } from "../format.js";
import { historyPanel } from "../history.js";
import { allLink, consumerColumns, incidentTable, noRegistry, noTraffic, routeColumns, tiles } from "../parts.js";
import { table } from "../table.js";
import { CLASSES, SEVERITIES, reserved } from "../words.js";

/** Incidents that are shown here. */
const INCIDENTS = 8;

export default {
  title: () => "Overview",
  look: () => "overview",
  mount(place, context) {
    const numbers = tiles([
      { id: "rate", label: "Requests", title: "Requests a second" },
      { id: "errors", label: "Errors, five minutes", title: "Share of requests with errors in the last five minutes, by class" },
      {
        id: "complete",
        label: "Completeness",
        title: "Certain exchanges of the last minute among all that must have been",
        href: "#/health",
      },
      { id: "incidents", label: "Open incidents", href: "#/incidents" },
      { id: "opaque", label: "Opaque connections", title: "Connections that could not be read", href: "#/health" },
    ]);
    const nothing = noTraffic();
    const unowned = noRegistry();
    show(nothing, false);
    show(unowned, false);
    const history = historyPanel({ context, scope: "", plots: ["requests", "errors"] });
    const open = incidentTable({ label: "Open incidents", empty: "Nothing is open." });
    const consumers = table({
      label: "Busiest consumers",
      columns: consumerColumns(false),
      key: (row) => row.consumer,
      empty: "No consumer yet.",
    });
    const routes = table({
      label: "Busiest routes",
      columns: routeColumns(false),
      key: (row) => `${row.api} ${row.route}`,
      empty: "No route yet.",
    });
    const links = [allLink("incident", "#/incidents"), allLink("consumer", "#/consumers"), allLink("route", "#/routes")];

    return {
      nodes: [
        numbers.element,
        nothing,
        unowned,
        section("Traffic", ...history.nodes),
        section("Open incidents", ...open.nodes, links[0].element),
        h(
          "div",
          { class: "halves" },
          section("Busiest consumers", ...consumers.nodes, links[1].element),
          section("Busiest routes", ...routes.nodes, links[2].element),
        ),
      ],
      frame(frame) {
        const { totals, counts } = frame;
        numbers.update({
          rate: [
            rate(totals.rate),
            `${frame.seconds ? `over ${frame.seconds.toFixed(1)} s, ` : ""}${count(totals.requests)} in all`,
            `${bytes(totals.request_bytes)} in, ${bytes(totals.response_bytes)} out`,
          ],
          errors: errorLines(totals),
          complete: [completeness(frame.completeness), "of the last minute", `${plural(totals.hops, "leg")} between own processes`],
          incidents: incidentLines(frame),
          opaque: [count(totals.opaque), `${plural(totals.connections, "connection")} open`],
        });
        show(nothing, totals.requests === 0);
        show(
          unowned,
          totals.requests > 0 &&
            counts.consumers > 0 &&
            counts.consumers <= frame.consumers.length &&
            frame.consumers.every((row) => reserved(row.consumer)),
        );
        open.update(bySeverity(frame.incidents).slice(0, INCIDENTS));
        consumers.update(frame.consumers);
        routes.update(frame.routes);
        [counts.incidents, counts.consumers, counts.routes].forEach((number, index) => links[index].update(number));
      },
      change: history.change,
    };
  },
};

function errorLines({ error_ratio: ratios, recent }) {
  const all = ratios.reduce((sum, value) => sum + value, 0);
  if (!recent) return [unknown("No request in the last five minutes."), "no request in five minutes"];
  return [percent(all), ...CLASSES.map(({ label, title }, number) => ({ text: `${percent(ratios[number])} ${label}`, title }))];
}

function incidentLines({ counts, incidents }) {
  const lines = SEVERITIES.map((severity) => [severity, incidents.filter((incident) => incident.severity === severity).length])
    .filter(([, number]) => number > 0)
    .map(([severity, number]) => `${count(number)} ${severity}`);
  const all = counts.incidents > incidents.length ? [`of the newest ${count(incidents.length)}`] : [];
  return [
    count(counts.incidents),
    ...lines,
    ...all,
    ...(counts.actions ? [`${plural(counts.actions, "response")}, in force or proposed`] : []),
  ];
}

function bySeverity(incidents) {
  return [...incidents].sort((one, two) => SEVERITIES.indexOf(one.severity) - SEVERITIES.indexOf(two.severity));
}
