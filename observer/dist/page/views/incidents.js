// What is open, the worst first, and what is done about it.

import { actionTable } from "../actions.js";
import { section } from "../dom.js";
import { count } from "../format.js";
import { incidentTable, tiles } from "../parts.js";
import { SEVERITIES } from "../words.js";

export default {
  title: () => "Incidents",
  look: () => "incidents",
  mount(place, context) {
    const orderOf = (params) => ({ sort: params.sort ?? "severity", order: params.order ?? "desc" });
    let params = context.params;
    const numbers = tiles(SEVERITIES.map((id) => ({ id, label: id[0].toUpperCase() + id.slice(1) })));
    const open = incidentTable({
      label: "Open incidents",
      empty: "Nothing is open. What is over: observer incidents list --all",
      order: orderOf(params),
      onorder(column) {
        const { sort, order } = orderOf(params);
        context.set({ sort: column.id, order: sort === column.id && order === "desc" ? "asc" : "desc" });
      },
    });
    const actions = actionTable("Responses in force or proposed", "Nobody is shut off or limited, and nothing is proposed.");
    return {
      nodes: [numbers.element, section("Open", ...open.nodes), section("In force and proposed", ...actions.nodes)],
      frame(frame) {
        numbers.update(
          Object.fromEntries(
            SEVERITIES.map((severity) => [severity, [count(frame.incidents.filter((incident) => incident.severity === severity).length)]]),
          ),
        );
        open.update(frame.incidents);
        actions.update([...frame.actions].sort((one, two) => (two.state === "proposed") - (one.state === "proposed")));
      },
      change(next) {
        params = next;
        open.reorder(orderOf(next));
      },
    };
  },
};
