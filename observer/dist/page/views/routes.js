// All routes, to sort and to look through.

import { routeColumns, noTraffic } from "../parts.js";
import { listing } from "../table.js";

export default {
  title: () => "Routes",
  look: () => "routes",
  mount(place, context) {
    const all = listing({
      context,
      label: "Routes",
      noun: "routes",
      columns: routeColumns(true),
      key: (row) => `${row.api} ${row.route}`,
      text: (row) => `${row.api} ${row.route}`,
      initial: { sort: "rate", order: "desc" },
      empty: noTraffic(),
    });
    return { nodes: all.nodes, frame: (frame) => all.update(frame.routes, frame.counts.routes), change: all.change };
  },
};
