//! Asking a network interface for its driver (`ETHTOOL_GDRVINFO`, `linux/ethtool.h`).

use std::os::fd::AsRawFd;

const SIOCETHTOOL: libc::Ioctl = 0x8946;
const ETHTOOL_GDRVINFO: u32 = 3;

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

/// `struct ifreq` as this request uses it.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    data: *mut DriverInfo,
    rest: [u8; 16],
}

/// The driver's name; `None` when there is none, or the interface is gone.
pub fn name(interface: &str) -> Option<String> {
    let socket = std::net::UdpSocket::bind(("127.0.0.1", 0))
        .or_else(|_| std::net::UdpSocket::bind(("::1", 0)))
        .ok()?;
    let mut info = DriverInfo {
        command: ETHTOOL_GDRVINFO,
        driver: [0; 32],
        rest: [0; 160],
    };
    let mut request = Request {
        name: [0; libc::IFNAMSIZ],
        data: &raw mut info,
        rest: [0; 16],
    };
    // The last byte stays zero.
    for (place, byte) in request
        .name
        .iter_mut()
        .take(libc::IFNAMSIZ - 1)
        .zip(interface.bytes())
    {
        *place = byte;
    }
    // SAFETY: the request is as large as `struct ifreq`, its data points to a live `struct ethtool_drvinfo`, and the
    // kernel writes no more than that.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if result != 0 {
        return None;
    }
    let end = info
        .driver
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(info.driver.len());
    String::from_utf8(info.driver.get(..end)?.to_vec())
        .ok()
        .filter(|name| !name.is_empty())
}

const _: () =
    assert!(size_of::<DriverInfo>() == 196 && size_of::<Request>() == size_of::<libc::ifreq>());
