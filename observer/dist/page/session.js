// Who is signed in, and the calls that change something.
//
// A ticket stands in the fragment of a link, which no server sees, and is good once. The token that it is changed into stays in
// this tab: it is a header, never a cookie, so that no other site can have the browser send it.

import { moment } from "./format.js";
import { paused, released } from "./pace.js";

const KEY = "observer.token";
const listeners = new Set();
const changes = new Set();
let now = { signed_in: false, user: null, until: null, possible: true, why: null };
let timer = 0;

/** The session as it is. */
export const session = () => now;

/** Whether changes are possible. */
export const signedIn = () => now.signed_in;

/** Calls back when somebody signs in or out. */
export function onSession(listener) {
  listeners.add(listener);
}

/** Calls back after something was changed. */
export function onChange(listener, signal) {
  changes.add(listener);
  signal.addEventListener("abort", () => changes.delete(listener));
}

/** Tells that something was changed. */
export function changed() {
  for (const listener of changes) listener();
}

/** Takes a ticket out of the address, if there is one, so that it stands neither there nor in the history. */
export function takeTicket() {
  const found = /^#ticket=(.+)$/.exec(location.hash);
  if (!found) return null;
  history.replaceState(null, "", "#/overview");
  try {
    return decodeURIComponent(found[1]);
  } catch {
    return found[1];
  }
}

/** Signs in by a ticket, or asks who is signed in. Returns why a ticket was not taken. */
export async function begin(ticket) {
  let trouble = null;
  if (ticket) {
    try {
      const answer = await call("POST", "/api/v1/session", { ticket });
      sessionStorage.setItem(KEY, answer.token);
    } catch (error) {
      trouble = error.message;
    }
  }
  await refresh();
  return trouble;
}

/** Signs out. */
export async function end() {
  // The token is given up here in any case: without an answer it ends by itself.
  await call("DELETE", "/api/v1/session").catch(() => {});
  sessionStorage.removeItem(KEY);
  await refresh();
}

async function refresh() {
  try {
    set(await call("GET", "/api/v1/session"));
  } catch {
    set({ signed_in: false, user: null, until: null, possible: true, why: null });
  }
}

function set(next) {
  const other = next.signed_in !== now.signed_in || next.why !== now.why || next.user !== now.user;
  now = next;
  clearTimeout(timer);
  const until = moment(next.until);
  if (next.signed_in && until) {
    timer = setTimeout(refresh, Math.min(Math.max(until - Date.now() + 1000, 1000), 0x7fffffff));
  }
  if (!next.signed_in) sessionStorage.removeItem(KEY);
  for (const listener of listeners) listener(other);
}

/** Asks the daemon. Throws with the text of its answer, made for people. */
export async function call(method, path, body) {
  const headers = {};
  const token = sessionStorage.getItem(KEY);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw new Error("the daemon does not answer");
  }
  const text = await answer.text();
  if (answer.status === 401 && path !== "/api/v1/session") await refresh();
  if (!answer.ok) throw new Error(text.trim().slice(0, 500) || `answered with ${answer.status}`);
  return text ? JSON.parse(text) : null;
}

/** Reads JSON to be shown. Gives `{data}`, or `{error, status}` with the daemon's words, or `{aborted}`. Waits where the screen is held. */
export async function read(path, signal) {
  const before = paused();
  const found = await ask(path, signal);
  await released(before);
  return signal.aborted ? { aborted: true } : found;
}

async function ask(path, signal) {
  try {
    const answer = await fetch(path, { signal });
    if (answer.ok) return { data: await answer.json() };
    return { error: (await answer.text()).trim().slice(0, 500) || `answered with ${answer.status}`, status: answer.status };
  } catch (error) {
    if (error.name === "AbortError") return { aborted: true };
    return { error: "the daemon does not answer", status: 0 };
  }
}
