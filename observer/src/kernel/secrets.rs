//! The table of handshakes' secrets, and the ring that names new ones.

use std::collections::BTreeMap;

use aya::maps::{Array, HashMap, MapData, RingBuf};
use observer_ebpf::abi::{Secret, SecretKind, SecretName};
use zeroize::{Zeroize, Zeroizing};

use super::keys::name_of;

/// What handshakes derived their keys from.
pub struct Secrets {
    new: RingBuf<MapData>,
    table: HashMap<MapData, [u8; SecretName::SIZE], [u8; Secret::SIZE]>,
    missed: Array<MapData, u64>,
    /// What `missed` said when all were handed out; `None`: those that stood there before are still to be.
    seen: Option<u64>,
    /// Names of processes whose secrets are not handed out: those of threads with names of their own are taken.
    except: Vec<String>,
    /// Kinds of secrets that were handed out, a bit each, by their names.
    handed: BTreeMap<[u8; 32], u8>,
}

/// Names that are remembered; past it, older ones go when the kernel's table needs their room.
const HANDED: usize = 1 << 15;

impl Secrets {
    pub(super) fn new(
        new: RingBuf<MapData>,
        table: HashMap<MapData, [u8; SecretName::SIZE], [u8; Secret::SIZE]>,
        missed: Array<MapData, u64>,
        except: Vec<String>,
    ) -> Self {
        Self {
            new,
            table,
            missed,
            except,
            handed: BTreeMap::new(),
            seen: None,
        }
    }

    /// Hands out those that came since the last call; all that there are the first time, and when the ring had no room.
    pub fn drain(&mut self, mut each: impl FnMut(SecretName, &Secret)) {
        let mut names: Vec<[u8; SecretName::SIZE]> = Vec::new();
        let missed = self.missed.get(&0, 0).unwrap_or(0);
        if self.seen.replace(missed) != Some(missed) {
            names.extend(self.table.keys().flatten());
        }
        while let Some(entry) = self.new.next() {
            names.extend(entry.first_chunk());
        }
        for bytes in names {
            let entry = self.table.get(&bytes, 0).ok().map(Zeroizing::new);
            let secret = entry.as_ref().and_then(|entry| Secret::from_bytes(entry));
            let (Some(name), Some(mut secret)) = (SecretName::from_bytes(&bytes), secret) else {
                continue;
            };
            if self.is_left_alone(secret.process) {
                self.forget(name);
                continue;
            }
            if self.handed.len() >= HANDED {
                self.handed.clear();
            }
            *self.handed.entry(name.name).or_default() |= bit(name.kind);
            each(name, &secret);
            secret.secret.zeroize();
        }
    }

    /// Wipes the secrets of a connection that is over.
    pub fn end(&mut self, name: [u8; 32]) {
        let handed = self.handed.remove(&name).unwrap_or(0);
        for kind in SecretKind::ALL {
            if handed & bit(kind.number()) != 0 {
                let kind = kind.number();
                self.forget(SecretName { kind, name });
            }
        }
    }

    fn is_left_alone(&self, process: u32) -> bool {
        !self.except.is_empty() && self.except.contains(&name_of(process))
    }

    /// Wipes a secret.
    fn forget(&mut self, name: SecretName) {
        let name = name.to_bytes();
        // The kernel keeps an entry's bytes when it is removed.
        if self.table.insert(name, [0; Secret::SIZE], 0).is_ok() {
            let _ = self.table.remove(&name);
        }
    }
}

/// The bit of a kind, which are numbered from 1 to 8.
fn bit(kind: u64) -> u8 {
    1 << (kind.saturating_sub(1) & 7)
}
