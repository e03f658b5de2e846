// Which routes ask for keys, which keys are in use, what TLS is agreed on: what needs a look stands first.

import { h, setText, show } from "../dom.js";
import { count, percent, plural, unknown, whenSeconds } from "../format.js";
import { actButtons } from "../orders.js";
import { every } from "../pace.js";
import { consumerName, noTraffic, posture, routeName } from "../parts.js";
import { onChange, read, signedIn } from "../session.js";
import { listing } from "../table.js";

const TABS = { routes: "Routes", keys: "Keys", tls: "TLS" };
const VERSIONS = ["SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"];
const tabOf = (params) => (Object.hasOwn(TABS, params.tab) ? params.tab : "routes");

export default {
  title: () => "Posture",
  look: () => "overview",
  mount(place, context) {
    let tab = tabOf(context.params);
    let data = null;
    let shown = null;
    const links = Object.entries(TABS).map(([id, text]) => [id, h("a", null, text)]);
    const summary = h("p", { class: "lead" }, "Reading …");
    const trouble = h("p", { class: "empty", hidden: true });
    const box = h("div");

    function open(params) {
      shown = LISTS[tab]({ ...context, params });
      box.replaceChildren(...shown.nodes);
      for (const [id, link] of links) {
        // Order and filter of one tab mean nothing to another.
        link.href = context.href({ tab: id, sort: null, order: null, filter: null });
        if (id === tab) link.setAttribute("aria-current", "page");
        else link.removeAttribute("aria-current");
      }
      draw();
    }

    function draw() {
      if (!data) return;
      setText(summary, SUMMARIES[tab](data));
      shown.update(data[{ routes: "rows", keys: "keys", tls: "listeners" }[tab]]);
    }

    async function load() {
      const answer = await read("/api/v1/posture", context.signal);
      if (answer.aborted) return;
      show(trouble, Boolean(answer.error));
      if (answer.error) return setText(trouble, `It could not be read: ${answer.error}`);
      data = answer.data;
      draw();
    }

    open(context.params);
    load();
    every(30, load, context.signal);
    onChange(load, context.signal);
    return {
      nodes: [
        h(
          "nav",
          { class: "tabs", "aria-label": "Posture" },
          links.map(([, link]) => link),
        ),
        summary,
        trouble,
        box,
      ],
      frame() {},
      change(params) {
        if (tabOf(params) === tab) return shown.change(params);
        tab = tabOf(params);
        open(params);
      },
    };
  },
};

/** What a route is to be looked at for, the worst first, with its weight. */
function routeFinding({ posture: name, access, unexpected = { undeclared: 0, deprecated: 0 } }) {
  const all = access.keyed + access.unkeyed;
  if (name === "mixed" && access.unkeyed * 20 <= all)
    return [5, `${plural(access.unkeyed, "success", "successes")} without a key, where keys are usual`];
  if (unexpected.undeclared > 0) return [4, `not declared by the API's document; answered ${plural(unexpected.undeclared, "time")}`];
  if (name === "open") return [3, "asks for no key, and is not declared public"];
  if (name === "mixed") return [3, `${percent(access.unkeyed / all)} of successes without a key`];
  if (unexpected.deprecated > 0) return [2, `deprecated, and answered ${plural(unexpected.deprecated, "time")}`];
  if (access.polluted > 0) return [1, `${plural(access.polluted, "success", "successes")} with a parameter given twice`];
  return [0, ""];
}

function keyFinding({ registered, success, requests, networks }) {
  if (!registered && success >= 0.5) return [4, "belongs to nobody, and is accepted"];
  if (!registered) return [2, "belongs to nobody"];
  if (requests >= 100 && success < 0.5) return [3, "most of its requests fail"];
  if (networks >= 12) return [1, "comes from a dozen networks or more"];
  return [0, ""];
}

function listenerFinding({ weak, versions }) {
  const agreed = versions.reduce((sum, value) => sum + value, 0);
  if (weak > 0) return [3, `${count(weak)} of ${plural(agreed, "handshake")} weak`];
  return [0, ""];
}

const findings = (all, finding) => all.filter((row) => finding(row)[0] > 0).length;

const SUMMARIES = {
  routes: ({ rows }) => `${count(findings(rows, routeFinding))} of ${plural(rows.length, "route")} need a look.`,
  keys: ({ keys }) => `${count(findings(keys, keyFinding))} of ${plural(keys.length, "key")} need a look.`,
  tls: ({ listeners }) =>
    `${count(findings(listeners, listenerFinding))} of ${plural(listeners.length, "port")} agreed on what should not be used any more.`,
};

function findingColumn(finding) {
  return {
    id: "finding",
    label: "Finding",
    class: "long",
    sort: (row) => finding(row)[0],
    cell: (row) => {
      const [weight, text] = finding(row);
      return text ? { text, class: weight >= 3 ? "found" : "" } : { text: "none", class: "unknown" };
    },
  };
}

const LISTS = {
  routes: (context) =>
    listing({
      context,
      label: "Routes and whether they ask for keys",
      noun: "routes",
      key: (row) => `${row.api} ${row.route}`,
      text: (row) => `${row.api} ${row.route} ${row.posture}`,
      initial: { sort: "finding", order: "desc" },
      empty: noTraffic(),
      columns: [
        { id: "route", label: "Route", head: true, class: "name", sort: (row) => row.route, cell: (row) => routeName(row) },
        { id: "api", label: "API", wide: true, class: "name", sort: (row) => row.api, cell: (row) => row.api },
        { id: "posture", label: "Posture", sort: (row) => row.posture, cell: (row) => posture(row.posture) },
        findingColumn(routeFinding),
        {
          id: "keyed",
          label: "With key",
          number: true,
          wide: true,
          title: "Successes with a credential",
          sort: (row) => row.access.keyed,
          cell: (row) => count(row.access.keyed),
        },
        {
          id: "unkeyed",
          label: "Without",
          number: true,
          title: "Successes without a credential",
          sort: (row) => row.access.unkeyed,
          cell: (row) => count(row.access.unkeyed),
        },
        {
          id: "last",
          label: "Last without",
          wide: true,
          sort: (row) => row.access.last_unkeyed,
          cell: (row) => whenSeconds(row.access.last_unkeyed),
        },
      ],
    }),
  keys: (context) => {
    const columns = [
      { id: "key", label: "Key", head: true, class: "name", sort: (row) => row.key, cell: (row) => ({ text: row.key, class: "code" }) },
      { id: "consumer", label: "Consumer", class: "name", sort: (row) => row.consumer, cell: (row) => consumerName(row.consumer) },
      findingColumn(keyFinding),
      { id: "last", label: "Last used", sort: (row) => row.last, cell: (row) => whenSeconds(row.last) },
      { id: "first", label: "First used", wide: true, sort: (row) => row.first, cell: (row) => whenSeconds(row.first) },
      {
        id: "networks",
        label: "Networks",
        number: true,
        wide: true,
        title: "A dozen at most",
        sort: (row) => row.networks,
        cell: (row) => count(row.networks),
      },
      { id: "requests", label: "Requests", number: true, wide: true, sort: (row) => row.requests, cell: (row) => count(row.requests) },
      {
        id: "success",
        label: "Success",
        number: true,
        wide: true,
        title: "Share that succeeds; what was long ago counts less",
        sort: (row) => row.success,
        cell: (row) => percent(row.success),
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
    return listing({
      context,
      label: "Keys in use",
      noun: "keys",
      key: (row) => `${row.consumer} ${row.key}`,
      text: (row) => `${row.key} ${row.consumer}`,
      initial: { sort: "finding", order: "desc" },
      empty: "No key was seen yet. Where keys stand in a place of an API's own, observer keys discover finds it.",
      columns,
    });
  },
  tls: (context) =>
    listing({
      context,
      label: "Ports that speak TLS",
      noun: "ports",
      key: (row) => row.name,
      text: (row) => row.name,
      initial: { sort: "finding", order: "desc" },
      empty: "No TLS handshake with a port of this host was seen.",
      columns: [
        {
          id: "name",
          label: "Port",
          head: true,
          class: "name",
          title: "Interface and port",
          sort: (row) => row.name,
          cell: (row) => row.name,
        },
        findingColumn(listenerFinding),
        ...VERSIONS.map((label, number) => ({
          id: `v${number}`,
          label,
          number: true,
          wide: number === 0,
          title: "Handshakes that agreed on it",
          sort: (row) => row.versions[number],
          cell: (row) => ({ text: count(row.versions[number]), class: number < 3 && row.versions[number] > 0 ? "found" : "" }),
        })),
        {
          id: "refused",
          label: "Refused",
          number: true,
          wide: true,
          title: "Handshakes that the server refused",
          sort: (row) => row.refused,
          cell: (row) => count(row.refused),
        },
        {
          id: "unread",
          label: "Unread",
          number: true,
          wide: true,
          title: "Handshakes of which not all of the server's hello was seen",
          sort: (row) => row.unread,
          cell: (row) => count(row.unread),
        },
        { id: "weak", label: "Last weak", wide: true, sort: (row) => row.last_weak, cell: (row) => whenSeconds(row.last_weak) },
        {
          id: "last",
          label: "Last",
          wide: true,
          sort: (row) => row.last,
          cell: (row) => (row.last ? whenSeconds(row.last) : unknown("never")),
        },
      ],
    }),
};
