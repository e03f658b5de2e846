//! What has to hold for any bytes: each oracle reads a case out of the bytes and panics with what does not hold.
//!
//! Run by the fuzz targets in `tests/fuzz`, and by `tests/oracles.rs` on their seeds. Bytes that are no case are none of
//! its business: an oracle never fails on the form of its input.

mod credentials;
mod handshake;
mod hpack;
mod http1;
mod http2;
mod packets;
mod pipeline;
mod reassembly;
mod tls_records;
mod walk;

pub use credentials::check as credentials;
pub use handshake::check as handshake;
pub use hpack::check as hpack;
pub use http1::check as http1;
pub use http2::check as http2;
pub use pipeline::check as pipeline;
pub use reassembly::check as reassembly;
pub use tls_records::check as tls_records;
pub use walk::check as walk;

/// An oracle by the name of its fuzz target.
pub type Oracle = (&'static str, fn(&[u8]));

/// Every oracle.
pub const ORACLES: [Oracle; 9] = [
    ("walk", walk),
    ("reassembly", reassembly),
    ("handshake", handshake),
    ("tls_records", tls_records),
    ("http1", http1),
    ("hpack", hpack),
    ("http2", http2),
    ("credentials", credentials),
    ("pipeline", pipeline),
];
