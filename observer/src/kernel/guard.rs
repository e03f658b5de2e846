//! What the kernel side is told to stop, what it stopped, and how its programs come and go.
//!
//! Attached only while there is something to stop; the links are pinned beside those that see, so that what was decided holds until
//! its deadline when the daemon is gone.

use std::collections::BTreeMap;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, MapData, MapError, PerCpuHashMap};
use ipnet::IpNet;
use observer_ebpf::abi::guard::{Action, Answer, Guarded, Holder, NAME, hit, place};
use observer_ebpf::abi::{FlowKey, map};
use observer_ebpf::spelling::{self, Places};

use super::{Kernel, KernelError};

/// `linux/bpf.h`
const BPF_NOEXIST: u64 = 1;

/// The tables of what is stopped.
pub struct Stops {
    holders: HashMap<MapData, u64, u64>,
    places: Array<MapData, [u8; size_of::<Places>()]>,
    actions: Array<MapData, [u8; Action::SIZE]>,
    buckets: Array<MapData, u64>,
    hits: PerCpuHashMap<MapData, u32, [u64; hit::PLACES]>,
    answers: Array<MapData, [u8; Answer::SIZE]>,
    guarded: HashMap<MapData, [u8; FlowKey::SIZE], [u8; Guarded::SIZE]>,
    networks: LpmTrie<MapData, [u8; 16], u32>,
    guard: Array<MapData, u64>,
    /// The places as last written.
    marked: Places,
}

impl Stops {
    /// Takes the tables out of the object.
    ///
    /// # Errors
    /// When they were taken before.
    pub(super) fn take(kernel: &mut Kernel) -> Result<Self, KernelError> {
        let mut take = |name: &'static str| {
            let taken = kernel.object.take_map(name);
            taken.ok_or(KernelError::Missing(name))
        };
        let places: Array<MapData, [u8; size_of::<Places>()]> = take(map::PLACES)?.try_into()?;
        // What a process before had looked at goes on being looked at.
        let mut marked = Places::default();
        for (word, bytes) in marked.iter_mut().zip(places.get(&0, 0)?.as_chunks().0) {
            *word = u64::from_ne_bytes(*bytes);
        }
        Ok(Self {
            holders: take(map::HOLDERS)?.try_into()?,
            places,
            actions: take(map::ACTIONS)?.try_into()?,
            buckets: take(map::BUCKETS)?.try_into()?,
            hits: take(map::HITS)?.try_into()?,
            answers: take(map::ANSWERS)?.try_into()?,
            guarded: take(map::GUARDED)?.try_into()?,
            networks: take(map::NETWORKS)?.try_into()?,
            guard: take(map::GUARD)?.try_into()?,
            marked,
        })
    }

    /// Says what is done at a place; `None`: nothing. A limit goes on with its bucket where there is one.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn set_action(&mut self, place: u32, action: Option<Action>) -> Result<(), MapError> {
        let action = action.unwrap_or_default();
        self.actions.set(place, action.to_bytes(), 0)
    }

    /// The name of the action at a place; zeros: there is none.
    pub fn name_at(&self, place: u32) -> [u8; NAME] {
        let action = self.actions.get(&place, 0);
        action.map_or([0; NAME], |bytes| Action::name_of(&bytes))
    }

    /// Empties what a place has of an action before: its bucket and its hits.
    ///
    /// # Errors
    /// When a map cannot be written.
    pub fn reset(&mut self, place: u32) -> Result<(), MapError> {
        self.buckets.set(place, 0, 0)?;
        removed(self.hits.remove(&place))
    }

    /// Says whose a spelling of a credential is.
    ///
    /// # Errors
    /// When the map is full, or cannot be written.
    pub fn set_holder(&mut self, hash: u64, holder: Option<Holder>) -> Result<(), MapError> {
        match holder {
            Some(holder) => self.holders.insert(hash, holder.to_word(), 0),
            None => removed(self.holders.remove(&hash)),
        }
    }

    /// Spellings that are known there.
    pub fn spellings(&self) -> Vec<u64> {
        self.holders.keys().flatten().collect()
    }

    /// Has the fields of that name looked at.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn mark(&mut self, field: &str) -> Result<(), MapError> {
        let before = self.marked;
        spelling::mark(&mut self.marked, field.as_bytes());
        if self.marked == before {
            return Ok(());
        }
        let mut bytes = [0; size_of::<Places>()];
        for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.marked) {
            *to = word.to_ne_bytes();
        }
        self.places.set(0, bytes, 0)
    }

    /// Says what clients are told, by place of [`Answer`].
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn set_answer(&mut self, place: u32, answer: &[u8; Answer::SIZE]) -> Result<(), MapError> {
        self.answers.set(place, answer, 0)
    }

    /// What an action hit, by [`hit`].
    pub fn hits(&self, place: u32) -> [u64; hit::PLACES] {
        let mut sums = [0_u64; hit::PLACES];
        let Ok(values) = self.hits.get(&place, 0) else {
            return sums;
        };
        for value in values.iter() {
            for (sum, part) in sums.iter_mut().zip(value) {
                *sum = sum.saturating_add(*part);
            }
        }
        sums
    }

    /// What every action hit that hit anything, by its place.
    pub fn all_hits(&self) -> Vec<(u32, [u64; hit::PLACES])> {
        let places: Vec<u32> = self.hits.keys().flatten().collect();
        places
            .into_iter()
            .map(|place| (place, self.hits(place)))
            .collect()
    }

    /// What is known of a connection.
    pub fn guarded(&self, flow: &FlowKey) -> Option<Guarded> {
        let bytes = self.guarded.get(&flow.to_bytes(), 0).ok()?;
        Some(Guarded::from_bytes(&bytes))
    }

    /// Takes note of a connection. With `new`, only where nothing is known of it: what is known is returned.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn set_guarded(
        &mut self,
        flow: &FlowKey,
        guarded: Guarded,
        new: bool,
    ) -> Result<Option<Guarded>, MapError> {
        let flags = if new { BPF_NOEXIST } else { 0 };
        match self
            .guarded
            .insert(flow.to_bytes(), guarded.to_bytes(), flags)
        {
            Err(_) if new => Ok(self.guarded(flow)),
            result => result.map(|()| None),
        }
    }

    /// Forgets all connections: while no program looked, their names may have gone to others.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn forget_connections(&mut self) -> Result<(), MapError> {
        let flows: Vec<[u8; FlowKey::SIZE]> = self.guarded.keys().flatten().collect();
        flows
            .iter()
            .try_for_each(|flow| removed(self.guarded.remove(flow)))
    }

    /// Replaces the table of networks.
    ///
    /// # Errors
    /// When the map is full, or cannot be written.
    pub fn set_networks(&mut self, entries: &BTreeMap<IpNet, u32>) -> Result<(), MapError> {
        let wanted: BTreeMap<(u32, [u8; 16]), u32> = entries
            .iter()
            .map(|(network, place)| (prefix(network), *place))
            .collect();
        let there: Vec<Key<[u8; 16]>> = self.networks.keys().flatten().collect();
        // What is new comes first: no address is without its entry meanwhile.
        for ((length, address), place) in &wanted {
            self.networks
                .insert(&Key::new(*length, *address), place, 0)?;
        }
        for key in there {
            if !wanted.contains_key(&(key.prefix_len(), key.data())) {
                self.networks.remove(&key)?;
            }
        }
        Ok(())
    }

    /// Says until when anything is stopped (nanoseconds of the monotonic clock; zero: nothing is), and how networks are, by
    /// [`place::NETWORKS`].
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn set_guard(&mut self, until: u64, networks: u64) -> Result<(), MapError> {
        self.guard.set(place::NETWORKS, networks, 0)?;
        self.guard.set(place::UNTIL, until, 0)
    }

    /// Has connections looked up for a while, as if a request had just been refused: for those that are to be reset.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn look_up_until(&mut self, now: u64) -> Result<(), MapError> {
        self.guard.set(place::REFUSED, now, 0)
    }
}

/// What is not there need not be removed.
fn removed(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.raw_os_error() == Some(libc::ENOENT) =>
        {
            Ok(())
        }
        result => result,
    }
}

/// A prefix as the table has it: IPv4 addresses mapped into IPv6.
fn prefix(network: &IpNet) -> (u32, [u8; 16]) {
    match network {
        IpNet::V4(network) => (
            96 + u32::from(network.prefix_len()),
            network.network().to_ipv6_mapped().octets(),
        ),
        IpNet::V6(network) => (u32::from(network.prefix_len()), network.network().octets()),
    }
}
