// Elements: how they are made, and how they change in place.
//
// Everything that comes from the daemon is text of strangers. It gets here only through text nodes and attributes that
// cannot run: there is no way in this file to write markup.

/** An element. Properties that begin with "on" are listeners, null and false are left out. */
export function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** A text with `code` between backquotes. Only for texts of this page's own. */
export function prose(text) {
  return text.split("`").map((part, number) => (number % 2 ? h("code", null, part) : part));
}

/** Sets a text, and touches nothing where it stands already: a selection in it stays. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Sets an attribute, or takes it away. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === "") element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** What each element shows, so that the same is not drawn twice. */
const drawn = new WeakMap();

/**
 * Shows a text, or `{text, title, class, href, datetime, sub, bar, level}`, in an element. Links and bars are kept and changed, so
 * that focus and selection live through it. `bar` is a share of 1, `level` how bad it is.
 */
export function draw(element, what) {
  const spec = typeof what === "string" ? { text: what } : what;
  const had = drawn.get(element) ?? { parts: {} };
  if (
    had.text === spec.text &&
    had.title === spec.title &&
    had.class === spec.class &&
    had.href === spec.href &&
    had.sub === spec.sub &&
    had.bar === spec.bar &&
    had.level === spec.level &&
    had.datetime === spec.datetime
  )
    return;
  const { parts } = had;
  const tag = spec.href ? "a" : spec.datetime ? "time" : "span";
  if (parts.label?.localName !== tag) {
    const label = document.createElement(tag);
    if (parts.label) parts.label.replaceWith(label);
    else element.prepend(label);
    parts.label = label;
  }
  setText(parts.label, spec.text);
  if (tag === "a") setAttribute(parts.label, "href", spec.href);
  if (tag === "time") setAttribute(parts.label, "datetime", spec.datetime);
  setAttribute(parts.label, "title", spec.title);
  parts.label.className = spec.class ?? "";
  drawSub(element, parts, spec.sub);
  drawBar(element, parts, spec);
  drawn.set(element, { ...spec, parts });
}

function drawSub(element, parts, text) {
  if (text && !parts.sub) {
    parts.sub = h("span", { class: "sub" });
    parts.label.after(" ", parts.sub);
  }
  if (parts.sub) setText(parts.sub, text ?? "");
}

function drawBar(element, parts, { bar, level }) {
  if (bar === undefined && !parts.bar) return;
  if (!parts.bar) {
    parts.bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span"));
    element.append(parts.bar);
  }
  parts.bar.hidden = bar === undefined || bar === null;
  parts.bar.dataset.level = level ?? "";
  parts.bar.firstChild.style.width = `${Math.min(1, Math.max(0, bar ?? 0)) * 100}%`;
}

/** Shows an element or hides it. */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/** A section with its heading. */
export function section(heading, ...children) {
  return h("section", null, h("h2", null, heading), ...children);
}
