//! The contract between the kernel programs and userspace, and the rules that both sides follow.
//!
//! `wire` finds the TCP segment in a packet, `sign` says what its first bytes start, `track` decides what of it is worth
//! copying. All three are pure, so that a capture file goes through the very code that runs in the kernel.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod abi;
pub mod sign;
pub mod spelling;
pub mod track;
pub mod wire;
