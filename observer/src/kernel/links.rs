//! The host's interfaces, asked of netlink: /sys may show another network namespace.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// An interface with its addresses.
#[derive(Clone, Debug)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// What its packets begin with.
    pub layer: Layer,
    /// The kind of a virtual interface ("veth", "bridge", ...); none for hardware and lo.
    pub kind: Option<String>,
    /// Whether it is a port of another interface.
    pub enslaved: bool,
    /// Addresses of this host.
    pub addresses: Vec<IpAddr>,
}

/// What the packets of an interface begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The loopback interface: Ethernet headers, and every packet passes both ways.
    Loopback,
    /// An Ethernet header.
    Ethernet,
    /// The IP header.
    Ip,
    /// Something that is not read.
    Other,
}

/// Tells when interfaces or addresses change.
pub struct Changes(Socket);

/// `RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR` (`linux/rtnetlink.h`).
const GROUPS: u32 = 0x1 | 0x10 | 0x100;

impl Changes {
    /// Listens from now on.
    ///
    /// # Errors
    /// What the socket calls refuse.
    pub fn subscribe() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, GROUPS))?;
        socket.set_non_blocking(true)?;
        Ok(Self(socket))
    }

    /// Whether anything changed since the last call.
    pub fn any(&self) -> bool {
        let mut any = false;
        let mut buffer = Vec::with_capacity(8192);
        loop {
            buffer.clear();
            match self.0.recv(&mut buffer, 0) {
                Ok(0) => return any,
                Ok(_) => any = true,
                // ENOBUFS: messages were dropped, so something changed.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => any = true,
                Err(_) => return any,
            }
        }
    }

    /// The socket's descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the socket owns the descriptor and lives as long as the borrow.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }
    }
}

/// Every interface of this network namespace.
///
/// # Errors
/// What netlink refuses.
pub fn list() -> io::Result<Vec<Interface>> {
    let mut interfaces = Vec::new();
    dump(
        RouteNetlinkMessage::GetLink(LinkMessage::default()),
        |message| {
            if let RouteNetlinkMessage::NewLink(link) = message {
                interfaces.push(interface(&link));
            }
        },
    )?;
    dump(
        RouteNetlinkMessage::GetAddress(AddressMessage::default()),
        |message| {
            if let RouteNetlinkMessage::NewAddress(address) = message
                && let Some(interface) = interfaces
                    .iter_mut()
                    .find(|interface| interface.index == address.header.index)
            {
                interface.addresses.extend(local_address(&address));
            }
        },
    )?;
    Ok(interfaces)
}

/// The address itself: `IFA_LOCAL` where there is one (point-to-point links have the peer's in `IFA_ADDRESS`).
fn local_address(message: &AddressMessage) -> Option<IpAddr> {
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => return Some(*address),
            AddressAttribute::Address(address) => found = Some(*address),
            _ => {}
        }
    }
    found
}

fn interface(message: &LinkMessage) -> Interface {
    let layer = match message.header.link_layer_type {
        LinkLayerType::Loopback => Layer::Loopback,
        LinkLayerType::Ether => Layer::Ethernet,
        LinkLayerType::None
        | LinkLayerType::Rawip
        | LinkLayerType::Ppp
        | LinkLayerType::Tunnel
        | LinkLayerType::Tunnel6 => Layer::Ip,
        _ => Layer::Other,
    };
    let mut interface = Interface {
        index: message.header.index,
        name: String::new(),
        up: message.header.flags.contains(LinkFlags::Up),
        layer,
        kind: None,
        enslaved: false,
        addresses: Vec::new(),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => interface.name.clone_from(name),
            LinkAttribute::Controller(_) => interface.enslaved = true,
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    if let LinkInfo::Kind(kind) = info {
                        interface.kind = Some(kind_name(kind));
                    }
                }
            }
            _ => {}
        }
    }
    interface
}

fn kind_name(kind: &InfoKind) -> String {
    kind.to_string().to_ascii_lowercase()
}

/// Sends a dump request and hands out the answers.
fn dump(
    request: RouteNetlinkMessage,
    mut answer: impl FnMut(RouteNetlinkMessage),
) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut buffer = Vec::with_capacity(1 << 16);
    loop {
        buffer.clear();
        socket.recv(&mut buffer, 0)?;
        let mut rest = buffer.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(io::Error::other)?;
            let length = message.header.length as usize;
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(inner) => answer(inner),
                _ => {}
            }
            rest = rest
                .get(length.next_multiple_of(4).max(1)..)
                .unwrap_or_default();
        }
    }
}
