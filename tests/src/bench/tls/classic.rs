//! Probes as others put them, on entry and return of OpenSSL's `SSL_read` and `SSL_write`, which do nothing: whatever reads
//! plaintext there costs more.
//!
//! Bias: in one process only, so that a client on the same host is not slowed down as well.

use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use aya::programs::loaded_programs;
use object::{Object, ObjectSegment, ObjectSymbol};

use crate::lab::{Failure, failed};

/// The program's name in the kernel.
const NAME: &[u8; 16] = b"bench_nothing\0\0\0";
/// `mov r0, 0` and `exit` (`linux/bpf.h`).
const PROGRAM: [u64; 2] = [0xb7, 0x95];
const LICENSE: &std::ffi::CStr = c"GPL";
const LIBRARY: &str = "libssl.so.3";
const FUNCTIONS: [&[u8]; 2] = [b"SSL_read", b"SSL_write"];
/// The kernel's probes as an event source.
const SOURCE: &str = "/sys/bus/event_source/devices/uprobe";

// `linux/bpf.h`
const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_TYPE_KPROBE: u32 = 2;

// `linux/perf_event.h`
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const PERF_EVENT_IOC_SET_BPF: libc::Ioctl = 0x4004_2408;
const PERF_EVENT_IOC_ENABLE: libc::Ioctl = 0x2400;

/// `union bpf_attr`, as far as loading needs it.
#[repr(C)]
struct Load {
    kind: u32,
    instructions: u32,
    program: u64,
    license: u64,
    log: [u64; 2],
    version: u32,
    flags: u32,
    name: [u8; 16],
}

/// `struct perf_event_attr` in its second published size (`PERF_ATTR_SIZE_VER1`).
#[repr(C)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    rest: [u64; 5],
    path: u64,
    offset: u64,
}

const _: () = assert!(size_of::<Load>() == 64 && size_of::<Attributes>() == 72);

/// The probes, until this goes.
pub struct Classic {
    #[expect(dead_code, reason = "held, so that the probes stay")]
    events: Vec<OwnedFd>,
}

impl Classic {
    /// Puts them into a process.
    pub fn attach(process: u32) -> Result<Self, Failure> {
        let program = load().map_err(failed("loading an empty program"))?;
        let path = library(process)?;
        let bytes = fs::read(&path).map_err(failed(&path))?;
        let kind = number(&format!("{SOURCE}/type"), "")?;
        let bit = number(&format!("{SOURCE}/format/retprobe"), "config:")?;
        let mut events = Vec::new();
        for function in FUNCTIONS {
            let offset = offset(&bytes, function).map_err(failed(&path))?;
            for config in [0, 1 << bit] {
                let event = open(process, kind, config, &path, offset);
                let event = event.map_err(failed("perf_event_open"))?;
                for (request, argument) in [
                    (PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()),
                    (PERF_EVENT_IOC_ENABLE, 0),
                ] {
                    // SAFETY: both requests take a number.
                    if unsafe { libc::ioctl(event.as_raw_fd(), request, argument) } != 0 {
                        let why = std::io::Error::last_os_error();
                        return Err(Failure::new("attaching an empty program", why));
                    }
                }
                events.push(event);
            }
        }
        Ok(Self { events })
    }

    /// How often they ran while the kernel counted.
    pub fn runs(&self) -> Result<f64, Failure> {
        let name = NAME.strip_suffix(&[0; 3]).unwrap_or(NAME);
        loaded_programs()
            .filter_map(Result::ok)
            .find(|info| info.name() == name)
            .map(|info| info.run_count() as f64)
            .ok_or_else(|| Failure::new("an empty program", "is not in the kernel"))
    }
}

/// The only child of a process: nginx's worker.
pub fn only_child(process: u32) -> Result<u32, Failure> {
    let path = format!("/proc/{process}/task/{process}/children");
    let text = fs::read_to_string(&path).map_err(failed(&path))?;
    text.trim().parse().map_err(|_| Failure::new(path, text))
}

/// Where the library lies that a process has mapped.
fn library(process: u32) -> Result<String, Failure> {
    let path = format!("/proc/{process}/maps");
    let text = fs::read_to_string(&path).map_err(failed(&path))?;
    let places = text.lines().filter_map(|line| line.split_once('/'));
    places
        .map(|(_, place)| format!("/{place}"))
        .find(|place| place.ends_with(LIBRARY))
        .ok_or_else(|| Failure::new(path, format!("no {LIBRARY}")))
}

fn number(path: &str, before: &str) -> Result<u32, Failure> {
    let text = fs::read_to_string(path).map_err(failed(path))?;
    let number = text
        .trim()
        .strip_prefix(before)
        .and_then(|number| number.parse().ok());
    number.ok_or_else(|| Failure::new(path, text))
}

/// A function's offset in its file.
fn offset(bytes: &[u8], function: &[u8]) -> Result<u64, String> {
    let file = object::File::parse(bytes).map_err(|error| error.to_string())?;
    let symbol = file
        .dynamic_symbols()
        .find(|symbol| symbol.name_bytes() == Ok(function))
        .ok_or_else(|| format!("no {}", String::from_utf8_lossy(function)))?;
    let inside = |segment: object::Segment<'_, '_>| {
        let inside = symbol.address().checked_sub(segment.address())?;
        let (start, length) = segment.file_range();
        (inside < length).then_some(start + inside)
    };
    file.segments()
        .find_map(inside)
        .ok_or_else(|| "a symbol is in no segment".to_owned())
}

fn load() -> std::io::Result<OwnedFd> {
    let attributes = Load {
        kind: BPF_PROG_TYPE_KPROBE,
        instructions: PROGRAM.len() as u32,
        program: PROGRAM.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        log: [0; 2],
        version: 0,
        flags: 0,
        name: *NAME,
    };
    // SAFETY: the attributes are as large as the call says; they, the program and the licence outlive it.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_LOAD,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    descriptor_of(descriptor)
}

/// Opens the event of a probe in a process, on any processor.
fn open(process: u32, kind: u32, config: u64, path: &str, offset: u64) -> std::io::Result<OwnedFd> {
    let path = std::ffi::CString::new(std::ffi::OsStr::new(path).as_bytes())?;
    let attributes = Attributes {
        kind,
        size: size_of::<Attributes>() as u32,
        config,
        rest: [0; 5],
        path: path.as_ptr() as u64,
        offset,
    };
    let (processor, group) = (-1, -1);
    // SAFETY: the attributes are as large as they say; they and the path outlive the call.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            process,
            processor,
            group,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    descriptor_of(descriptor)
}

fn descriptor_of(result: libc::c_long) -> std::io::Result<OwnedFd> {
    let descriptor = i32::try_from(result).map_err(std::io::Error::other)?;
    if descriptor < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
