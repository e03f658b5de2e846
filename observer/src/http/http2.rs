//! HTTP/2 read passively (RFC 9113): frames, fields (RFC 7541), streams; and the calls of gRPC on them.
//!
//! Bias: what cannot be known, because a connection was joined in the middle or bytes of it were lost, is unknown and never
//! guessed.

mod connection;
mod error;
mod frame;
mod heads;
pub mod hpack;
mod messages;
mod reader;
mod stream;
#[cfg(test)]
mod tests;

pub use connection::Connection;
pub use error::Reason;
pub use frame::Kind;
pub use heads::is_client;
pub use reader::{PREFACE, begins, begins_connection};
