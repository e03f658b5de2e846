// Actions: who is shut off or limited, by whose word, what came of it, and what may be done about it.

import { h } from "./dom.js";
import { count, whenNanoseconds } from "./format.js";
import { toIncident } from "./links.js";
import { decide } from "./orders.js";
import { signedIn } from "./session.js";
import { table } from "./table.js";

/** Whom an action is about, in words. */
const subjectWords = (subject) => `${subject.kind} ${subject.id}`;

/** Who had it done, in words. */
function byWords(by) {
  if (by.user !== undefined) return by.user;
  return { text: by.incident.rule, href: toIncident(by.incident.id) };
}

/** A table of actions, with what may be done about them by who is signed in. */
export function actionTable(label, empty) {
  const columns = [
    {
      id: "state",
      label: "State",
      cell: ({ state }) =>
        state === "proposed" ? { text: "proposed", class: "mark severity-medium" } : { text: "in force", class: "mark severity-high" },
    },
    { id: "verb", label: "What", cell: ({ verb, id }) => ({ text: verb, sub: id }) },
    { id: "subject", label: "Whom", head: true, cell: (action) => ({ text: subjectWords(action.subject), sub: action.consumer ?? "" }) },
    { id: "until", label: "Until", cell: (action) => whenNanoseconds(action.until) },
    {
      id: "refused",
      label: "Refused",
      number: true,
      title: "Requests that were stopped; of a proposal, that would have been",
      cell: (action) => (action.state === "proposed" ? { text: count(action.dry), sub: "would be" } : count(action.hits.refused)),
    },
    { id: "passed", label: "Let through", number: true, wide: true, title: "Requests that reached the service all the same", cell: passed },
    { id: "by", label: "By", wide: true, cell: (action) => byWords(action.by) },
    { id: "reason", label: "Reason", wide: true, class: "long", cell: (action) => action.reason },
  ];
  // Beside whom they are about, and in sight without scrolling.
  if (signedIn()) columns.splice(4, 0, { id: "do", label: "", class: "buttons", make: actionButtons });
  return table({ label, columns, key: (action) => `${action.id} ${JSON.stringify(action.state)}`, empty });
}

/** What got through, and why in the title. */
function passed({ hits }) {
  return {
    text: count(hits.passed + hits.late + hits.shared),
    title:
      `${count(hits.passed)} within the limit; ${count(hits.late)} recognised only at the service, and their connections reset; ` +
      `${count(hits.shared)} on connections that others share`,
  };
}

function actionButtons(cell, row) {
  const button = (text, order, title) => h("button", { type: "button", onclick: () => decide(row(), order, title) }, text);
  if (row().state === "proposed")
    cell.append(button("Approve…", "approve", "Put it in force"), " ", button("Reject…", "reject", "Reject it"));
  else if (row().state === "active") cell.append(button("End…", "undo", "End it now"));
}
