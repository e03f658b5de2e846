//! What a handshake derived its keys from, as it stands in a map until its connection is over.

use super::COMM;

/// What kind of secret it is, and so what names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretKind {
    /// TLS 1.3, the handshake secret (RFC 8446 section 7.1); named by the hash of ClientHello to ServerHello.
    Handshake,
    /// TLS 1.2, the master secret (RFC 5246 section 8.1); named by the client's random.
    Master,
    /// TLS 1.3, `client_early_traffic_secret`; named by the hash of the ClientHello.
    Early,
    /// As a key log has it, `CLIENT_RANDOM`: as [`Self::Master`], without the server's random. Named by the client's random, as
    /// those that follow.
    LoggedMaster,
    /// `CLIENT_HANDSHAKE_TRAFFIC_SECRET`
    ClientHandshake,
    /// `SERVER_HANDSHAKE_TRAFFIC_SECRET`
    ServerHandshake,
    /// `CLIENT_TRAFFIC_SECRET_0`
    ClientTraffic,
    /// `SERVER_TRAFFIC_SECRET_0`
    ServerTraffic,
}

/// What a secret is found by.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName {
    /// [`SecretKind`] as a number.
    pub kind: u64,
    /// The first 32 bytes of a hash, or a random.
    pub name: [u8; 32],
}

/// The value in the map.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Secret {
    /// Nanoseconds of the monotonic clock.
    pub time: u64,
    /// The process that derived it.
    pub process: u32,
    /// Bytes of `secret`: 32 or 48.
    pub length: u32,
    /// The secret, zeros after it.
    pub secret: [u8; 48],
    /// Of TLS 1.3 the whole hash, of TLS 1.2 the server's random; zeros after it.
    pub context: [u8; 48],
    /// The name of the thread that derived it.
    pub comm: [u8; COMM],
}

impl SecretKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Handshake,
        Self::Master,
        Self::Early,
        Self::LoggedMaster,
        Self::ClientHandshake,
        Self::ServerHandshake,
        Self::ClientTraffic,
        Self::ServerTraffic,
    ];

    /// Its number.
    #[inline(always)]
    pub const fn number(self) -> u64 {
        match self {
            Self::Handshake => 1,
            Self::Master => 2,
            Self::Early => 3,
            Self::LoggedMaster => 4,
            Self::ClientHandshake => 5,
            Self::ServerHandshake => 6,
            Self::ClientTraffic => 7,
            Self::ServerTraffic => 8,
        }
    }
}

impl SecretName {
    /// Bytes of the key in the map.
    pub const SIZE: usize = 40;

    /// Of a kind, and the hash or random that names it; of a hash that is longer, its beginning counts.
    pub fn new(kind: SecretKind, name: &[u8]) -> Option<Self> {
        Some(Self {
            kind: kind.number(),
            name: *name.first_chunk()?,
        })
    }

    /// The kind; `None` for a number that is none.
    pub fn kind(&self) -> Option<SecretKind> {
        SecretKind::ALL
            .into_iter()
            .find(|kind| kind.number() == self.kind)
    }

    /// The name whose bytes these are; `None` when its kind is none.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let (kind, name) = bytes.split_first_chunk()?;
        let name = Self {
            kind: u64::from_ne_bytes(*kind),
            name: *name.first_chunk()?,
        };
        name.kind().map(|_| name)
    }

    /// The bytes of the key in the map.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let (kind, name) = bytes.split_at_mut(8);
        kind.copy_from_slice(&self.kind.to_ne_bytes());
        name.copy_from_slice(&self.name);
        bytes
    }
}

impl Secret {
    /// Bytes of the value in the map.
    pub const SIZE: usize = 128;

    /// The secret whose bytes these are; `None` when its length is none.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Option<Self> {
        let (time, rest) = bytes.split_first_chunk()?;
        let (process, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (secret, rest) = rest.split_first_chunk()?;
        let (context, rest) = rest.split_first_chunk()?;
        let length = u32::from_ne_bytes(*length);
        matches!(length, 32 | 48).then_some(Self {
            time: u64::from_ne_bytes(*time),
            process: u32::from_ne_bytes(*process),
            length,
            secret: *secret,
            context: *context,
            comm: *rest.first_chunk()?,
        })
    }
}

const _: () = {
    assert!(size_of::<SecretName>() == SecretName::SIZE);
    assert!(size_of::<Secret>() == Secret::SIZE);
    assert!(core::mem::offset_of!(Secret, length) == 12);
    assert!(core::mem::offset_of!(Secret, secret) == 16);
    assert!(core::mem::offset_of!(Secret, context) == 64);
    assert!(core::mem::offset_of!(Secret, comm) == 112);
};
