//! Which files processes map as code: those that have, from /proc, and those that do so from now on, told by the kernel as it
//! happens (`PERF_RECORD_MMAP2`), so that nobody has to look again and again.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A file that a process maps as code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The process.
    pub process: u32,
    /// Where in the process.
    pub range: (u64, u64),
    /// Its inode.
    pub inode: u64,
    /// What tells files apart that have the inode one after the other; zero where that is not told.
    pub generation: u64,
    /// Its device: major and minor number.
    pub device: (u32, u32),
    /// Its path in the process's own view.
    pub path: PathBuf,
}

/// Files that processes map as code, each once.
pub fn all() -> Vec<Mapping> {
    let mut mappings = Vec::new();
    let mut seen = HashSet::new();
    each(|mapping| {
        if seen.insert((mapping.device, mapping.inode)) {
            mappings.push(mapping);
        }
    });
    mappings
}

/// Hands out what every process maps as code. Processes that are gone meanwhile are left out.
pub fn each(mut hand_out: impl FnMut(Mapping)) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let maps = fs::read_to_string(entry.path().join("maps")).unwrap_or_default();
        maps.lines()
            .filter_map(|line| parse(process, line))
            .for_each(&mut hand_out);
    }
}

/// Reads a line of /proc/PID/maps; `None` for what is no code of a file.
fn parse(process: u32, line: &str) -> Option<Mapping> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let code = words.next()?.as_bytes().get(2) == Some(&b'x');
    let (major, minor) = words.nth(1)?.split_once(':')?;
    let inode: u64 = words.next()?.parse().ok()?;
    let path = line.get(line.find('/')?..)?;
    let hexadecimal = |text| u64::from_str_radix(text, 16).ok();
    (code && inode != 0).then_some(Mapping {
        process,
        range: (hexadecimal(start)?, hexadecimal(end)?),
        inode,
        generation: 0,
        device: (
            u32::from_str_radix(major, 16).ok()?,
            u32::from_str_radix(minor, 16).ok()?,
        ),
        path: PathBuf::from(path),
    })
}

// `linux/perf_event.h`
const PERF_TYPE_SOFTWARE: u32 = 1;
const PERF_COUNT_SW_DUMMY: u64 = 9;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_MMAP2: u32 = 10;
/// Offsets in `struct perf_event_mmap_page`.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;
/// Bits of `struct perf_event_attr`: what is told, and that a wake-up goes by bytes.
const MMAP: u64 = 1 << 8;
const WATERMARK: u64 = 1 << 14;
const MMAP2: u64 = 1 << 23;

/// `struct perf_event_attr` in its first published size (`PERF_ATTR_SIZE_VER0`).
#[repr(C)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    bits: u64,
    wakeup_watermark: u32,
    bp_type: u32,
    bp_addr: u64,
}

/// Pages of a processor's records.
const PAGES: usize = 16;

/// What the kernel tells of one processor.
struct Stream {
    event: OwnedFd,
    start: NonNull<u8>,
    length: usize,
    page: usize,
}

// SAFETY: the pages are shared with the kernel only and reached through `&mut Stream`.
unsafe impl Send for Stream {}

/// What the kernel tells of all processors.
pub struct Watch(Vec<Stream>);

impl Watch {
    /// Has the kernel tell from now on.
    ///
    /// # Errors
    /// What `perf_event_open` and `mmap` refuse.
    pub fn start() -> io::Result<Self> {
        (0..online()?)
            .map(Stream::open)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// Descriptors that are readable when something was told.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.0.iter().map(|stream| stream.event.as_fd())
    }

    /// Hands out what was told since the last call. False: some of it was lost.
    pub fn drain(&mut self, mut each: impl FnMut(Mapping)) -> bool {
        let mut whole = true;
        for stream in &mut self.0 {
            whole &= stream.drain(&mut each);
        }
        whole
    }
}

/// Processors that are online.
fn online() -> io::Result<i32> {
    let text = fs::read_to_string("/sys/devices/system/cpu/online")?;
    let last = text.trim().rsplit([',', '-']).next().unwrap_or_default();
    let last: i32 = last.parse().map_err(io::Error::other)?;
    Ok(last + 1)
}

impl Stream {
    fn open(processor: i32) -> io::Result<Self> {
        let attributes = Attributes {
            kind: PERF_TYPE_SOFTWARE,
            size: size_of::<Attributes>() as u32,
            config: PERF_COUNT_SW_DUMMY,
            sample_period: 0,
            sample_type: 0,
            read_format: 0,
            bits: MMAP | MMAP2 | WATERMARK,
            wakeup_watermark: 1,
            bp_type: 0,
            bp_addr: 0,
        };
        // SAFETY: the attributes are as large as they say and outlive the call.
        let descriptor = unsafe {
            libc::syscall(
                libc::SYS_perf_event_open,
                &raw const attributes,
                -1,
                processor,
                -1,
                PERF_FLAG_FD_CLOEXEC,
            )
        };
        let descriptor = i32::try_from(descriptor).map_err(io::Error::other)?;
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and nobody else's.
        let event = unsafe { OwnedFd::from_raw_fd(descriptor) };
        let page = rustix::param::page_size();
        let length = (1 + PAGES) * page;
        // SAFETY: a new mapping at a place of the kernel's choice.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &event,
                0,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self {
            event,
            start,
            length,
            page,
        })
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: an aligned word of the first page, which stays mapped as long as `self`.
        unsafe { self.start.add(offset).cast().as_ref() }
    }

    fn drain(&mut self, each: &mut impl FnMut(Mapping)) -> bool {
        let head = self.position(DATA_HEAD).load(Ordering::Acquire);
        let mut tail = self.position(DATA_TAIL).load(Ordering::Relaxed);
        let mut whole = true;
        while tail < head {
            let header = self.bytes(tail, 8);
            let (Some(kind), Some(size)) = (word(&header, 0), short(&header, 6)) else {
                break;
            };
            if size < 8 {
                break;
            }
            match kind {
                PERF_RECORD_MMAP2 => {
                    let record = self.bytes(tail, usize::from(size));
                    if let Some(mapping) = told(&record) {
                        each(mapping);
                    }
                }
                PERF_RECORD_LOST => whole = false,
                _ => {}
            }
            tail += u64::from(size);
        }
        self.position(DATA_TAIL).store(head, Ordering::Release);
        whole
    }

    /// A copy of bytes from a position on; they may go round the end.
    fn bytes(&self, position: u64, length: usize) -> Vec<u8> {
        let size = PAGES * self.page;
        let at = |number: usize| (position as usize + number) & (size - 1);
        // SAFETY: the data follows the first page, and every place is below its size; what lies before the head is not written
        // until the tail is moved.
        let byte = |number| unsafe { self.start.add(self.page + at(number)).read() };
        (0..length).map(byte).collect()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: mapped by `open` with this length, and nothing borrowed from it outlives it.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Reads `PERF_RECORD_MMAP2`; `None` for what is no file.
fn told(record: &[u8]) -> Option<Mapping> {
    let (process, start, length) = (word(record, 8)?, long(record, 16)?, long(record, 24)?);
    let (major, minor, inode) = (word(record, 40)?, word(record, 44)?, long(record, 48)?);
    let name = record.get(72..)?;
    let name = name.split(|byte| *byte == 0).next()?;
    let path = std::str::from_utf8(name).ok()?;
    let generation = long(record, 56)?;
    (inode != 0 && path.starts_with('/')).then(|| Mapping {
        process,
        range: (start, start.saturating_add(length)),
        inode,
        generation,
        device: (major, minor),
        path: Path::new(path).to_owned(),
    })
}

const _: () = assert!(size_of::<Attributes>() == 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_maps_is_read() {
        let line = "7f1c2a000000-7f1c2a200000 r-xp 00028000 fe:01 1234 /usr/lib/x86_64-linux-gnu/lib crypto.so.3";
        let mapping = parse(7, line).expect("code of a file");
        assert_eq!((mapping.inode, mapping.device), (1234, (0xfe, 1)));
        assert_eq!(mapping.range, (0x7f1c_2a00_0000, 0x7f1c_2a20_0000));
        assert!(mapping.path.ends_with("lib crypto.so.3"));
        for other in [
            "7f1c2a000000-7f1c2a200000 r--p 00028000 fe:01 1234 /usr/lib/libcrypto.so.3",
            "7ffd0000-7ffe0000 r-xp 00000000 00:00 0 [vdso]",
            "7ffd0000-7ffe0000 r-xp 00000000 00:00 0",
            "",
            "-",
        ] {
            assert_eq!(parse(7, other), None, "{other}");
        }
        // This process maps its own code.
        let own = all();
        assert!(
            own.iter()
                .any(|mapping| mapping.process == std::process::id())
                || own.len() > 1
        );
    }
}
