//! Which process opened a connection, from the tracepoint `sock:inet_sock_set_state`.
//!
//! A connecting socket enters SYN_SENT in its process, often before it has a port; it enters ESTABLISHED with its
//! ports, often in an interrupt. Its address in the kernel joins the two.

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use aya_ebpf::programs::TracePointContext;
use observer_ebpf::abi::{Endpoint, FlowKey};

use crate::maps::{CLIENTS, CONNECTING};

// Offsets of the tracepoint's fields (its `format` file; `include/trace/events/sock.h`): unchanged since 4.16.
const SOCKET: usize = 8;
const OLD_STATE: usize = 16;
const NEW_STATE: usize = 20;
const SOURCE_PORT: usize = 24;
const DESTINATION_PORT: usize = 26;
const PROTOCOL: usize = 30;
const SOURCE: usize = 40;
const DESTINATION: usize = 56;

// `include/net/tcp_states.h`
const ESTABLISHED: i32 = 1;
const SYN_SENT: i32 = 2;
const TCP: u16 = 6;

/// Takes note of a socket's change of state.
#[inline(always)]
pub fn changed(ctx: &TracePointContext) {
    let _ = note(ctx);
}

#[inline(always)]
fn note(ctx: &TracePointContext) -> Option<()> {
    if field::<u16>(ctx, PROTOCOL)? != TCP {
        return None;
    }
    let socket = field::<u64>(ctx, SOCKET)?;
    let new = field::<i32>(ctx, NEW_STATE)?;
    if new == SYN_SENT {
        let process = (bpf_get_current_pid_tgid() >> 32) as u32;
        return CONNECTING.insert(&socket, &process, 0).ok();
    }
    if field::<i32>(ctx, OLD_STATE)? != SYN_SENT {
        return None;
    }
    // SAFETY: the value is copied at once; entries are only ever replaced as a whole.
    let process = unsafe { CONNECTING.get(&socket) }.copied()?;
    let _ = CONNECTING.remove(&socket);
    if new != ESTABLISHED {
        return None;
    }
    // IPv4 addresses stand here mapped into IPv6, as in our own keys.
    let from = Endpoint::v6(field(ctx, SOURCE)?, field(ctx, SOURCE_PORT)?);
    let to = Endpoint::v6(field(ctx, DESTINATION)?, field(ctx, DESTINATION_PORT)?);
    let (flow, _) = FlowKey::new(from, to);
    CLIENTS.insert(&flow, &process, 0).ok()
}

#[inline(always)]
fn field<T: Copy>(ctx: &TracePointContext, offset: usize) -> Option<T> {
    // SAFETY: the offsets are those of this tracepoint's record, whose fields are plain numbers; the helper checks the read.
    unsafe { ctx.read_at::<T>(offset) }
        .ok()
        .filter(|_| !ctx.as_ptr().is_null())
}
