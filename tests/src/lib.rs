//! What the tests share: namespaces, real servers and clients, and the daemon that watches them.
//!
//! Everything a test starts ends with the value that holds it, by process id and by name; two tests share nothing.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops with what went wrong"
)]

pub mod akb;
pub mod caller;
pub mod bills;
pub mod browser;
pub mod canary;
pub mod capture;
pub mod certificate;
pub mod daemon;
pub mod decisions;
pub mod disk;
pub mod discovery;
pub mod exported;
pub mod flood;
pub mod frames;
pub mod grpc;
pub mod haproxy;
pub mod hello;
pub mod http2;
pub mod https;
pub mod logging;
pub mod metrics;
pub mod nab;
pub mod namespace;
pub mod nginx;
pub mod oracle;
pub mod process;
pub mod prometheus;
pub mod promql;
pub mod require;
pub mod response;
pub mod scripts;
pub mod statements;
pub mod tally;
pub mod traffic;
