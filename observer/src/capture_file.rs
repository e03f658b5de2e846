//! Capture files (pcap and pcapng) as a source of segments, through the very rules that run in the kernel.

mod tracking;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use thiserror::Error;

use observer_ebpf::wire::Link;

pub use tracking::Tracking;

/// Why a capture file cannot be read.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file cannot be opened or read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is neither pcap nor pcapng.
    #[error("not a pcap or pcapng file")]
    Format,
    /// It is damaged.
    #[error("damaged after {packets} packets: {what}")]
    Damaged {
        /// Packets read before.
        packets: u64,
        /// What the reader found.
        what: String,
    },
    /// A packet or block is larger than the buffer.
    #[error("a block after {packets} packets is larger than {BUFFER} bytes")]
    TooLarge {
        /// Packets read before.
        packets: u64,
    },
}

/// A packet of a capture file.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// Nanoseconds since 1970, UTC.
    pub time: u64,
    /// The interface's number in the file, from 1.
    pub interface: u32,
    /// What the bytes begin with.
    pub link: Link,
    /// Length on the wire.
    pub length: u32,
    /// The bytes that were captured.
    pub bytes: &'a [u8],
}

/// Bytes of the read buffer; a packet of 256 KiB (the largest snapshot length in use) fits several times.
const BUFFER: usize = 1 << 20;
/// Interfaces of one pcapng section that are kept.
const INTERFACES: usize = 65_536;

/// An interface of the file.
#[derive(Clone, Copy, Debug)]
struct Interface {
    linktype: Linktype,
    /// Ticks a second.
    resolution: u64,
    /// Seconds to add.
    offset: i64,
}

/// Reads a capture file and hands out its packets. Returns how many there were.
///
/// # Errors
/// When the file cannot be read to its end; what stood before was handed out.
pub fn read(path: &Path, packet: impl FnMut(Captured<'_>)) -> Result<u64, CaptureError> {
    read_from(File::open(path)?, packet)
}

/// Reads a capture from its bytes.
///
/// # Errors
/// As [`read`].
pub fn read_from<S: Read + Send + 'static>(
    source: S,
    mut packet: impl FnMut(Captured<'_>),
) -> Result<u64, CaptureError> {
    let mut reader = match create_reader(BUFFER, source) {
        Ok(reader) => reader,
        Err(PcapError::ReadError) => return Err(io::Error::other("read failed").into()),
        Err(_) => return Err(CaptureError::Format),
    };
    let mut interfaces: Vec<Interface> = Vec::new();
    let mut nanoseconds = false;
    let mut packets = 0;
    let mut stuck = 0;
    loop {
        match reader.next() {
            Ok((consumed, block)) => {
                stuck = 0;
                match block {
                    PcapBlockOwned::LegacyHeader(header) => {
                        nanoseconds = header.is_nanosecond_precision();
                        let resolution = if nanoseconds {
                            1_000_000_000
                        } else {
                            1_000_000
                        };
                        interfaces = vec![Interface {
                            linktype: header.network,
                            resolution,
                            offset: 0,
                        }];
                    }
                    PcapBlockOwned::Legacy(block) => {
                        let fraction =
                            u64::from(block.ts_usec) * if nanoseconds { 1 } else { 1000 };
                        let time =
                            (u64::from(block.ts_sec) * 1_000_000_000).saturating_add(fraction);
                        packets += 1;
                        let captured = block
                            .data
                            .get(..block.caplen as usize)
                            .unwrap_or(block.data);
                        hand_out(&interfaces, 0, time, block.origlen, captured, &mut packet);
                    }
                    PcapBlockOwned::NG(Block::SectionHeader(_)) => interfaces.clear(),
                    PcapBlockOwned::NG(Block::InterfaceDescription(description)) => {
                        if interfaces.len() < INTERFACES {
                            interfaces.push(Interface {
                                linktype: description.linktype,
                                resolution: description.ts_resolution().unwrap_or(1_000_000),
                                offset: description.ts_offset(),
                            });
                        }
                    }
                    PcapBlockOwned::NG(Block::EnhancedPacket(block)) => {
                        packets += 1;
                        let number = block.if_id as usize;
                        if let Some(interface) = interfaces.get(number) {
                            let ticks = (u64::from(block.ts_high) << 32) | u64::from(block.ts_low);
                            let time = nanoseconds_of(ticks, interface);
                            hand_out(
                                &interfaces,
                                number,
                                time,
                                block.origlen,
                                block.packet_data(),
                                &mut packet,
                            );
                        }
                    }
                    PcapBlockOwned::NG(_) => {}
                }
                reader.consume(consumed);
            }
            Err(PcapError::Eof) => return Ok(packets),
            // More has to be read; a block that does not fit into the buffer never gets whole.
            Err(PcapError::Incomplete(_)) if stuck < 2 => {
                stuck += 1;
                reader.refill().map_err(|error| damaged(packets, &error))?;
            }
            Err(PcapError::Incomplete(_) | PcapError::BufferTooSmall) => {
                return Err(CaptureError::TooLarge { packets });
            }
            Err(error) => return Err(damaged(packets, &error)),
        }
    }
}

fn damaged<I: std::fmt::Debug>(packets: u64, error: &PcapError<I>) -> CaptureError {
    let what = match error {
        PcapError::UnexpectedEof => "it ends in the middle of a block",
        PcapError::ReadError => "read failed",
        _ => "a block is malformed",
    };
    CaptureError::Damaged {
        packets,
        what: what.to_owned(),
    }
}

fn nanoseconds_of(ticks: u64, interface: &Interface) -> u64 {
    let resolution = interface.resolution.max(1);
    let seconds = (ticks / resolution).saturating_add_signed(interface.offset);
    let fraction = u128::from(ticks % resolution) * 1_000_000_000 / u128::from(resolution);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(fraction as u64)
}

/// Finds where the link or IP header begins and hands the packet out; unknown link types are passed over.
fn hand_out(
    interfaces: &[Interface],
    number: usize,
    time: u64,
    length: u32,
    bytes: &[u8],
    packet: &mut impl FnMut(Captured<'_>),
) {
    let Some(interface) = interfaces.get(number) else {
        return;
    };
    let (link, skip) = match interface.linktype {
        Linktype::ETHERNET => (Link::Ethernet, 0),
        Linktype::RAW | Linktype::IPV4 | Linktype::IPV6 => (Link::Ip, 0),
        Linktype::NULL | Linktype::LOOP => (Link::Ip, 4),
        Linktype::LINUX_SLL => (Link::Ip, 16),
        Linktype(276) => (Link::Ip, 20),
        _ => return,
    };
    let Some(bytes) = bytes.get(skip..) else {
        return;
    };
    let length = length.saturating_sub(skip as u32);
    packet(Captured {
        time,
        interface: number as u32 + 1,
        link,
        length,
        bytes,
    });
}

#[cfg(test)]
mod tests;
