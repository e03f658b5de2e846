//! The table of handshakes' secrets, and the ring that names new ones.

use std::os::fd::{AsRawFd, BorrowedFd};

use aya::maps::{HashMap, MapData, RingBuf};
use observer_ebpf::abi::{Secret, SecretName};

/// What handshakes derived their keys from.
pub struct Secrets {
    new: RingBuf<MapData>,
    table: HashMap<MapData, [u8; SecretName::SIZE], [u8; Secret::SIZE]>,
    /// All that stood there before are still to be handed out.
    unread: bool,
}

impl Secrets {
    pub(super) fn new(
        new: RingBuf<MapData>,
        table: HashMap<MapData, [u8; SecretName::SIZE], [u8; Secret::SIZE]>,
    ) -> Self {
        Self {
            new,
            table,
            unread: true,
        }
    }

    /// Readable when there are new ones.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the ring's descriptor is open as long as `self`.
        unsafe { BorrowedFd::borrow_raw(self.new.as_raw_fd()) }
    }

    /// Hands out those that came since the last call; the first time, all that there are.
    pub fn drain(&mut self, mut each: impl FnMut(SecretName, Secret)) {
        let mut hand_out = |table: &HashMap<_, _, _>, name: [u8; SecretName::SIZE]| {
            let secret = table.get(&name, 0).ok();
            let secret = secret.as_ref().and_then(Secret::from_bytes);
            if let (Some(name), Some(secret)) = (SecretName::from_bytes(&name), secret) {
                each(name, secret);
            }
        };
        if std::mem::take(&mut self.unread) {
            let names: Vec<_> = self.table.keys().flatten().collect();
            for name in names {
                hand_out(&self.table, name);
            }
        }
        while let Some(entry) = self.new.next() {
            if let Some(name) = entry.first_chunk() {
                hand_out(&self.table, *name);
            }
        }
    }

    /// Wipes a secret whose connection is over.
    pub fn forget(&mut self, name: SecretName) {
        let name = name.to_bytes();
        // The kernel keeps an entry's bytes when it is removed.
        if self.table.insert(name, [0; Secret::SIZE], 0).is_ok() {
            let _ = self.table.remove(&name);
        }
    }
}
