//! Observer: who calls this host's HTTP services, with which key, and what came of it, read from the wire.
//!
//! The modules stand in the order in which data flows. A core module uses what stands before it, never what comes
//! after; the core does no I/O and reads no clock. Only `daemon` sees all.
#![cfg_attr(not(feature = "daemon"), forbid(unsafe_code))]

#[cfg(feature = "daemon")]
pub mod kernel;
#[cfg(feature = "daemon")]
pub mod capture_file;

pub mod segment;
pub mod flow;
pub mod tls;
pub mod http;
pub mod identity;
pub mod route;
pub mod usage;
pub mod awareness;
pub mod response;
pub mod pipeline;

#[cfg(feature = "daemon")]
pub mod store;
#[cfg(feature = "daemon")]
pub mod export;
#[cfg(feature = "daemon")]
pub mod daemon;
