//! Reading packets, through helpers only: no pointer into a packet is ever formed.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::{bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::programs::{TcContext, XdpContext};
use observer_ebpf::wire::{Loaded, Packet};

/// A packet whose bytes can be copied out at a length known only at run time.
pub trait Source: Packet + EbpfContext {
    /// Copies `length` bytes from `offset` on to `to`.
    ///
    /// # Safety
    /// `to` must have room for `length` bytes.
    unsafe fn copy(&self, offset: u32, to: *mut u8, length: u32) -> bool;

    /// Whether the packet of an Ethernet link begins with its IP header all the same.
    fn lacks_link_header(&self) -> bool {
        false
    }
}

/// A socket buffer, linear or not, before or after segmentation.
pub struct Skb<'a>(&'a TcContext);

/// An XDP frame, of one buffer or several.
pub struct Frame<'a>(&'a XdpContext);

impl<'a> Skb<'a> {
    #[inline(always)]
    pub fn new(ctx: &'a TcContext) -> Self {
        Self(ctx)
    }

    /// Index of the interface that the packet is at.
    #[inline(always)]
    pub fn interface(&self) -> u32 {
        // SAFETY: the verifier rewrites this access to the context's public layout (`struct __sk_buff`).
        unsafe { (*self.0.skb.skb).ifindex }
    }
}

impl<'a> Frame<'a> {
    #[inline(always)]
    pub fn new(ctx: &'a XdpContext) -> Self {
        Self(ctx)
    }
}

impl EbpfContext for Skb<'_> {
    fn as_ptr(&self) -> *mut c_void {
        self.0.as_ptr()
    }
}

impl EbpfContext for Frame<'_> {
    fn as_ptr(&self) -> *mut c_void {
        self.0.as_ptr()
    }
}

impl Packet for Skb<'_> {
    #[inline(always)]
    fn length(&self) -> u32 {
        self.0.len()
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: u32) -> Option<Loaded<N>> {
        load(self, offset)
    }
}

impl Source for Skb<'_> {
    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut u8, length: u32) -> bool {
        // SAFETY: the helper checks the packet's side, the caller vouches for `to`.
        unsafe { bpf_skb_load_bytes(self.as_ptr(), offset, to.cast(), length) == 0 }
    }

    /// A packet that a generic XDP program let pass may have lost the length of its link header (Linux 6.18: `skb_pp_cow_data`
    /// copies all but `mac_len`), so that nothing stands in front of the IP header here.
    #[inline(always)]
    fn lacks_link_header(&self) -> bool {
        // SAFETY: the verifier rewrites this access to the context's public layout (`struct __sk_buff`).
        let protocol = unsafe { (*self.0.skb.skb).protocol } as u16;
        match self.load::<14>(0) {
            Some(Loaded([first, .., a, b])) => {
                let version = match protocol.to_ne_bytes() {
                    [0x08, 0x00] => 4,
                    [0x86, 0xdd] => 6,
                    _ => return false,
                };
                protocol.to_ne_bytes() != [a, b] && first >> 4 == version
            }
            None => false,
        }
    }
}

impl Packet for Frame<'_> {
    #[inline(always)]
    fn length(&self) -> u32 {
        // SAFETY: the context is the one that the program was called with.
        unsafe { bpf_xdp_get_buff_len(self.0.ctx) as u32 }
    }

    #[inline(always)]
    fn load<const N: usize>(&self, offset: u32) -> Option<Loaded<N>> {
        load(self, offset)
    }
}

impl Source for Frame<'_> {
    #[inline(always)]
    unsafe fn copy(&self, offset: u32, to: *mut u8, length: u32) -> bool {
        // SAFETY: the helper checks the packet's side, the caller vouches for `to`.
        unsafe { bpf_xdp_load_bytes(self.0.ctx, offset, to.cast(), length) == 0 }
    }
}

#[inline(always)]
fn load<P: Source, const N: usize>(packet: &P, offset: u32) -> Option<Loaded<N>> {
    // Not zeroed first: on the BPF target that is a loop over bytes.
    let mut bytes = MaybeUninit::<Loaded<N>>::uninit();
    // SAFETY: `bytes` has room for N bytes, and the helper that succeeds has written all of them.
    unsafe {
        packet
            .copy(offset, bytes.as_mut_ptr().cast(), N as u32)
            .then(|| bytes.assume_init())
    }
}
