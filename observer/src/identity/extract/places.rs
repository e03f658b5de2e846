//! Where keys are known to travel, by name: the places that need no configuration.

use super::Scheme;
use super::certificate::Form;
use super::rules::QueryKind;

/// Fields with a key as their value, by how usual they are; from the tenth on, each is one vendor's.
pub const KEY_FIELDS: [&str; 42] = [
    "x-api-key",
    "apikey",
    "api-key",
    "x-api-token",
    "x-auth-token",
    "x-access-token",
    "x-auth-key",
    "x-apikey",
    "api-token",
    "ocp-apim-subscription-key",
    "x-functions-key",
    "x-goog-api-key",
    "x-rapidapi-key",
    "private-token",
    "job-token",
    "deploy-token",
    "dd-api-key",
    "x-shopify-access-token",
    "x-shopify-storefront-access-token",
    "x-vault-token",
    "x-consul-token",
    "x-nomad-token",
    "x-algolia-api-key",
    "x-typesense-api-key",
    "x-postmark-server-token",
    "x-cisco-meraki-api-key",
    "x-figma-token",
    "x-mbx-apikey",
    "x-honeycomb-team",
    "x-sf-token",
    "x-insert-key",
    "x-jfrog-art-api",
    "x-hasura-admin-secret",
    "x-appwrite-key",
    "x-n8n-api-key",
    "x-octopus-apikey",
    "x-ibm-client-id",
    "xi-api-key",
    "fastly-key",
    "circle-token",
    "user-key",
    "x-cg-pro-api-key",
];

/// Fields that name who signed, in pairs with `X-Signature`.
pub const KEY_ID_FIELDS: [&str; 3] = ["x-key", "x-key-id", "x-access-key"];

/// The finer name first: a credential, then its consumer.
pub const GATEWAY_FIELDS: [&str; 4] = [
    "x-credential-identifier",
    "x-consumer-username",
    "x-consumer-custom-id",
    "x-consumer-id",
];

/// What proxies say of the client's certificate: Envoy, RFC 9440, then the names that nginx, Apache, ingress-nginx and Amazon's
/// load balancer are set up with.
pub const CERTIFICATE_FIELDS: [(&str, Form); 6] = [
    ("x-forwarded-client-cert", Form::Forwarded),
    ("client-cert", Form::Certificate),
    ("x-ssl-client-s-dn", Form::Subject),
    ("x-ssl-client-dn", Form::Subject),
    ("ssl-client-subject-dn", Form::Subject),
    ("x-amzn-mtls-clientcert-subject", Form::Subject),
];

/// Parameters of a query with a credential.
pub const QUERY_PARAMETERS: [(&str, QueryKind); 13] = [
    ("api_key", QueryKind::Key(Scheme::ApiKey)),
    ("apikey", QueryKind::Key(Scheme::ApiKey)),
    ("api-key", QueryKind::Key(Scheme::ApiKey)),
    ("key", QueryKind::Key(Scheme::ApiKey)),
    // RFC 6750 section 2.3
    ("access_token", QueryKind::Key(Scheme::Bearer)),
    ("token", QueryKind::Key(Scheme::ApiKey)),
    ("auth", QueryKind::Key(Scheme::ApiKey)),
    ("code", QueryKind::Key(Scheme::ApiKey)),
    // Amazon, "Authenticating Requests: Using Query Parameters"
    ("x-amz-credential", QueryKind::Scoped(Scheme::AwsSigV4)),
    (
        "x-goog-credential",
        QueryKind::Scoped(Scheme::GoogleSignature),
    ),
    // RFC 5849 section 3.5.3
    ("oauth_consumer_key", QueryKind::Id(Scheme::OAuth1)),
    // Azure's shared access signatures: the policy's name where there is one, and the signature, which is the key
    ("skn", QueryKind::Id(Scheme::SharedKey)),
    ("sig", QueryKind::Key(Scheme::SharedKey)),
];

/// Claims that name a client, then the one that names a user.
pub const CLAIMS: [&str; 5] = ["client_id", "azp", "appid", "cid", "sub"];

/// What stands before the token among a WebSocket's protocols.
pub const PROTOCOL_MARKS: [&str; 5] = ["bearer", "access_token", "authorization", "token", "jwt"];
