//! What crosses the border between kernel and userspace: fixed layouts in native byte order, decoded totally.

mod counters;
mod event;
mod flow;
pub mod guard;
mod secret;

pub use counters::{COUNTERS, Counter, LinkTotals};
pub use event::{DecodeError, EventHeader, Kind, flags};
pub use flow::{Endpoint, FlowKey, Hint};
pub use secret::{Secret, SecretKind, SecretName};

/// Version of everything that stays pinned in the kernel over a restart: layouts, names and meanings. Another one's maps are
/// never taken up.
pub const VERSION: u32 = 5;

/// Ring buffers that segments are spread over, by connection. Both directions of a connection use the same one, so that
/// a request stands in it before its response.
pub const SHARDS: usize = 4;

/// Names of the maps, for the side that looks them up.
pub mod map {
    /// The ring buffers, one a shard.
    pub const RINGS: [&str; super::SHARDS] = ["RING_0", "RING_1", "RING_2", "RING_3"];
    /// Connections being tracked.
    pub const FLOWS: &str = "FLOWS";
    /// What userspace knows about bodies: [`super::FlowKey`] to [`super::Hint`].
    pub const HINTS: &str = "HINTS";
    /// One `u64` a [`super::Counter`] and processor.
    pub const COUNTERS: &str = "COUNTERS";
    /// Interface index and direction to [`super::LinkTotals`], a processor each.
    pub const LINKS: &str = "LINKS";
    /// Bitmap of the ports to look at, 64 a word; only read while `PORT_FILTER` is 1.
    pub const PORTS: &str = "PORTS";
    /// Sockets that are connecting: their address in the kernel to the process.
    pub const CONNECTING: &str = "CONNECTING";
    /// Connections that a process of this host opened: [`super::FlowKey`] to the process.
    pub const CLIENTS: &str = "CLIENTS";
    /// One `u64`: until when the programs look at packets, in nanoseconds of the monotonic clock. Zero: they do not.
    pub const LEASE: &str = "LEASE";
    /// One `u64` a place of [`super::shed`]: what is left out under overload.
    pub const SHED: &str = "SHED";
    /// What handshakes derived their keys from: [`super::SecretName`] to [`super::Secret`].
    pub const SECRETS: &str = "SECRETS";
    /// Names of threads, of sixteen bytes, whose secrets are not taken.
    pub const KEYS_EXCEPT: &str = "KEYS_EXCEPT";
    /// Bitmap of the ports whose TLS is read, 64 a word; only looked at while [`super::setting::TLS`] is 2.
    pub const TLS_PORTS: &str = "TLS_PORTS";
    /// A ring with the names of secrets that were entered.
    pub const NEW_SECRETS: &str = "NEW_SECRETS";
    /// One `u64`: changes when a name found no room in that ring.
    pub const SECRETS_MISSED: &str = "SECRETS_MISSED";
    /// One `u64` a probe and processor: how often it ran.
    pub const PROBES: &str = "PROBES";
    /// Hashes of spellings of credentials to [`super::guard::Holder`].
    pub const HOLDERS: &str = "HOLDERS";
    /// One [`crate::spelling::Places`]: the fields that credentials were seen in.
    pub const PLACES: &str = "PLACES";
    /// What is done, by place: [`super::guard::Action`].
    pub const ACTIONS: &str = "ACTIONS";
    /// One `u64` an action: its limit's bucket.
    pub const BUCKETS: &str = "BUCKETS";
    /// What each action hit: see [`super::guard::hit`].
    pub const HITS: &str = "HITS";
    /// What clients are told: [`super::guard::Answer`].
    pub const ANSWERS: &str = "ANSWERS";
    /// Connections of which a request was looked at: [`super::FlowKey`] to [`super::guard::Guarded`].
    pub const GUARDED: &str = "GUARDED";
    /// Prefixes of addresses to places of actions, or to what [`super::guard::network`] says.
    pub const NETWORKS: &str = "NETWORKS";
    /// One `u64` a place of [`super::guard::place`].
    pub const GUARD: &str = "GUARD";
    /// Those that stay pinned over a restart.
    pub const PINNED: [&str; 23] = [
        RINGS[0], RINGS[1], RINGS[2], RINGS[3], FLOWS, HINTS, COUNTERS, LINKS, PORTS, CONNECTING,
        CLIENTS, SECRETS, LEASE, SHED, HOLDERS, PLACES, ACTIONS, BUCKETS, HITS, ANSWERS, GUARDED,
        NETWORKS, GUARD,
    ];
}

/// Bytes of a thread's name (`TASK_COMM_LEN`).
pub const COMM: usize = 16;

/// Places of [`map::PROBES`].
pub mod probe {
    /// Number of places; a power of two.
    pub const PLACES: u32 = 256;
}

/// Places of the map of that name.
pub mod shed {
    /// 1: no payload is copied that does not begin a message.
    pub const PAYLOAD: u32 = 0;
    /// So many of [`ALL`] new connections are refused.
    pub const CONNECTIONS: u32 = 1;
    /// Every new connection.
    pub const ALL: u64 = 256;
    /// Number of places.
    pub const PLACES: u32 = 2;
}

/// Names of the read-only settings of the object.
pub mod setting {
    /// `u8`: 1 when only the ports in the bitmap are looked at.
    pub const PORT_FILTER: &str = "PORT_FILTER";
    /// `u32`: number of shards in use less one; a power of two less one.
    pub const SHARD_MASK: &str = "SHARD_MASK";
    /// `u64`, a power of two: bytes of events after which the reader of a ring is woken up.
    pub const WAKE_AT: &str = "WAKE_AT";
    /// `u64`: the two halves of the key that spellings are hashed with.
    pub const SPELLING: [&str; 2] = ["SPELLING_0", "SPELLING_1"];
    /// `u8`: 1 when TLS connections are delivered whole, 2 when those of the ports in the bitmap are.
    pub const TLS: &str = "TLS";
}

/// Names of the programs.
pub mod program {
    /// XDP on ingress of a link with Ethernet headers.
    pub const XDP: &str = "observer_xdp";
    /// The same for generic XDP.
    pub const XDP_GENERIC: &str = "observer_xdp_generic";
    /// TC on ingress of a link with Ethernet headers.
    pub const INGRESS: &str = "observer_ingress";
    /// TC on egress of a link with Ethernet headers.
    pub const EGRESS: &str = "observer_egress";
    /// TC on ingress of a link whose packets begin with the IP header.
    pub const INGRESS_IP: &str = "observer_in_ip";
    /// TC on egress of a link whose packets begin with the IP header.
    pub const EGRESS_IP: &str = "observer_out_ip";
    /// TC on ingress of a link with Ethernet headers: refuses requests.
    pub const GUARD: &str = "observer_guard";
    /// TC on ingress of a link whose packets begin with the IP header: refuses requests.
    pub const GUARD_IP: &str = "observer_guard_ip";
    /// Native XDP: drops what comes from networks that are shut off.
    pub const SHIELD: &str = "observer_shield";
    /// The same for generic XDP.
    pub const SHIELD_GENERIC: &str = "observer_shield_generic";
    /// XDP: the same, and sees what it lets pass.
    pub const SHIELDED: &str = "observer_shielded";
    /// The same for generic XDP.
    pub const SHIELDED_GENERIC: &str = "observer_shielded_generic";
    /// Tracepoint `sock:inet_sock_set_state`: which process opened a connection.
    pub const SOCKETS: &str = "observer_sockets";
    /// Probe in OpenSSL's `EVP_KDF_derive`: what connections derive their keys from.
    pub const KEYS: &str = "observer_keys";
    /// Probe in Go's `crypto/tls.(*Config).writeKeyLog`: each secret of a connection.
    pub const GO_KEYS: &str = "observer_go_keys";
}
