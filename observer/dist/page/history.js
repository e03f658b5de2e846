// What was, over a window: read from the ledger, once a minute, and drawn.
//
// The ledger leaves out steps without traffic. They are zero here, unless they lie in a time in which nothing was observed:
// then nobody knows.

import { h, setText, show } from "./dom.js";
import { completeness, count, duration, local, milliseconds, moment, percent, short } from "./format.js";
import { every } from "./pace.js";
import { amount, plot } from "./plot.js";
import { read } from "./session.js";
import { CLASSES } from "./words.js";

const WINDOWS = ["1h", "6h", "24h", "7d"];

/**
 * Window buttons and plots. `scope` is what the history is of, as a query; `plots` some of requests, errors, latency; `extra` gets the
 * answer and draws what else is in it.
 */
export function historyPanel({ context, scope, plots, extra }) {
  let chosen = windowOf(context.params);
  const links = WINDOWS.map((name) => h("a", { href: context.href({ window: name }) }, name));
  const note = h("p", { class: "note" });
  const trouble = h("p", { class: "empty", hidden: true });
  const drawn = plots.map((name) => PLOTS[name](context.signal));
  const grid = h(
    "div",
    { class: "plots" },
    drawn.map(({ element }) => element),
  );

  function mark() {
    links.forEach((link, number) => {
      link.href = context.href({ window: WINDOWS[number] });
      if (WINDOWS[number] === chosen) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  }

  async function load() {
    const asked = chosen;
    const { data, error, status, aborted } = await read(`/api/v1/history?window=${asked}${scope ? `&${scope}` : ""}`, context.signal);
    if (aborted || asked !== chosen) return;
    show(trouble, Boolean(error));
    show(grid, !error);
    if (error) {
      setText(trouble, status === 404 ? `There is no history to show: ${error}` : `The history could not be read: ${error}`);
      setText(note, "");
      extra?.(null);
      return;
    }
    const filled = fill(data);
    for (const one of drawn) one.update(filled);
    setText(note, words(data, filled));
    extra?.(data);
  }

  mark();
  load();
  every(60, load, context.signal);
  return {
    nodes: [
      h("div", { class: "toolbar" }, h("span", { class: "windows", role: "group", "aria-label": "Window" }, links), note),
      trouble,
      grid,
    ],
    change(params) {
      if (windowOf(params) === chosen) return mark();
      chosen = windowOf(params);
      mark();
      return load();
    },
  };
}

function windowOf(params) {
  return WINDOWS.includes(params.window) ? params.window : "1h";
}

/** Every whole step of a history. Seconds since 1970. */
function fill({ from, to, step, gaps, points }) {
  const [begin, end] = [moment(from) / 1000, moment(to) / 1000];
  const holes = gaps.map((gap) => ({ from: moment(gap.from) / 1000, to: moment(gap.to) / 1000 }));
  const known = new Map(points.map((point) => [point.at, point]));
  const all = [];
  // A step that goes on is left out: it would look like a fall.
  for (let at = Math.ceil(begin / step) * step; at + step <= end; at += step) {
    const hidden = holes.some((hole) => hole.from < at + step && hole.to > at);
    const point = known.get(at);
    if (point) all.push({ ...point, step });
    else all.push({ at, step, requests: hidden ? null : 0, client: 0, auth: 0, limited: 0, server: 0, mean_ms: null });
  }
  return { from: begin, to: end, step, gaps: holes, points: all };
}

function words(data, { step }) {
  const gaps = data.gaps.map((gap) => `${local(moment(gap.from))} to ${local(moment(gap.to))} (${gap.reason})`);
  const told = gaps.length > 3 ? [...gaps.slice(0, 3), `${gaps.length - 3} more`] : gaps;
  return (
    `steps of ${duration(step)}, complete to ${completeness(data.completeness)}` + (gaps.length ? `; not observed: ${told.join(", ")}` : "")
  );
}

const minutely = (point, value) => (point.requests === null ? null : (value * 60) / point.step);
const share = (point, value) => (point.requests ? value / point.requests : null);
const errorsOf = (point) => point.client + point.auth + point.limited + point.server;
const sum = (points, of) => points.reduce((total, point) => total + (of(point) ?? 0), 0);
const most = (points, of) => points.reduce((found, point) => Math.max(found, of(point) ?? 0), 0);

const PLOTS = {
  requests: (signal) =>
    plot({
      heading: "Requests a minute",
      stacked: true,
      format: amount,
      signal,
      lines: [
        ...CLASSES.map(({ id, label }) => ({
          label,
          color: id,
          values: (points) => points.map((point) => minutely(point, point[id])),
        })).reverse(),
        { label: "ok", color: "ok", values: (points) => points.map((point) => minutely(point, point.requests - errorsOf(point))) },
      ],
      gist: (points) =>
        `${count(sum(points, (point) => point.requests))} requests in all, ` +
        `${amount(most(points, (point) => minutely(point, point.requests)))} a minute at most, ` +
        `${count(sum(points, errorsOf))} with errors.`,
    }),
  errors: (signal) =>
    plot({
      heading: "Share of requests with errors",
      format: (value, axis) => (axis ? `${short(+(value * 100).toPrecision(3))}%` : percent(value)),
      signal,
      lines: CLASSES.map(({ id, label, dash }) => ({
        label,
        color: id,
        dash,
        values: (points) => points.map((point) => share(point, point[id])),
      })),
      gist: (points) =>
        CLASSES.map(({ id, label }) => {
          const all = sum(points, (point) => point.requests);
          return (
            `${label} ${percent(all ? sum(points, (point) => point[id]) / all : 0)}, at most ` +
            percent(most(points, (point) => share(point, point[id])))
          );
        }).join("; ") + ".",
    }),
  latency: (signal) =>
    plot({
      heading: "Mean time of a request",
      format: (value, axis) => (axis ? `${short(value)} ms` : milliseconds(value)),
      signal,
      lines: [{ label: "mean", color: "accent", values: (points) => points.map((point) => (point.requests ? point.mean_ms : null)) }],
      gist: (points) => {
        const timed = points.filter((point) => point.requests && point.mean_ms !== null);
        if (!timed.length) return "no request was timed.";
        const all = sum(timed, (point) => point.requests);
        return (
          `${milliseconds(sum(timed, (point) => point.mean_ms * point.requests) / all)} in the mean, ` +
          `${milliseconds(most(timed, (point) => point.mean_ms))} at most.`
        );
      },
    }),
};
