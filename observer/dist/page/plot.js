// Plots over time, with their legend, their gist in a sentence, and the same numbers as a table.
//
// A step that was not observed is a hole in the line and a shade behind it. Colours come from the style sheet, so that they
// follow the scheme; each line has a dash of its own, so that nobody has to tell colours apart.

import { h, setText } from "./dom.js";
import { clock, day, short } from "./format.js";

const HEIGHT = 190;
const SVG = "http://www.w3.org/2000/svg";
const live = new Set();

/** Draws every plot again, in the colours of now. */
export function repaint() {
  for (const plot of live) plot.redraw();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);

/**
 * A plot. `lines` are `{label, color, dash, values(points)}`, `stacked` puts one on the other, `format` writes a value, `gist` says
 * what there is to see in a sentence, with its numbers.
 */
export function plot({ heading, lines, stacked, format, gist, signal }) {
  const box = h("div", { class: "plot" });
  const legend = lines.map((line) => legendOf(line, stacked));
  const at = h("span", { class: "note", "aria-hidden": "true" });
  const details = h("details", { class: "numbers" }, h("summary", null, "as a table"));
  const element = h(
    "section",
    { class: "panel" },
    h("div", { class: "plot-head" }, h("h3", null, heading), at),
    h(
      "p",
      { class: "legend", "aria-hidden": "true" },
      legend.map(({ node }) => node),
    ),
    box,
    details,
  );
  let drawing = null;
  let data = null;

  function redraw() {
    if (!data || !box.isConnected || box.clientWidth === 0) return;
    drawing?.destroy();
    drawing = new uPlot(options(), columns(), box);
    const canvas = drawing.ctx.canvas;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${heading}: ${gist(data.points)}`);
  }

  function columns() {
    const values = lines.map((line) => line.values(data.points));
    const times = data.points.map((point) => point.at);
    if (!stacked) return [times, ...values];
    // What stands on top is drawn first, and lower ones over it.
    const sums = [];
    values.reduce(
      (below, own) => {
        const sum = own.map((value, number) => (value === null ? null : value + below[number]));
        sums.unshift(sum);
        return sum;
      },
      times.map(() => 0),
    );
    return [times, ...sums];
  }

  function options() {
    const color = (name) => resolve(box, name);
    const axis = { stroke: color("muted"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
    const drawnLines = stacked ? [...lines].reverse() : lines;
    const step = data.step;
    return {
      width: box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 20, 0, 0],
      cursor: { drag: { x: false, y: false }, y: false, points: { size: 6 }, sync: { key: "time" } },
      scales: { x: { range: () => [data.from, data.to] }, y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] } },
      axes: [
        { ...axis, size: 28, space: 64, values: (_, splits, __, ___, increment) => splits.map((split) => label(split, increment)) },
        { ...axis, size: 56, space: 36, values: (_, splits) => splits.map((split) => format(split, true)) },
      ],
      series: [
        {},
        ...drawnLines.map((line) => ({
          stroke: color(line.color),
          fill: stacked ? color(line.color) : undefined,
          width: stacked ? 0.5 : 1.5,
          dash: stacked ? undefined : line.dash,
          points: { show: stacked ? false : undefined, size: 4, fill: color(line.color) },
          paths: stacked && step * 400 > data.to - data.from ? uPlot.paths.stepped({ align: 1 }) : undefined,
        })),
      ],
      hooks: {
        drawClear: [(drawing) => shade(drawing, color("gap"))],
        setCursor: [({ cursor }) => point(cursor.idx)],
      },
    };
  }

  function shade({ ctx, bbox, valToPos }, color) {
    ctx.save();
    ctx.fillStyle = color;
    for (const gap of data.gaps) {
      const from = Math.max(valToPos(gap.from, "x", true), bbox.left);
      const to = Math.min(valToPos(gap.to, "x", true), bbox.left + bbox.width);
      if (to > from) ctx.fillRect(from, bbox.top, Math.max(to - from, 1), bbox.height);
    }
    ctx.restore();
  }

  function point(number) {
    const there = number !== null && number !== undefined && data.points[number];
    setText(at, there ? stamp(there.at) : "");
    lines.forEach((line, index) => {
      const value = there ? line.values([there])[0] : undefined;
      setText(legend[index].value, value === undefined ? "" : value === null ? "–" : format(value));
    });
  }

  details.addEventListener("toggle", () => numbers());
  function numbers() {
    details.querySelector(".scroll")?.remove();
    if (!details.open || !data) return;
    const values = lines.map((line) => line.values(data.points));
    const row = (point, number) =>
      h(
        "tr",
        null,
        h("th", { scope: "row" }, stamp(point.at)),
        values.map((column) => h("td", { class: "number" }, column[number] === null ? "–" : format(column[number]))),
      );
    details.append(
      h(
        "div",
        { class: "scroll short", role: "region", tabindex: "0", "aria-label": `${heading}, numbers` },
        h(
          "table",
          null,
          h("caption", { class: "hidden" }, `${heading}, the newest first`),
          h(
            "thead",
            null,
            h(
              "tr",
              null,
              h("th", { scope: "col" }, "from"),
              lines.map((line) => h("th", { scope: "col", class: "number" }, line.label)),
            ),
          ),
          h("tbody", null, data.points.map(row).reverse()),
        ),
      ),
    );
  }

  const size = new ResizeObserver(() => {
    if (!drawing) redraw();
    else if (box.clientWidth > 0) drawing.setSize({ width: box.clientWidth, height: HEIGHT });
  });
  size.observe(box);
  const self = { redraw };
  live.add(self);
  signal.addEventListener("abort", () => {
    size.disconnect();
    live.delete(self);
    drawing?.destroy();
  });

  return {
    element,
    /** Shows a history, see `history.js`. An open table keeps its place. */
    update(next) {
      data = next;
      redraw();
      const top = details.querySelector(".scroll")?.scrollTop;
      numbers();
      if (top) details.querySelector(".scroll").scrollTop = top;
    },
  };
}

function legendOf(line, stacked) {
  const swatch = document.createElementNS(SVG, "svg");
  const stroke = document.createElementNS(SVG, "line");
  for (const [name, value] of [
    ["width", 20],
    ["height", 10],
    ["viewBox", "0 0 20 10"],
  ])
    swatch.setAttribute(name, value);
  for (const [name, value] of [
    ["x1", 0],
    ["x2", 20],
    ["y1", 5],
    ["y2", 5],
  ])
    stroke.setAttribute(name, value);
  stroke.setAttribute("stroke-width", stacked ? 10 : 2);
  if (!stacked && line.dash) stroke.setAttribute("stroke-dasharray", line.dash.join(" "));
  stroke.setAttribute("class", `stroke-${line.color}`);
  swatch.append(stroke);
  const value = h("b");
  return { node: h("span", null, swatch, ` ${line.label} `, value), value };
}

/** What a colour of the style sheet comes to in the scheme of now. */
function resolve(box, name) {
  const probe = h("span", { hidden: true });
  probe.style.color = `var(--${name})`;
  box.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function stamp(seconds) {
  const date = new Date(seconds * 1000);
  return `${day(date)} ${clock(date).slice(0, 5)}`;
}

function label(seconds, increment) {
  const date = new Date(seconds * 1000);
  const time = clock(date).slice(0, 5);
  return increment >= 86400 || time === "00:00" ? day(date).slice(5) : time;
}

/** Numbers of requests: short on the axis. */
export const amount = (value, axis) =>
  axis ? short(value) : value >= 100 ? Math.round(value).toLocaleString("en-US") : String(+value.toFixed(1));
