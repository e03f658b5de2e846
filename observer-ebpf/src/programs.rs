//! What the entry points do.

pub mod see;
pub mod sockets;
