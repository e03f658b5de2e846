// Addresses inside of the page: a view, its parts and its parameters, in the fragment. A link shows what its sender saw.

const encode = (part) => encodeURIComponent(part);

function query(params) {
  const pairs = Object.entries(params ?? {}).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return pairs.length ? `?${pairs.map(([name, value]) => `${name}=${encode(value)}`).join("&")}` : "";
}

/** The fragment of a view. */
export function address(view, parts = [], params = {}) {
  return `#/${[view, ...parts.map(encode)].join("/")}${query(params)}`;
}

export const toConsumer = (id, params) => address("consumer", [id], params);
export const toRoute = (api, route, params) => address("route", [api, route], params);
export const toIncident = (id) => address("incident", [id]);

/** What a fragment says. A template may stand in it with its slashes as they are. */
export function parse(fragment) {
  const [path, search = ""] = fragment.replace(/^#\/?/, "").split(/\?(.*)/s);
  const [view, ...parts] = path.split("/");
  return { view: view || "overview", parts: parts.map(decode), params: Object.fromEntries(new URLSearchParams(search)) };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
