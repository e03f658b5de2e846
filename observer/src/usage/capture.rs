//! Numbers that the capture and the pipeline count themselves, as the exporter takes them.
//!
//! Label values are names from code, interfaces and ports: whoever fills this keeps them bounded.

use std::sync::Arc;

use super::agreements::Agreements;
use super::messages::Messages;

/// Counts since the start of the process.
#[derive(Clone, Debug, Default)]
pub struct CaptureStats {
    /// One for each interface and direction.
    pub traffic: Vec<InterfaceTraffic>,
    /// Events that the kernel side could not deliver: reason, count.
    pub lost_events: Vec<(String, u64)>,
    /// Bytes of observed HTTP connections that were acknowledged but never seen, outside known bodies.
    pub missing_bytes: u64,
    /// Connections held now: protocol, number.
    pub connections: Vec<(&'static str, u64)>,
    /// Frames of HTTP/2: kind, count.
    pub http2_frames: Vec<(&'static str, u64)>,
    /// Messages of gRPC.
    pub grpc_messages: Messages,
    /// Connections that cannot be read.
    pub opaque_connections: Vec<Opaque>,
    /// What a bounded collection refused: stage, reason, count.
    pub dropped: Vec<(&'static str, &'static str, u64)>,
    /// Firings of TLS probes: library, count.
    pub tls_probe_runs: Vec<(String, u64)>,
    /// TLS handshakes: version, result, count.
    pub tls_handshakes: Vec<(&'static str, &'static str, u64)>,
    /// What they agreed on, and what clients offered.
    pub tls_agreements: Agreements,
    /// Run statistics of the kernel programs; empty while the kernel does not keep them.
    pub programs: Vec<ProgramRuns>,
    /// How the ledger is doing.
    pub ledger: LedgerStats,
    /// What became of segments with payload: fate, segments, payload bytes.
    pub segments: Vec<(&'static str, u64, u64)>,
    /// What is left out under overload at the moment: what, and which share of it.
    pub shedding: Vec<(&'static str, f64)>,
    /// What is shut off or limited.
    pub responses: Responses,
}

/// What is shut off or limited, and what that stopped since the start of the process; blocks first, then limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Responses {
    /// Actions in force.
    pub active: [u64; 2],
    /// Requests and packets that were stopped.
    pub dropped: [u64; 2],
}

/// Connections that cannot be read, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opaque {
    /// The server's port.
    pub port: u16,
    /// Whether this host is the server.
    pub own: bool,
    /// Name of the process that listens there.
    pub process: Option<Arc<str>>,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// What the ledger's writer did since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerStats {
    /// Whether the last attempt to write failed.
    pub failing: bool,
    /// Batches written.
    pub batches: u64,
    /// Attempts that failed.
    pub errors: u64,
    /// Batches that wait.
    pub waiting: u64,
    /// Time that writing took. Nanoseconds.
    pub nanoseconds: u64,
    /// Size of the file. Bytes.
    pub bytes: u64,
    /// Rows deleted before their time, because the file was full.
    pub deleted_early: u64,
}

/// Packets and bytes of one interface in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceTraffic {
    /// Interface name.
    pub interface: String,
    /// `ingress` or `egress`.
    pub direction: &'static str,
    /// Packets that the programs looked at.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Run statistics of one kernel program.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramRuns {
    /// Program name.
    pub program: String,
    /// Time spent. Nanoseconds.
    pub nanoseconds: u64,
    /// Number of runs.
    pub runs: u64,
}
