//! What the kernel side counts.

/// A reason for which something was not seen, not followed or not delivered.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// An event found no room in its ring.
    RingFull = 0,
    /// Payload bytes of the events that found no room.
    RingFullBytes = 1,
    /// A connection could not be entered in the table of connections.
    FlowTableFull = 2,
    /// An IP fragment: its segment is not put together.
    Fragment = 3,
    /// A packet whose headers end before their length says.
    Truncated = 4,
    /// Bytes of a segment that could not be read from the packet.
    Unreadable = 5,
    /// A segment seen a second time, at another interface. Not a loss.
    SeenTwice = 6,
    /// Segments of known bodies that were counted and not delivered. Not a loss.
    BodySegments = 7,
    /// Events that found no room and began a request: each held an exchange at least.
    LostRequests = 8,
    /// Events with payload that found no room.
    LostSegments = 9,
    /// Payload bytes of the segments of [`Self::BodySegments`].
    BodyBytes = 10,
    /// Segments of new connections that were refused under overload.
    ShedSegments = 11,
    /// Their payload bytes.
    ShedBytes = 12,
    /// Those of them that began a request.
    ShedRequests = 13,
    /// Payload bytes that were left out of events under overload.
    ShedPayload = 14,
}

/// Number of counters.
pub const COUNTERS: usize = 15;

impl Counter {
    /// Those that stand for events that userspace should have had, with their names in metrics.
    pub const LOSSES: [(Self, &'static str); 6] = [
        (Self::RingFull, "ring_full"),
        (Self::ShedSegments, "shed"),
        (Self::FlowTableFull, "flow_table_full"),
        (Self::Fragment, "ip_fragment"),
        (Self::Truncated, "truncated_headers"),
        (Self::Unreadable, "unreadable_payload"),
    ];
}

/// What passed an interface in one direction.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkTotals {
    /// Packets, after receive and before send offloads where TC sees them.
    pub packets: u64,
    /// Bytes of those packets with their link headers.
    pub bytes: u64,
}
