// Why something could not be read, or was lost: what each reason means, and what to do about it.

/** Why connections could not be read, and what to do. */
const OPAQUE = {
  tls_no_secret: [
    "TLS of a library that is not read, or a connection from before the daemon was first started.",
    "`observer doctor` lists ports and libraries. A restart of the server has its connections read, where the library is OpenSSL 3 or Go's.",
  ],
  tls_wrong_secret: ["The secrets that were taken do not open it.", "Nothing, where there are few: connections that were joined late."],
  tls_version: ["Older than TLS 1.2.", "Have clients updated, then leave TLS 1.2 and 1.3 only."],
  tls_suite: ["A cipher suite with CBC or CCM.", "Prefer suites with GCM or ChaCha20-Poly1305 in the server's configuration."],
  tls_gap: ["A packet of the handshake is missing.", "See what was lost above."],
  tls_malformed: ["The records are no TLS that can be read.", "Nothing, where there are few: scanners do that."],
  tls_renegotiation: ["The keys were agreed on anew in the middle (TLS 1.2).", "Switch renegotiation off in the server."],
  tls_restart: ["The secrets were gone when the daemon started again.", "Nothing: new connections are read."],
  not_http: ["It speaks something other than HTTP.", "Nothing. `[capture] ports` leaves such ports out."],
  quic: ["QUIC: HTTP/3 is not read.", "Where its requests have to be counted, have clients use HTTP/2."],
};

/** Why something was lost or refused, and what to do. */
const LOST = {
  ring_full: ["The ring between kernel and daemon was full.", "Raise `[capture] ring_bytes`."],
  shed: ["It was left out to stay under `[capture] cpu_limit`.", "Raise `cpu_limit`, or name the ports in `[capture] ports`."],
  undecodable: [
    "An event of the kernel side could not be read.",
    "Nothing, where there are few; else the versions of programs and daemon differ: restart.",
  ],
  conflicting_bytes: ["The same bytes of a stream came twice and differ.", "Look at the network: that is an error, or somebody who hides."],
  host_bound: ["More hosts were asked for than are kept apart.", "Name the API's `hosts`."],
  path_bound: ["More paths were seen than are kept for learning routes.", "Give the API an OpenAPI document."],
  template_bound: ["More routes were learned than are kept.", "Give the API an OpenAPI document."],
  node_bound: ["More parts of paths were seen than are kept for learning routes.", "Give the API an OpenAPI document."],
  key_bound: ["More registered keys are in use than have a baseline.", "The least used have none."],
  stranger_bound: ["More unregistered credentials came than are kept.", "Somebody may be guessing: look at incidents."],
  route_bound: ["More routes are in use than have a baseline.", "Give the API an OpenAPI document."],
  network_bound: ["More networks came than are kept.", "Nothing: the oldest are forgotten."],
  incident_bound: ["More incidents were found than are kept open.", "Close what is known."],
  queue_full: ["More messages wait for the receiver than are kept.", "See that `[incidents] webhook` or `alertmanager` answers."],
  not_taken: ["The receiver did not take a message.", "See that `[incidents] webhook` or `alertmanager` answers."],
  full: ["More records waited than are kept.", "Make room on the disk of `[records] path`."],
  write_failed: ["Records could not be written.", "Look at the disk of `[records] path`."],
};

const otherwise = ["", "The runbook says more: ObserverCaptureIncomplete."];

/** Why a connection is opaque: what it means and what to do. */
export const opaqueWords = (reason) => (Object.hasOwn(OPAQUE, reason) ? OPAQUE[reason] : otherwise);

/** Why something is missing: what it means and what to do. */
export const lostWords = (reason) => (Object.hasOwn(LOST, reason) ? LOST[reason] : otherwise);
