//! Attaching a program to a tracepoint by its number.
//!
//! The number stands in tracefs, which only root reads; the unit leaves it, in a file of our own, for a daemon that is not
//! root. Where tracefs is mounted nowhere (no systemd), a mount is made that nobody else sees and that ends with its
//! descriptor.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::bpf;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// The number of `sock:inet_sock_set_state` in tracefs.
const NUMBER: &str = "events/sock/inet_sock_set_state/id";
/// Where tracefs is mounted, where it is.
const MOUNTS: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
/// Where the unit leaves the number.
const LEFT: &str = "/run/observer/inet_sock_set_state.id";

// `linux/perf_event.h`
const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const PERF_EVENT_IOC_SET_BPF: libc::Ioctl = 0x4004_2408;
const PERF_EVENT_IOC_ENABLE: libc::Ioctl = 0x2400;

/// `struct perf_event_attr` in its first published size (`PERF_ATTR_SIZE_VER0`).
#[repr(C)]
struct Attributes {
    kind: u32,
    size: u32,
    config: u64,
    rest: [u64; 6],
}

/// The number of `sock:inet_sock_set_state`.
///
/// # Errors
/// When it stands nowhere, or cannot be read.
pub fn socket_states() -> io::Result<u64> {
    let mounted = MOUNTS.map(|mount| Path::new(mount).join(NUMBER));
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for place in mounted
        .iter()
        .map(PathBuf::as_path)
        .chain([Path::new(LEFT)])
    {
        match fs::read_to_string(place) {
            Ok(text) => return number(&text),
            Err(error) if error.kind() != io::ErrorKind::NotFound => refused = error,
            Err(_) => {}
        }
    }
    if refused.kind() == io::ErrorKind::NotFound {
        return unmounted();
    }
    Err(refused)
}

/// Reads the number from a tracefs that is mounted for this look only.
fn unmounted() -> io::Result<u64> {
    let tracefs = fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&tracefs)?;
    let mount = fsmount(
        &tracefs,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_RDONLY,
    )?;
    let place = PathBuf::from(format!("/proc/self/fd/{}", mount.as_raw_fd())).join(NUMBER);
    number(&fs::read_to_string(place)?)
}

fn number(text: &str) -> io::Result<u64> {
    text.trim().parse().map_err(io::Error::other)
}

/// Attaches a program to a tracepoint, on all processors, until the descriptor is closed and the pin is removed.
///
/// # Errors
/// What `perf_event_open`, its ioctls and `bpf` refuse.
pub fn attach(program: BorrowedFd<'_>, number: u64, pin: Option<&Path>) -> io::Result<OwnedFd> {
    let event = open(number)?;
    if let Some(pin) = pin
        && let Ok(link) = bpf::link(program, event.as_fd())
    {
        // Nothing is missed in between: the old one sees until the new one does, and both note the same.
        let _ = fs::remove_file(pin);
        bpf::pin_at(link.as_fd(), pin)?;
        return Ok(link);
    }
    // Links of events are there from Linux 5.15 on.
    for (request, argument) in [
        (PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()),
        (PERF_EVENT_IOC_ENABLE, 0),
    ] {
        // SAFETY: both requests take a number.
        if unsafe { libc::ioctl(event.as_raw_fd(), request, argument) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(event)
}

/// Opens the event of a tracepoint.
fn open(number: u64) -> io::Result<OwnedFd> {
    let attributes = Attributes {
        kind: PERF_TYPE_TRACEPOINT,
        size: size_of::<Attributes>() as u32,
        config: number,
        rest: [0; 6],
    };
    // One event for any process, on processor 0: the program runs on every one, it belongs to the tracepoint
    // (`perf_event_set_bpf_prog`).
    let (process, processor, group) = (-1, 0, -1);
    // SAFETY: the attributes are as large as they say and outlive the call.
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
    bpf::descriptor_of(descriptor)
}

const _: () = assert!(size_of::<Attributes>() == 64);
