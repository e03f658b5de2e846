// Dialogs that change something: block, limit, end, approve, reject.
//
// Biased towards not doing it: what would be hit is asked for first, the button appears after that, never has the focus by
// itself, and there is no form that Enter could send.

import { closer, dialog } from "./dialog.js";
import { h, setText, show } from "./dom.js";
import { count, duration, plural, whenNanoseconds } from "./format.js";
import { call, changed } from "./session.js";

const TIMES = [
  ["15 minutes", 900],
  ["1 hour", 3600],
  ["6 hours", 21600],
  ["24 hours", 86400],
];

/** How much a radius is, in a sentence. */
function radiusWords(radius, time = "the last hour") {
  if (!radius?.known) return `How much it would hit is not known: nobody counted in ${time}.`;
  return `Would hit ${plural(radius.exchanges, "exchange")} of ${plural(radius.consumers, "consumer")} in ${time}.`;
}

/** Lets somebody block or limit. `target` and `kind` as the daemon takes them, `verb` block or limit. */
export function act({ target, kind, verb }) {
  const name = `${kind} ${target}`;
  const rateInput = h("input", {
    id: "act-rate",
    value: "10/s",
    size: "8",
    autocomplete: "off",
    spellcheck: "false",
    "aria-describedby": "act-rate-note",
  });
  const time = h(
    "select",
    { id: "act-time" },
    TIMES.map(([label, seconds]) => h("option", { value: seconds, selected: seconds === 3600 }, label)),
    h("option", { value: "other" }, "other"),
  );
  const other = h("input", {
    id: "act-other",
    size: "8",
    placeholder: "45m",
    "aria-label": "Other duration, such as 90s, 45m or 2h, 24h at most",
    hidden: true,
  });
  const why = h("input", { id: "act-why", size: "40", maxlength: "200", required: true, autocomplete: "off" });
  const radius = h("p", { class: "radius", role: "status" }, "Asking what it would hit …");
  const notes = h("ul", { class: "notes" });
  const error = h("p", { class: "error", role: "alert" });
  const confirm = h("button", { type: "button", class: "danger", hidden: true }, verb === "block" ? `Block ${name}` : `Limit ${name}`);
  const fields = h(
    "div",
    { class: "fields" },
    (verb === "limit" &&
      h(
        "p",
        null,
        h("label", { for: "act-rate" }, "Let through"),
        rateInput,
        h("span", { class: "note", id: "act-rate-note" }, " 10/s, 600/m or 1000/h"),
      )) ||
      null,
    h("p", null, h("label", { for: "act-time" }, "For"), time, " ", other),
    h("p", null, h("label", { for: "act-why" }, "Reason"), why),
  );
  const buttons = h("p", { class: "buttons" }, closer("Cancel"), confirm);
  const element = dialog(
    verb === "block" ? `Block ${name}?` : `Limit ${name}?`,
    h(
      "p",
      null,
      verb === "block"
        ? "Its requests are answered with 403 before the service sees them."
        : "Requests above the limit are answered with 429 before the service sees them.",
      " It ends by itself, and can be ended before.",
    ),
    radius,
    notes,
    fields,
    error,
    buttons,
  );
  let asked = 0;

  const order = (dry) => ({
    act: {
      target,
      kind,
      verb: verb === "block" ? "block" : `limit ${rateInput.value.trim()}`,
      seconds: seconds(time.value === "other" ? other.value : `${time.value}s`),
      reason: why.value.trim() || "dry run",
      dry_run: dry,
    },
  });

  async function look() {
    const number = ++asked;
    show(confirm, false);
    setText(error, "");
    try {
      const answer = await call("POST", "/api/v1/responses", order(true));
      if (number !== asked) return;
      setText(radius, radiusWords(answer.radius));
      notes.replaceChildren(...answer.notes.map((note) => h("li", null, note)));
      show(confirm, true);
    } catch (problem) {
      if (number !== asked) return;
      setText(radius, "");
      setText(error, problem.message);
    }
  }

  confirm.addEventListener("click", async () => {
    if (!why.value.trim()) {
      setText(error, "A reason is needed: it stands in the log of responses.");
      return why.focus();
    }
    confirm.disabled = true;
    try {
      done(element, await call("POST", "/api/v1/responses", order(false)));
    } catch (problem) {
      setText(error, problem.message);
      confirm.disabled = false;
    }
  });
  time.addEventListener("change", () => {
    show(other, time.value === "other");
    if (time.value !== "other" || other.value) return look();
    asked++;
    show(confirm, false);
    setText(radius, "How long is not said yet.");
    other.focus();
  });
  let waiting = 0;
  for (const input of [rateInput, other]) {
    input.addEventListener("input", () => {
      asked++;
      show(confirm, false);
      clearTimeout(waiting);
      waiting = setTimeout(look, 400);
    });
  }
  look();
}

/** Seconds of a text such as 90s, 45m, 2h; throws where it is none. */
function seconds(text) {
  const [, number, unit] = /^\s*(\d+)\s*([smh])\s*$/.exec(text) ?? [];
  const found = number * { s: 1, m: 60, h: 3600 }[unit];
  if (!(found >= 1 && found <= 86400)) throw new Error("A duration reads 90s, 45m or 2h, from 1s to 24h.");
  return found;
}

/** Says in the dialog what was done. */
function done(element, answer) {
  changed();
  const lines = (answer?.actions ?? []).map((action) => {
    const until = whenNanoseconds(action.until);
    const state = action.state === "active" ? ` until ${until.text}` : action.state === "proposed" ? ", proposed" : ", ended";
    return h("li", null, `${action.verb}: ${action.subject.kind} ${action.subject.id}${state}, as ${action.id}`);
  });
  const notes = (answer?.notes ?? []).map((note) => h("li", null, note));
  const heading = h("h2", { id: "dialog-title", tabindex: "-1" }, "Done");
  element.replaceChildren(heading, h("ul", { class: "notes" }, lines, notes), h("p", { class: "buttons" }, closer("Close")));
  heading.focus();
}

const DEEDS = {
  approve: ["Put it in force", (action) => ({ approve: { id: action.id } })],
  reject: ["Reject the proposal", (action) => ({ reject: { id: action.id } })],
  undo: ["End it", (action) => ({ undo: { target: action.id, kind: null } })],
};

/** Lets somebody approve, reject or end an action. */
export function decide(action, deed) {
  const [text, order] = DEEDS[deed];
  const words = [
    `${action.verb}: ${action.subject.kind} ${action.subject.id}`,
    action.consumer && ` (${action.consumer})`,
    `, for ${duration((action.until - action.begun) / 1e9)}. `,
    `Reason: ${action.reason}`,
  ]
    .filter(Boolean)
    .join("");
  const effect =
    action.state === "proposed"
      ? `While it was proposed it would have refused ${plural(action.dry, "request")}. ${radiusWords(action.radius, "the hour before")}`
      : `It refused ${plural(action.hits.refused, "request")}; ${count(action.hits.late)} came late.`;
  ask({ title: `${text}?`, text: words, more: effect, button: text, run: () => call("POST", "/api/v1/responses", order(action)) });
}

/** Asks before something is done. `run` does it; what it answers is shown, and nothing closes the dialog silently. */
export function ask({ title, text, more, button, run, body }) {
  const error = h("p", { class: "error", role: "alert" });
  const confirm = h("button", { type: "button", class: "danger" }, button);
  const element = dialog(
    title,
    h("p", null, text),
    more ? h("p", null, more) : null,
    body ?? null,
    error,
    h("p", { class: "buttons" }, closer("Cancel"), confirm),
  );
  confirm.addEventListener("click", async () => {
    confirm.disabled = true;
    try {
      const answer = await run();
      if (answer) return done(element, answer);
      changed();
      element.close();
    } catch (problem) {
      setText(error, problem.message);
      confirm.disabled = false;
    }
  });
}

/** Buttons that block and limit somebody. */
export function actButtons(target, kind, noun = "") {
  const button = (verb, text) => {
    const label = `${text} ${kind} ${target}…`;
    const shown = noun ? `${text} ${noun}…` : `${text}…`;
    return h("button", { type: "button", "aria-label": label, onclick: () => act({ target, kind, verb }) }, shown);
  };
  return [button("block", "Block"), " ", button("limit", "Limit")];
}
