//! One request with its answer, as the generator thinks of it.

use observer::tls::Hello;

/// The API that everybody asks, and its host.
pub const API: &str = "api.example";

/// An API with a document, and its host.
pub const DOCUMENTED: &str = "inventory.example";

/// Where a request comes in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// Through the proxy on this host, which names the client.
    Proxy,
    /// Straight to the application.
    Straight,
    /// Through a gateway elsewhere, in the clear.
    Gateway,
    /// Not at all: a TLS handshake with the application, and what the server agreed on; `None`: it refused.
    Tls(Option<Hello>),
}

/// What names the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    None,
    /// A key in `X-API-Key`.
    Key(String),
    /// User and password, as they stand in the field.
    Basic(String),
    /// A parameter and a key in the URL.
    Query(&'static str, String),
    /// A key, and a signature.
    Signed(String, u64),
}

/// One exchange.
#[derive(Clone, Debug)]
pub struct Request {
    /// Nanoseconds since 1970.
    pub time: u64,
    /// The client.
    pub client: String,
    /// How it comes in.
    pub way: Way,
    /// What names it.
    pub credential: Credential,
    /// The host that is asked for.
    pub host: &'static str,
    /// Method.
    pub method: &'static str,
    /// Target.
    pub target: String,
    /// User agent.
    pub agent: String,
    /// Fields besides.
    pub fields: &'static str,
    /// Port that it comes in at.
    pub port: u16,
    /// Bytes of its content.
    pub sent: u64,
    /// Status of the answer.
    pub status: u16,
    /// Fields of the answer besides.
    pub answer: String,
    /// Bytes of the answer.
    pub received: u64,
    /// Nanoseconds until the answer.
    pub took: u64,
}
