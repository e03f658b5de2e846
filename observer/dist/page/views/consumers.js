// All consumers, to sort and to look through.

import { consumerColumns, noTraffic } from "../parts.js";
import { listing } from "../table.js";

export default {
  title: () => "Consumers",
  look: () => "consumers",
  mount(place, context) {
    const all = listing({
      context,
      label: "Consumers",
      noun: "consumers",
      columns: consumerColumns(true),
      key: (row) => row.consumer,
      text: (row) => row.consumer,
      initial: { sort: "rate", order: "desc" },
      empty: noTraffic(),
    });
    return { nodes: all.nodes, frame: (frame) => all.update(frame.consumers, frame.counts.consumers), change: all.change };
  },
};
