// What the names in the data mean, in the words of the README and the runbook.

/** Classes of errors, in the order of every array of four. `dash` tells their lines apart. */
export const CLASSES = [
  { id: "client", label: "client", dash: null, title: "4xx, but not 401, 403 and 429: the requests are wrong" },
  { id: "auth", label: "auth", dash: [6, 3], title: "401 and 403: the credential is missing or refused" },
  { id: "limited", label: "limited", dash: [2, 3], title: "429: more requests than allowed" },
  { id: "server", label: "server", dash: [10, 3, 2, 3], title: "5xx, and no response or an aborted one: the service fails" },
];

/** Responses by class. */
export const STATUSES = ["1xx", "2xx", "3xx", "4xx", "5xx", "no response", "folded"];

/** From bad to good to know. */
export const SEVERITIES = ["critical", "high", "medium", "low", "info"];

/** Names that no account has. */
const RESERVED = {
  __unkeyed__: "Requests without a credential.",
  __unregistered__: "Requests with a credential that the registry does not know. `observer consumers strangers` lists them.",
  __unknown__: "Requests of which it could not be read with certainty who sent them.",
  __other__: "What was folded: past the bound of series, or paths that are no route.",
};

/** What a reserved name means; nothing for any other. */
export const reserved = (name) => (Object.hasOwn(RESERVED, name) ? RESERVED[name].replaceAll("`", "") : null);

/** What postures mean. */
export const POSTURES = {
  required: "Only requests with a credential succeed.",
  mixed: "Requests succeed with a credential and without one.",
  open: "Requests succeed without a credential, and none had one.",
  "declared-public": "The configuration says that it asks for no credential.",
};
