//! Calls of `bpf` that the loader has no function for.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

// `linux/bpf.h`
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_LINK_DETACH: libc::c_long = 34;
const BPF_PERF_EVENT: u32 = 41;

/// A link of a program to an event.
pub(super) fn link(program: BorrowedFd<'_>, event: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // `union bpf_attr`, `link_create`: program, target, kind, flags; the rest is zero.
    let attributes = [
        program.as_raw_fd() as u32,
        event.as_raw_fd() as u32,
        BPF_PERF_EVENT,
        0,
        0,
        0,
        0,
        0,
    ];
    // SAFETY: the attributes are as large as the call says and outlive it.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_LINK_CREATE,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    descriptor_of(descriptor)
}

/// Pins a link.
pub(super) fn pin_at(link: BorrowedFd<'_>, place: &Path) -> io::Result<()> {
    let path = CString::new(place.as_os_str().as_bytes()).map_err(io::Error::other)?;
    // `union bpf_attr`, `pathname` and `bpf_fd`.
    let attributes = [path.as_ptr() as u64, link.as_raw_fd() as u64];
    // SAFETY: as above, and so does the path.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_OBJ_PIN,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Takes the program of a pinned link off at once. (When the last descriptor and pin of a link are gone, the kernel does that some
/// time later, and until then the same program cannot be attached there again.)
pub(super) fn detach(place: &Path) -> io::Result<()> {
    let path = CString::new(place.as_os_str().as_bytes()).map_err(io::Error::other)?;
    // `union bpf_attr`, `pathname`, and nothing else.
    let attributes = [path.as_ptr() as u64, 0];
    // SAFETY: the attributes and the path outlive the call.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_OBJ_GET,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    let link = descriptor_of(descriptor)?;
    // `union bpf_attr`, `link_detach`.
    let attributes = [link.as_raw_fd() as u32];
    // SAFETY: as above.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_LINK_DETACH,
            &raw const attributes,
            size_of_val(&attributes),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A descriptor that a system call returned.
pub(super) fn descriptor_of(result: libc::c_long) -> io::Result<OwnedFd> {
    let descriptor = i32::try_from(result).map_err(io::Error::other)?;
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
