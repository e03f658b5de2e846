// The page: which view is shown, what stands around it, and the keys.
//
// A view is `{title(place), look(place), mount(place, context)}`; `mount` gives `{nodes, frame(frame), change(params)}`. It is kept while
// only its parameters change, and told to stop by `context.signal`.

import { h, prose, setText, show } from "./dom.js";
import { count, local, moment, when } from "./format.js";
import { address, parse } from "./links.js";
import { news } from "./news.js";
import { onPace, paused, setPaused } from "./pace.js";
import { repaint } from "./plot.js";
import { begin, end, onChange, onSession, session, takeTicket } from "./session.js";
import { once, stream } from "./stream.js";

/** Views are fetched when they are opened first. */
const VIEWS = ["overview", "consumers", "routes", "consumer", "route", "incidents", "incident", "posture", "health"];
/** Where a view belongs in the navigation. */
const PARENTS = { consumer: "consumers", route: "routes", incident: "incidents" };
const element = (id) => document.getElementById(id);

let shown = null;
let turns = 0;
const announce = news(element("news"), element("announcements"));
const live = stream({ frame: take, state: tell });

async function navigate(focus) {
  const turn = ++turns;
  const place = parse(location.hash);
  if (!VIEWS.includes(place.view)) Object.assign(place, { view: "overview", parts: [], params: {} });
  const path = JSON.stringify([place.view, place.parts]);
  if (shown?.path === path) {
    shown.place = place;
    shown.view.change?.(place.params);
    return;
  }
  let kind;
  try {
    ({ default: kind } = await import(`./views/${place.view}.js`));
  } catch (error) {
    if (turn === turns) fail(error);
    return;
  }
  if (turn !== turns) return;
  mount(kind, place, path);
  scrollTo(0, 0);
  if (focus) element("title").focus({ preventScroll: true });
}

/** A view that could not be had: the daemon is gone, or another one came. */
function fail(error) {
  shown?.stop.abort();
  shown = null;
  element("content").replaceChildren(
    h("h1", { id: "title", tabindex: "-1" }, "Not shown"),
    h(
      "p",
      { class: "empty" },
      `This view could not be shown: ${error.message}. `,
      h("button", { type: "button", onclick: () => location.reload() }, "Load the page again"),
    ),
  );
}

function mount(kind, place, path) {
  shown?.stop.abort();
  const stop = new AbortController();
  const title = kind.title(place);
  const next = { kind, path, place, stop, look: kind.look(place), whole: ["overview", "incidents"].includes(place.view), view: null };
  shown = next;
  const context = {
    params: place.params,
    signal: stop.signal,
    href: (changes) => address(place.view, place.parts, { ...next.place.params, ...changes }),
    set(changes, { replace } = {}) {
      const target = context.href(changes);
      if (replace) {
        history.replaceState(null, "", target);
        navigate();
      } else location.hash = target;
    },
    refresh: () => once(next.look).then((frame) => frame && shown === next && take(frame)),
  };
  onChange(context.refresh, stop.signal);
  next.view = kind.mount(place, context);
  document.title = `${title} – observer`;
  element("content").replaceChildren(h("h1", { id: "title", tabindex: "-1" }, title), ...next.view.nodes);
  const current = PARENTS[place.view] ?? place.view;
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === current) link.setAttribute("aria-current", current === place.view ? "page" : "true");
    else link.removeAttribute("aria-current");
  }
  live.look(next.look);
}

function take(frame) {
  show(element("trouble"), Boolean(frame.trouble));
  if (frame.trouble) setText(element("trouble"), `Traffic is not observed: ${frame.trouble}`);
  const open = frame.counts.incidents;
  show(element("open-count"), open > 0);
  setText(element("open-count"), open > 0 ? count(open) : "");
  element("open-count").title = `${count(open)} open`;
  const from = moment(frame.from);
  if (from) {
    setText(element("since"), `counting since ${local(from)}`);
    element("since").title = when(frame.from).title;
  }
  shown?.view.frame(frame);
  announce(frame, shown?.whole);
}

function tell(state, words) {
  element("stream").dataset.state = state;
  setText(element("stream-text"), words);
}

// Pausing, colours, help.

function pause() {
  setPaused(!paused());
}

onPace(() => {
  element("pause").setAttribute("aria-pressed", String(paused()));
  setText(element("pause"), paused() ? "Go on" : "Pause");
});

const stored = {
  get: (name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },
  set: (name, value) => {
    try {
      localStorage.setItem(name, value);
    } catch {
      // A browser that keeps nothing has the choice until the page is left.
    }
  },
};

const THEMES = ["auto", "light", "dark"];

function setTheme(name) {
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  setText(element("theme"), `Theme: ${name}`);
  element("theme").dataset.now = name;
  repaint();
}

element("theme").addEventListener("click", () => {
  const next = THEMES[(THEMES.indexOf(element("theme").dataset.now) + 1) % THEMES.length];
  stored.set("observer.theme", next);
  setTheme(next);
});

let shortcuts = stored.get("observer.shortcuts") !== "off";

async function openHelp() {
  const { help } = await import("./help.js");
  help(shortcuts, (on) => {
    shortcuts = on;
    stored.set("observer.shortcuts", on ? "on" : "off");
  });
}

element("pause").addEventListener("click", pause);
element("help").addEventListener("click", openHelp);
element("skip").addEventListener("click", (event) => {
  // The fragment is the view's address, so that the link cannot have its own.
  event.preventDefault();
  element("content").focus();
});

// Keys.

const GO = { o: "overview", c: "consumers", r: "routes", i: "incidents", p: "posture", h: "health" };
let went = -Infinity;

document.addEventListener("keydown", (event) => {
  if (!shortcuts || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest?.("input, select, textarea, [contenteditable], dialog") || document.querySelector("dialog[open]")) return;
  const gone = performance.now() - went < 1500;
  went = -Infinity;
  if (gone && Object.hasOwn(GO, event.key)) location.hash = `#/${GO[event.key]}`;
  else if (event.key === "g") went = performance.now();
  else if (event.key === "p") pause();
  else if (event.key === "?") openHelp();
  else if (event.key === "/" && element("filter")) element("filter").focus();
  else return;
  event.preventDefault();
});

// Who is signed in.

function footer(trouble) {
  const { signed_in, user, until, possible, why } = session();
  const line = element("session");
  if (signed_in) {
    const last = when(until);
    line.replaceChildren(
      "signed in as ",
      h("strong", null, user ?? "?"),
      ` until ${last.text} `,
      h("button", { type: "button", onclick: end }, "Sign out"),
    );
  } else if (possible) {
    line.replaceChildren(...prose("read-only: `observer login` on the host prints a link that signs in"));
  } else {
    line.replaceChildren(`read-only: ${why ?? "signing in is not possible here"}`);
  }
  if (trouble) line.prepend(h("span", { class: "error", role: "alert" }, `Not signed in: ${trouble}. `));
}

onSession((changed) => {
  footer();
  // Buttons are there or not from the beginning of a view.
  if (changed && shown) mount(shown.kind, shown.place, shown.path);
});

async function signIn(ticket) {
  const trouble = await begin(ticket);
  if (trouble) footer(trouble);
}

addEventListener("hashchange", () => {
  const ticket = takeTicket();
  if (ticket) signIn(ticket);
  navigate(true);
});

const ticket = takeTicket();
setTheme(THEMES.includes(stored.get("observer.theme")) ? stored.get("observer.theme") : "auto");
footer();
navigate(false);
signIn(ticket);
