//! What the entry points do.

pub mod guard;
pub mod see;
pub mod sockets;
pub mod tls_keys;
