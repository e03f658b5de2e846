//! What the entry points do.

pub mod see;
pub mod sockets;
pub mod tls_keys;
