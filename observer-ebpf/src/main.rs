//! The kernel programs. Those that see count and deliver; they change nothing and let every packet go on. Those that stop are
//! attached only while there is something to stop.
#![no_std]
#![no_main]
// Atomic instructions of BPF that the core library does not offer on this target.
#![feature(asm_experimental_arch)]

mod emit;
mod maps;
mod packet;
mod programs;

use aya_ebpf::bindings::{TC_ACT_UNSPEC, xdp_action::XDP_PASS};
use aya_ebpf::macros::{classifier, tracepoint, uprobe, xdp};
use aya_ebpf::programs::{ProbeContext, TcContext, TracePointContext, XdpContext};
use observer_ebpf::wire::Link;

use crate::packet::{Frame, Skb};

/// What a program that only sees answers TC: the next program decides.
const NEXT: i32 = TC_ACT_UNSPEC;

/// Native XDP, ingress, Ethernet.
#[xdp(frags)]
fn observer_xdp(ctx: XdpContext) -> u32 {
    seen(&ctx)
}

/// Generic XDP, ingress, Ethernet. Without fragments, as [`observer_shield_generic`].
#[xdp]
fn observer_xdp_generic(ctx: XdpContext) -> u32 {
    seen(&ctx)
}

#[inline(always)]
fn seen(ctx: &XdpContext) -> u32 {
    let interface = ctx.ingress_ifindex() as u32;
    programs::see::segment(&Frame::new(ctx), Link::Ethernet, interface, false);
    XDP_PASS
}

/// TC, ingress, Ethernet.
#[classifier]
fn observer_ingress(ctx: TcContext) -> i32 {
    let skb = Skb::new(&ctx);
    programs::see::segment(&skb, Link::Ethernet, skb.interface(), false);
    NEXT
}

/// TC, egress, Ethernet.
#[classifier]
fn observer_egress(ctx: TcContext) -> i32 {
    let skb = Skb::new(&ctx);
    programs::see::segment(&skb, Link::Ethernet, skb.interface(), true);
    NEXT
}

/// TC, ingress, packets that begin with the IP header.
#[classifier]
fn observer_in_ip(ctx: TcContext) -> i32 {
    let skb = Skb::new(&ctx);
    programs::see::segment(&skb, Link::Ip, skb.interface(), false);
    NEXT
}

/// TC, egress, packets that begin with the IP header.
#[classifier]
fn observer_out_ip(ctx: TcContext) -> i32 {
    let skb = Skb::new(&ctx);
    programs::see::segment(&skb, Link::Ip, skb.interface(), true);
    NEXT
}

/// TC, ingress, Ethernet.
#[classifier]
fn observer_guard(ctx: TcContext) -> i32 {
    programs::guard::packet(&Skb::new(&ctx), Link::Ethernet)
}

/// TC, ingress, packets that begin with the IP header.
#[classifier]
fn observer_guard_ip(ctx: TcContext) -> i32 {
    programs::guard::packet(&Skb::new(&ctx), Link::Ip)
}

/// Generic XDP, ingress, Ethernet. Without fragments: of a packet that the kernel copies for a program that takes them, the classifiers
/// behind it do not know the link header (Linux 6.18, `skb_pp_cow_data`); one that it makes linear is as it was.
#[xdp]
fn observer_shield_generic(ctx: XdpContext) -> u32 {
    programs::guard::shield(&Frame::new(&ctx))
}

/// Native XDP, ingress, Ethernet.
#[xdp(frags)]
fn observer_shield(ctx: XdpContext) -> u32 {
    programs::guard::shield(&Frame::new(&ctx))
}

/// Native XDP, ingress, Ethernet: both in one, where an interface has room for one.
#[xdp(frags)]
fn observer_shielded(ctx: XdpContext) -> u32 {
    shielded(&ctx)
}

/// The same for generic XDP, without fragments.
#[xdp]
fn observer_shielded_generic(ctx: XdpContext) -> u32 {
    shielded(&ctx)
}

#[inline(always)]
fn shielded(ctx: &XdpContext) -> u32 {
    match programs::guard::shield(&Frame::new(ctx)) {
        XDP_PASS => seen(ctx),
        verdict => verdict,
    }
}

/// Tracepoint `sock:inet_sock_set_state`.
#[tracepoint(category = "sock", name = "inet_sock_set_state")]
fn observer_sockets(ctx: TracePointContext) -> u32 {
    programs::sockets::changed(&ctx);
    0
}

/// Probe in `EVP_KDF_derive`.
#[uprobe]
fn observer_keys(ctx: ProbeContext) -> u32 {
    programs::tls_keys::derive(&ctx);
    0
}

/// Probe in `crypto/tls.(*Config).writeKeyLog`.
#[uprobe]
fn observer_go_keys(ctx: ProbeContext) -> u32 {
    programs::tls_keys::log(&ctx);
    0
}

/// Never reached: every bound is checked by value. The verifier would refuse the object otherwise.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The helpers that the programs call are open to both licences.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
