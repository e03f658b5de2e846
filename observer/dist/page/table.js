// Tables that live: rows are known by a key and change in place.
//
// While somebody points at a row, has the focus in one or has selected text in one, rows keep their places. Numbers change, but
// nothing moves under a pointer and nothing loses focus.

import { draw, h, setAttribute, setText, show } from "./dom.js";
import { count } from "./format.js";

/** Most rows that are drawn. */
const ROWS = 1000;

/**
 * A table. `columns` are `{id, label, title, number, wide, head, cell(row), sort(row), make(td, row())}`: `cell` gives what `draw`
 * takes, `sort` what it is ordered by, `make` fills a cell once. `key(row)` names a row. `order` is `{sort, order}`; `onorder` is told of
 * a click on a heading. `empty` stands where there is no row.
 */
export function table({ label, columns, key, order, onorder, empty }) {
  const body = h("tbody");
  const heads = columns.map((column) => heading(column, onorder));
  const element = h("table", null, h("caption", { class: "hidden" }, label), h("thead", null, h("tr", null, heads)), body);
  const region = h("div", { class: "scroll", role: "region", tabindex: "0", "aria-label": label }, element);
  const nothing = h("div", { class: "empty" }, empty ?? "Nothing here yet.");
  const more = h("p", { class: "note", hidden: true });
  const rows = new Map();
  let given = null;

  function update(all) {
    given = all;
    show(region, all.length > 0);
    show(nothing, all.length === 0);
    const sorted = arrange(all, columns, order);
    show(more, sorted.length > ROWS);
    if (sorted.length > ROWS) setText(more, `The first ${count(ROWS)} of ${count(sorted.length)}.`);
    place(sorted.slice(0, ROWS));
  }

  function place(sorted) {
    const wanted = new Set();
    for (const row of sorted) {
      const name = key(row);
      wanted.add(name);
      const known = rows.get(name) ?? enter(name);
      known.row = row;
      fill(columns, known);
    }
    for (const [name, known] of rows) {
      if (wanted.has(name)) continue;
      known.tr.remove();
      rows.delete(name);
    }
    if (isHeld(body)) {
      for (const { tr } of rows.values()) if (!tr.parentNode) body.append(tr);
      return;
    }
    let next = body.firstChild;
    for (const row of sorted) {
      const { tr } = rows.get(key(row));
      if (tr === next) next = next.nextSibling;
      else body.insertBefore(tr, next);
    }
  }

  function enter(name) {
    const known = { tr: h("tr"), cells: [], row: null };
    rows.set(name, known);
    for (const column of columns) {
      const cell = h(column.head ? "th" : "td", { class: classes(column), scope: column.head ? "row" : null });
      known.cells.push(cell);
      known.tr.append(cell);
    }
    return known;
  }

  function mark() {
    columns.forEach((column, number) => {
      const sorted = order && column.sort && order.sort === column.id;
      setAttribute(heads[number], "aria-sort", sorted ? (order.order === "asc" ? "ascending" : "descending") : null);
    });
  }

  mark();
  return {
    nodes: [region, nothing, more],
    update,
    /** Another order. */
    reorder(next) {
      order = next;
      mark();
      if (given) update(given);
    },
  };
}

function heading(column, onorder) {
  const cell = h("th", { scope: "col", class: classes(column), title: column.title });
  if (!column.sort || !onorder) {
    cell.append(column.label || h("span", { class: "hidden" }, "Actions"));
    return cell;
  }
  cell.append(h("button", { type: "button", class: "sort", onclick: () => onorder(column) }, column.label));
  return cell;
}

function classes(column) {
  return [column.number && "number", column.wide && "wide", column.class].filter(Boolean).join(" ") || null;
}

function fill(columns, known) {
  columns.forEach((column, number) => {
    const cell = known.cells[number];
    if (column.cell) draw(cell, column.cell(known.row));
    else if (!cell.firstChild) column.make(cell, () => known.row);
  });
}

/** Rows in an order. What is not known is last either way. */
function arrange(all, columns, order) {
  const column = order && columns.find((column) => column.id === order.sort);
  if (!column?.sort) return all;
  const turn = order.order === "asc" ? 1 : -1;
  const valued = all.map((row) => [column.sort(row), row]);
  const missing = (value) => value === null || value === undefined || Number.isNaN(value);
  valued.sort(([one], [two]) => {
    if (missing(one) || missing(two)) return missing(one) - missing(two);
    if (one === two) return 0;
    return (typeof one === "string" ? one.localeCompare(two, "en", { numeric: true }) : one - two) * turn;
  });
  return valued.map(([, row]) => row);
}

function isHeld(body) {
  if (body.matches(":hover") || body.contains(document.activeElement)) return true;
  const selection = getSelection();
  return selection !== null && !selection.isCollapsed && selection.containsNode(body, true);
}

/**
 * A table whose order and filter stand in the address. `text(row)` is what the filter looks in. `context` is that of the view.
 */
export function listing({ context, text, noun, initial, ...options }) {
  let params = context.params;
  let all = null;
  const orderOf = () => ({ sort: params.sort ?? initial.sort, order: params.order ?? initial.order });
  const inner = table({
    ...options,
    order: orderOf(),
    onorder(column) {
      const { sort, order } = orderOf();
      const first = column.number ? "desc" : "asc";
      const next = sort === column.id ? (order === "asc" ? "desc" : "asc") : first;
      context.set({ sort: column.id, order: next });
    },
  });
  let there = 0;
  const found = h("p", { class: "note", id: "found" });
  const input = h("input", {
    type: "search",
    id: "filter",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "part of a name",
    maxlength: "200",
    oninput: () => context.set({ filter: input.value || null }, { replace: true }),
  });
  input.value = params.filter ?? "";

  function redraw() {
    if (!all) return;
    const wanted = (params.filter ?? "").toLowerCase();
    const rows = wanted ? all.filter((row) => text(row).toLowerCase().includes(wanted)) : all;
    inner.update(rows);
    const cut = there > all.length ? `the ${count(all.length)} busiest of ${count(there)} ${noun}` : `${count(all.length)} ${noun}`;
    setText(found, rows.length === all.length ? cut : `${count(rows.length)} of ${cut} match`);
  }

  return {
    nodes: [h("div", { class: "toolbar" }, h("label", { for: "filter" }, "Filter"), input, found), ...inner.nodes],
    /** Rows, and how many there are beyond those. */
    update(rows, count) {
      all = rows;
      there = count;
      redraw();
    },
    change(next) {
      const before = orderOf();
      params = next;
      if ((params.filter ?? "") !== input.value) input.value = params.filter ?? "";
      const after = orderOf();
      if (before.sort !== after.sort || before.order !== after.order) inner.reorder(after);
      redraw();
    },
  };
}
