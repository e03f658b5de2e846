// One incident: the sentence, the numbers that it was decided by, who has to act, and what to do.

import { draw, h, prose, section, setText } from "../dom.js";
import { completeness, figure, percent, unknown, when } from "../format.js";
import { toRoute } from "../links.js";
import { actButtons, ask } from "../orders.js";
import { every } from "../pace.js";
import { consumerName, facts, severity } from "../parts.js";
import { RULES, runbook } from "../rules.js";
import { call, onChange, read, signedIn } from "../session.js";

const STATES = { open: "open", ack: "acknowledged", closed: "closed", suppressed: "suppressed" };
const RESPONSIBLE = { provider: "the provider: whoever serves the API", consumer: "the consumer: whoever sends the requests" };

export default {
  title: () => "Incident",
  look: () => "incidents",
  mount({ parts: [id = ""] }, context) {
    const path = `/api/v1/incidents/${encodeURIComponent(id)}`;
    const box = h("div", null, h("p", { class: "note" }, "Reading …"));
    let drawn = null;

    async function load() {
      const { data, error, status, aborted } = await read(path, context.signal);
      if (aborted) return;
      if (error) {
        drawn = null;
        return box.replaceChildren(
          h(
            "p",
            { class: "empty" },
            status === 404 ? `There is no incident ${id}. ` : `It could not be read: ${error}. `,
            h("a", { href: "#/incidents" }, "What is open"),
          ),
        );
      }
      if (drawn?.state !== data.state) {
        drawn = { ...page(data, path), state: data.state };
        box.replaceChildren(...drawn.nodes);
      }
      drawn.update(data);
    }

    load();
    every(30, load, context.signal);
    onChange(load, context.signal);
    let seen = null;
    return {
      nodes: [box],
      frame(frame) {
        const now = JSON.stringify(frame.incidents.find((incident) => incident.id === id) ?? null);
        if (seen !== null && now !== seen) load();
        seen = now;
      },
    };
  },
};

function page(first, path) {
  const statement = h("p", { class: "statement" });
  const mark = h("p");
  const times = facts([
    { id: "rule", label: "Rule" },
    { id: "state", label: "State" },
    { id: "subject", label: "About" },
    { id: "consumer", label: "Consumer" },
    { id: "responsible", label: "Has to act" },
    { id: "detected", label: "Detected" },
    { id: "began", label: "First sign" },
    { id: "seen", label: "Last seen" },
    { id: "owasp", label: "OWASP API Security" },
  ]);
  const numbers = facts([
    { id: "seen", label: "Counted" },
    { id: "usual", label: "Usual" },
    { id: "score", label: "Score", title: "What the rule decided by, and what it had to exceed" },
    { id: "from", label: "From" },
    { id: "until", label: "To" },
    { id: "confidence", label: "Confidence", title: "How sure the rule is" },
    { id: "complete", label: "Completeness", title: "Share of the exchanges at the time that were seen with certainty" },
  ]);
  const lists = h("div", { class: "thirds" });
  const rule = Object.hasOwn(RULES, first.rule) ? RULES[first.rule][0] : "";
  return {
    nodes: [
      mark,
      statement,
      h("p", { class: "buttons" }, signedIn() ? deeds(first, path) : null),
      h("div", { class: "halves" }, section("What it is", times.element), section("The numbers behind it", numbers.element)),
      lists,
      section(
        "What to do",
        h("p", null, rule, " ", h("a", { href: runbook(first.rule) }, "The runbook says how to look, and what to do"), "."),
        first.proposed_action ? h("p", null, ...advice(first)) : null,
        h("p", { class: "note" }, ...prose("On the host: `observer incidents show " + first.id.replaceAll("`", "") + "`")),
      ),
    ],
    update(incident) {
      const { evidence } = incident;
      setText(statement, incident.statement);
      draw(mark, { ...severity(incident.severity), sub: incident.rule });
      times.update({
        rule: incident.rule,
        state: STATES[incident.state] ?? incident.state,
        subject: `${incident.subject_kind} ${incident.subject}`,
        consumer: incident.consumer ? consumerName(incident.consumer) : unknown("It is about no single consumer."),
        responsible: RESPONSIBLE[incident.responsible] ?? incident.responsible,
        detected: when(incident.detected_at),
        began: when(incident.first_seen),
        seen: when(incident.last_seen),
        owasp: incident.owasp.length ? incident.owasp.join(", ") : unknown("None of its classes."),
      });
      const share = evidence.of > 0;
      const value = (number) => (share ? percent(number) : figure(number));
      numbers.update({
        seen: share
          ? { text: `${figure(evidence.seen)} of ${figure(evidence.of)}`, sub: percent(evidence.seen / evidence.of) }
          : figure(evidence.seen),
        usual: { text: value(evidence.baseline), sub: evidence.deviation > 0 ? `± ${value(evidence.deviation)}` : "" },
        score:
          evidence.limit > 0
            ? { text: figure(evidence.score), sub: `limit ${figure(evidence.limit)}` }
            : unknown("The rule needs one event."),
        from: when(evidence.since),
        until: when(evidence.until),
        confidence: percent(incident.confidence),
        complete: completeness(incident.completeness),
      });
      lists.replaceChildren(
        list("Routes", evidence.routes, routeLink),
        list("Consumers", evidence.consumers, consumerName),
        list("Networks", evidence.networks, (text) => text),
      );
    },
  };
}

function list(heading, all, spec) {
  if (!all.length) return "";
  return section(
    heading,
    h(
      "ul",
      { class: "names" },
      all.map((one) => {
        const item = h("li");
        draw(item, spec(one));
        return item;
      }),
    ),
  );
}

/** Routes stand in the evidence as API and template with a space between. */
function routeLink(text) {
  const [api, route] = text.split(/ (.*)/s);
  return route ? { text: route, href: toRoute(api, route), sub: api } : text;
}

function advice({ proposed_action: verb, subject, subject_kind: kind, consumer }) {
  const text = `It may be met by a ${verb} of ${kind} ${subject}. `;
  if (!signedIn()) return [text, ...prose("`observer block` and `observer limit` on the host do so.")];
  const target = targetOf(kind, subject, consumer);
  return target ? [text, h("span", { class: "buttons" }, ...actButtons(target.id, target.kind))] : [text];
}

/** Whom an action would be about. A key stands as its consumer and its id; without id, it is the consumer. */
function targetOf(kind, subject, consumer) {
  if (kind === "credential" || kind === "network") return { kind, id: subject };
  if (kind !== "key") return null;
  if (subject === consumer) return { kind: "consumer", id: subject };
  return { kind: "key", id: consumer && subject.startsWith(`${consumer}/`) ? subject.slice(consumer.length + 1) : subject };
}

function deeds({ id, state, rule }, path) {
  const post = (body) => call("POST", path, body);
  const all = [];
  const button = (text, properties) => all.push(h("button", { type: "button", onclick: () => ask(properties) }, text), " ");
  const about = `${rule}, ${id}`;
  if (state === "open") {
    button("Acknowledge…", {
      title: "Acknowledge it?",
      text: `${about}: it stays open, and others see that somebody knows.`,
      button: "Acknowledge",
      run: () => post({ deed: "ack" }),
    });
  }
  if (state === "open" || state === "ack") {
    button("Close…", {
      title: "Close it?",
      text: `${about}: it opens again when it goes on.`,
      button: "Close it",
      run: () => post({ deed: "close" }),
    });
    const time = h(
      "select",
      { id: "suppress" },
      [
        ["1 day", 86400],
        ["7 days", 604800],
        ["30 days", 2592000],
      ].map(([label, value]) => h("option", { value }, label)),
    );
    button("Suppress…", {
      title: "Suppress it?",
      text: `${about}: it is closed, and not told of for a while.`,
      button: "Suppress",
      body: h("p", { class: "fields" }, h("label", { for: "suppress" }, "For"), time),
      run: () => post({ deed: "suppress", seconds: Number(time.value) }),
    });
  }
  return all;
}
