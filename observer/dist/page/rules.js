// What rules look for, in a sentence, and where the runbook says more.

/** What rules look for, and where the runbook says more. */
export const RULES = {
  error_rate: ["More 4xx than usual.", "observererrorratio"],
  provider_errors: ["More 5xx and failures than usual.", "observererrorbudgetburn"],
  rate_limit_pressure: ["More 429 than usual.", "observererrorratio"],
  auth_failures: ["More 401 and 403 to requests with a credential.", "observererrorratio"],
  credential_stuffing: ["One network tries many users."],
  key_guessing: ["One network tries many keys."],
  revoked_key_accepted: ["A revoked or suspended key is accepted.", "observerrevokedkeyaccepted"],
  expired_key_accepted: ["A key or token past its end, or before its beginning, is accepted.", "observerrevokedkeyaccepted"],
  unkeyed_success: ["Requests without a credential succeed where keys are usual.", "observerunkeyedsuccess"],
  object_enumeration: ["A key goes through the objects of a route."],
  parameter_pollution: ["A parameter is given twice."],
  exfiltration: ["Responses became larger.", "observeranomaly"],
  upload_volume: ["Requests became larger.", "observeranomaly"],
  scanning: ["Paths that are not there are asked for."],
  method_probing: ["Methods that routes do not have are tried."],
  rate_limit_evasion: ["One network uses keys of many consumers in turn."],
  volume_surge: ["More requests than usual at this time.", "observeranomaly"],
  silence: ["Fewer requests than usual at this time, or none.", "observerconsumersilent"],
  new_network: ["A key is used from a network that it never came from.", "observeranomaly"],
  key_sharing: ["A key is used from several networks at the same time."],
  leaked_key: ["A key on a new network does what it never did."],
  replayed_signature: ["A signature that is good once comes again."],
  cleartext_credential: ["Keys go over a network in the clear.", "observercleartextcredential"],
  credential_in_url: ["Keys stand in request targets."],
  gateway_bypass: ["Requests come past the gateway.", "observergatewaybypass"],
  spoofed_identity: ["Fields that only a gateway sets come from elsewhere."],
  latency: ["Responses take longer than usual.", "observeranomaly"],
  weak_tls: ["TLS that protects nobody any more is agreed on.", "observerweaktls"],
  unknown_host: ["A host that no API is configured with is answered.", "unknownhost"],
  shadow_endpoint: ["A path that the API's document does not declare is answered.", "shadowendpoint"],
  zombie_endpoint: ["An operation that the API's document calls deprecated is answered.", "zombieendpoint"],
  ignored_retry_after: ["A key asks again before the time is over that Retry-After gave.", "ignoredretryafter"],
  limit_hugging: ["A key asks for just less than it may, for long.", "limithugging"],
  resource_consumption: ["A key's requests take far longer to serve than they did.", "resourceconsumption"],
  automation: ["A key that changes things at times of its own becomes regular.", "automation"],
};

/** Where the runbook speaks of a rule. */
export function runbook(rule) {
  const found = Object.hasOwn(RULES, rule) ? RULES[rule][1] : null;
  return `/runbook#${found ?? "observerincidentopen"}`;
}
