//! Ending a connection of this host at its socket: its peer is reset, and its process gets an error.

use std::io;
use std::net::{IpAddr, SocketAddr};

use netlink_sys::{Socket, SocketAddr as NetlinkAddress, protocols::NETLINK_SOCK_DIAG};

/// `linux/sock_diag.h`
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
/// `linux/netlink.h`
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
/// `net/tcp_states.h`
const LISTEN: u8 = 10;
/// Bytes of `struct nlmsghdr`, of `struct inet_diag_sockid` and of its part before the cookie (`linux/inet_diag.h`).
const HEADER: usize = 16;
const SOCKET: usize = 48;
const NAME: usize = 40;
/// Bytes of a message with `struct inet_diag_req_v2`.
const MESSAGE: usize = HEADER + 8 + SOCKET;
/// `INET_DIAG_NOCOOKIE`
const NO_COOKIE: [u8; 8] = [0xff; 8];

/// Destroys the socket at `local` that is connected to `peer` (`tcp_diag_destroy`). False: there is none in this network
/// namespace.
///
/// # Errors
/// When the kernel cannot (`CONFIG_INET_DIAG_DESTROY`), or does not let this process (`CAP_NET_ADMIN`).
pub fn destroy(local: SocketAddr, peer: SocketAddr) -> io::Result<bool> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&NetlinkAddress::new(0, 0))?;
    let (local, peer) = (canonical(local), canonical(peer));
    let name = name(local, peer);
    // Where no such connection is, the kernel finds the socket that listens (`inet_lookup`): that one must live.
    let asked = message(SOCK_DIAG_BY_FAMILY, local, &name, NO_COOKIE);
    let Some(found) = ask(&socket, &asked)? else {
        return Ok(false);
    };
    let state = found.get(HEADER + 1).copied();
    let there: Option<&[u8; SOCKET]> = found.get(HEADER + 4..).and_then(<[u8]>::first_chunk);
    let Some([.., a, b, c, d, e, f, g, h]) = there else {
        return Err(io::Error::other("an answer that is none"));
    };
    // Ports: an address may be told as one of IPv6.
    let ports = |name: &[u8]| name.first_chunk::<4>().copied();
    if state == Some(LISTEN) || there.and_then(|there| ports(there)) != ports(&name) {
        return Ok(false);
    }
    let cookie = [*a, *b, *c, *d, *e, *f, *g, *h];
    let destroyed = ask(&socket, &message(SOCK_DESTROY, local, &name, cookie))?;
    Ok(destroyed.is_some())
}

/// The answer to a message; `None`: there is no such socket.
fn ask(socket: &Socket, message: &[u8]) -> io::Result<Option<Vec<u8>>> {
    socket.send(message, 0)?;
    let mut answer = Vec::with_capacity(4096);
    socket.recv(&mut answer, 0)?;
    let kind = answer.get(4..).and_then(<[u8]>::first_chunk);
    if kind.map(|kind| u16::from_ne_bytes(*kind)) != Some(NLMSG_ERROR) {
        return Ok(Some(answer));
    }
    let code = answer.get(HEADER..).and_then(<[u8]>::first_chunk);
    match code.map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(Some(answer)),
        Some(code) if code == -libc::ENOENT => Ok(None),
        Some(code) => Err(io::Error::from_raw_os_error(-code)),
        None => Err(io::Error::other("an answer that is none")),
    }
}

fn canonical(end: SocketAddr) -> SocketAddr {
    SocketAddr::new(end.ip().to_canonical(), end.port())
}

/// The name of a socket: ports, addresses, and no interface.
fn name(local: SocketAddr, peer: SocketAddr) -> [u8; NAME] {
    let mut name = [0; NAME];
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    for (at, part) in [
        (0, local.port().to_be_bytes().to_vec()),
        (2, peer.port().to_be_bytes().to_vec()),
        (4, octets(local.ip())),
        (20, octets(peer.ip())),
    ] {
        for (to, from) in name.iter_mut().skip(at).zip(part) {
            *to = from;
        }
    }
    name
}

fn message(kind: u16, local: SocketAddr, name: &[u8; NAME], cookie: [u8; 8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(MESSAGE);
    message.extend((MESSAGE as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    let acknowledged = if kind == SOCK_DESTROY { NLM_F_ACK } else { 0 };
    message.extend((NLM_F_REQUEST | acknowledged).to_ne_bytes());
    // Number, and sender.
    message.extend([0; 8]);
    let family = if local.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    message.extend([family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    // Whatever its state.
    message.extend(u32::MAX.to_ne_bytes());
    message.extend(name);
    message.extend(cookie);
    message
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_ended_at_its_socket() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut client = TcpStream::connect(listener.local_addr()?)?;
        let (server, peer) = listener.accept()?;
        match destroy(server.local_addr()?, peer) {
            // Only root may.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(()),
            done => assert!(done?),
        }
        let end = client.read(&mut [0; 1]);
        assert_eq!(
            end.map_err(|error| error.kind()),
            Err(io::ErrorKind::ConnectionReset)
        );
        // The one that listens is none of those, and lives on.
        let nobody = SocketAddr::new(peer.ip(), 1);
        assert!(!destroy(server.local_addr()?, nobody)?);
        TcpStream::connect(listener.local_addr()?)?;
        Ok(())
    }
}
