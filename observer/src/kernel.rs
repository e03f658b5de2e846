//! The live kernel: loads the programs, attaches them to interfaces, reads what they deliver.
//!
//! Only sees. What is attached and what it fills stays when the process goes, pinned, so that nothing is missed until it is
//! back; without a daemon the programs rest after [`LEASE`]. Where nothing can be pinned, everything goes with the process
//! (so it is below Linux 6.6, where TC has no links).

pub mod attach;
mod bpf;
pub mod counters;
mod driver;
pub mod guard;
pub mod keys;
pub mod links;
pub mod object;
pub mod owners;
pub mod pins;
pub mod processes;
pub mod ring;
mod secrets;
pub mod sockets;
mod tables;
pub mod tracepoint;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use aya::Ebpf;
use aya::maps::{Array, HashMap, MapError, PerCpuArray};
use aya::programs::{ProgramError, TracePoint, UProbe};
use observer_ebpf::abi::{COMM, FlowKey, Hint, map, program, shed};
use rustix::event::{Timespec, epoll};
use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;

use attach::{Attachment, Guarding, Mode};
use guard::Stops;
use keys::{Probes, Target};
use links::{Changes, Interface};
use pins::Pins;
use ring::Ring;
pub use secrets::Secrets;
pub use tables::{Clients, Flows};

/// How long the programs go on without a daemon that renews it.
pub const LEASE: Duration = Duration::from_secs(300);

/// What the kernel side could not do.
#[derive(Debug, Error)]
pub enum KernelError {
    /// Built without the kernel object.
    #[error("this binary carries no kernel object (build it with `cargo xtask build`)")]
    NoObject,
    /// The object could not be loaded.
    #[error("loading the kernel programs: {0}")]
    Load(Box<aya::EbpfError>),
    /// The object lacks a map or a program: it is another version's.
    #[error("the kernel object has no `{0}`")]
    Missing(&'static str),
    /// A program could not be loaded or attached.
    #[error("{}", chain(.0))]
    Program(#[from] ProgramError),
    /// An attachment was refused.
    #[error("attaching to {interface}: {reason}")]
    Attach {
        /// The interface.
        interface: String,
        /// What the kernel said.
        reason: String,
    },
    /// A map could not be used.
    #[error("{}", chain(.0))]
    Map(#[from] MapError),
    /// A ring buffer could not be mapped.
    #[error("mapping a ring buffer: {0}")]
    Ring(io::Error),
    /// The tracepoint that tells hops from clients cannot be used.
    #[error(
        "tracepoint sock:inet_sock_set_state: {0} (mount -t tracefs tracefs /sys/kernel/tracing)"
    )]
    Tracepoint(io::Error),
    /// The kernel does not tell which files processes map.
    #[error("following what processes map: {0}")]
    Mappings(io::Error),
    /// Interfaces could not be listed.
    #[error("listing interfaces: {0}")]
    Interfaces(io::Error),
    /// Waiting for events failed.
    #[error("waiting for events: {0}")]
    Wait(io::Error),
}

impl KernelError {
    fn load(error: aya::EbpfError) -> Self {
        Self::Load(Box::new(error))
    }

    fn attach(interface: &str, error: impl std::error::Error) -> Self {
        Self::Attach {
            interface: interface.to_owned(),
            reason: chain(&error),
        }
    }

    /// Whether more privilege would have helped.
    pub fn is_privilege(&self) -> bool {
        let text = match self {
            Self::Load(error) => chain(error.as_ref()),
            other => other.to_string(),
        };
        // The verifier's refusals say "Permission denied" too, after a log of what it processed.
        !text.contains("processed ")
            && (text.contains("not permitted") || text.contains("Permission denied"))
    }
}

/// A process's name as threads bear it: cut to fifteen bytes, with zeros after it.
fn comm(name: &str) -> [u8; COMM] {
    let mut comm = [0; COMM];
    for (to, from) in comm.iter_mut().take(COMM - 1).zip(name.bytes()) {
        *to = from;
    }
    comm
}

/// An error with its causes: aya's own messages leave the system's out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

/// What to watch, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Interfaces by name; empty: those of [`attach::is_own`].
    pub interfaces: Vec<String>,
    /// How ingress is seen.
    pub mode: Mode,
    /// What is fixed at load.
    pub object: object::Settings,
    /// Names of processes whose TLS secrets are not taken.
    pub keys_except: Vec<String>,
    /// Where maps and links are pinned; `None`: they are not.
    pub pins: Option<Pins>,
}

/// The programs in the kernel, attached.
pub struct Kernel {
    object: Ebpf,
    rings: Vec<Ring>,
    attached: BTreeMap<u32, Attachment>,
    refused: BTreeMap<u32, String>,
    new_refusals: Vec<(String, String)>,
    interfaces: Vec<Interface>,
    changes: Changes,
    poll: OwnedFd,
    sockets: Option<OwnedFd>,
    keys: Option<(Probes, Secrets)>,
    /// Runs of each probe as last read, and of all probes by what they stand in.
    probe_counts: BTreeMap<u32, u64>,
    probe_runs: BTreeMap<String, u64>,
    rested: bool,
    /// Programs that stop traffic, by interface index, and whether they are to drop packets.
    guarding: BTreeMap<u32, Guarding>,
    guards: Option<bool>,
    settings: Settings,
}

impl Kernel {
    /// Loads the programs and attaches them to the interfaces that there are.
    ///
    /// # Errors
    /// When the object cannot be loaded, interfaces cannot be listed, or a named interface refuses the programs.
    pub fn start(settings: Settings) -> Result<Self, KernelError> {
        let (object, rings) = object::load(&settings.object, settings.pins.as_ref())?;
        let changes = Changes::subscribe().map_err(KernelError::Interfaces)?;
        let poll = epoll::create(epoll::CreateFlags::CLOEXEC)
            .map_err(|error| KernelError::Wait(error.into()))?;
        // Edge-triggered: a ring that holds events is always readable, and only a forced wake-up is worth waking for.
        let fds = rings.iter().map(Ring::fd).chain([changes.fd()]);
        for (index, fd) in (0..).zip(fds) {
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&poll, fd, epoll::EventData::new_u64(index), flags)
                .map_err(|error| KernelError::Wait(error.into()))?;
        }
        let mut kernel = Self {
            object,
            rings,
            attached: BTreeMap::new(),
            refused: BTreeMap::new(),
            new_refusals: Vec::new(),
            interfaces: Vec::new(),
            changes,
            poll,
            sockets: None,
            keys: None,
            probe_counts: BTreeMap::new(),
            probe_runs: BTreeMap::new(),
            rested: false,
            guarding: BTreeMap::new(),
            guards: None,
            settings,
        };
        kernel.rested = kernel.lease()? < monotonic_now();
        kernel.renew(LEASE)?;
        kernel.shed(false, 0)?;
        kernel.attach_changed()?;
        if let Some(pins) = &kernel.settings.pins {
            pins.unlink(|interface, hook| {
                let attached = kernel.attached.get(&interface);
                attached.is_some_and(|attachment| {
                    attachment.hooks().any(|own| own == hook) || attach::stops(hook)
                })
            });
        }
        for name in &kernel.settings.interfaces {
            let Some(interface) = kernel
                .interfaces
                .iter()
                .find(|interface| interface.name == *name)
            else {
                continue;
            };
            if let Some(reason) = kernel.refused.get(&interface.index) {
                return Err(KernelError::Attach {
                    interface: name.clone(),
                    reason: reason.clone(),
                });
            }
        }
        Ok(kernel)
    }

    /// Watches which process opens which connection.
    ///
    /// # Errors
    /// When the tracepoint is missing or refused: hops are then counted as local.
    pub fn watch_sockets(&mut self) -> Result<(), KernelError> {
        let number = tracepoint::socket_states().map_err(KernelError::Tracepoint)?;
        let program = self
            .object
            .program_mut(program::SOCKETS)
            .ok_or(KernelError::Missing(program::SOCKETS))?;
        let program: &mut TracePoint = program.try_into()?;
        program.load()?;
        let pin = self.settings.pins.as_ref().map(Pins::sockets);
        let event = tracepoint::attach(program.fd()?.as_fd(), number, pin.as_deref())
            .map_err(KernelError::Tracepoint)?;
        self.sockets = Some(event);
        Ok(())
    }

    /// Whether TLS connections are delivered whole, to be read.
    pub fn delivers_tls(&self) -> bool {
        self.settings.object.tls
    }

    /// Watches what derives the keys of TLS connections.
    ///
    /// # Errors
    /// When the kernel refuses the probe, or does not tell what processes map.
    pub fn watch_keys(&mut self) -> Result<(), KernelError> {
        for name in [program::KEYS, program::GO_KEYS] {
            let program = self.object.program_mut(name);
            let program: &mut UProbe = program.ok_or(KernelError::Missing(name))?.try_into()?;
            program.load()?;
        }
        let mut probes = Probes::new()?;
        let ring = self
            .object
            .take_map(map::NEW_SECRETS)
            .ok_or(KernelError::Missing(map::NEW_SECRETS))?;
        let secrets = self
            .object
            .take_map(map::SECRETS)
            .ok_or(KernelError::Missing(map::SECRETS))?;
        let except = self.settings.keys_except.clone();
        let missed = self
            .object
            .take_map(map::SECRETS_MISSED)
            .ok_or(KernelError::Missing(map::SECRETS_MISSED))?;
        let (ring, table) = (ring.try_into()?, secrets.try_into()?);
        let secrets = Secrets::new(ring, table, missed.try_into()?, except);
        let map = self
            .object
            .map_mut(map::KEYS_EXCEPT)
            .ok_or(KernelError::Missing(map::KEYS_EXCEPT))?;
        let mut names = HashMap::<_, [u8; COMM], u8>::try_from(map)?;
        for name in &self.settings.keys_except {
            names.insert(comm(name), 1, 0)?;
        }
        for fd in probes.watch().fds() {
            let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
            epoll::add(&self.poll, fd, epoll::EventData::new_u64(0), flags)
                .map_err(|error| KernelError::Wait(error.into()))?;
        }
        probes.begin(&mut self.object, self.settings.pins.as_ref());
        self.keys = Some((probes, secrets));
        Ok(())
    }

    /// Follows what processes map since the last call. Returns the files that are new.
    pub fn follow_keys(&mut self) -> &[Target] {
        let Some((probes, _)) = &mut self.keys else {
            return &[];
        };
        probes.follow(&mut self.object, self.settings.pins.as_ref())
    }

    /// Files that derive keys, with and without a probe in them.
    pub fn key_targets(&self) -> &[Target] {
        self.keys
            .as_ref()
            .map(|(probes, _)| probes.targets())
            .unwrap_or_default()
    }

    /// How often the probes ran, by what they stand in. Of a probe that is gone, what it ran stays counted.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn probe_runs(&mut self) -> Result<&BTreeMap<String, u64>, KernelError> {
        let map = self
            .object
            .map(map::PROBES)
            .ok_or(KernelError::Missing(map::PROBES))?;
        let map = PerCpuArray::<_, u64>::try_from(map)?;
        for target in self.keys.iter().flat_map(|(probes, _)| probes.targets()) {
            if let Ok(place) = target.probe {
                let counted = map.get(&place, 0)?.iter().sum::<u64>();
                let before = self.probe_counts.insert(place, counted).unwrap_or(0);
                let runs = self.probe_runs.entry(target.version.clone()).or_default();
                *runs += counted.saturating_sub(before);
            }
        }
        Ok(&self.probe_runs)
    }

    /// Secrets of handshakes, where they are watched.
    pub fn secrets(&mut self) -> Option<&mut Secrets> {
        self.keys.as_mut().map(|(_, secrets)| secrets)
    }

    /// Lets the programs look at packets for so long from now on.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn renew(&mut self, lease: Duration) -> Result<(), KernelError> {
        let map = self
            .object
            .map_mut(map::LEASE)
            .ok_or(KernelError::Missing(map::LEASE))?;
        let until = monotonic_now().saturating_add(lease.as_nanos() as u64);
        Ok(Array::<_, u64>::try_from(map)?.set(0, until, 0)?)
    }

    /// Whether the lease had run out before this start, so that the programs had stopped looking.
    pub fn had_rested(&self) -> bool {
        self.rested
    }

    fn lease(&self) -> Result<u64, KernelError> {
        let map = self
            .object
            .map(map::LEASE)
            .ok_or(KernelError::Missing(map::LEASE))?;
        Ok(Array::<_, u64>::try_from(map)?.get(&0, 0)?)
    }

    /// Says what is left out under overload: payload that begins no message, and so many of [`shed::ALL`] new connections.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn shed(&mut self, payload: bool, connections: u64) -> Result<(), KernelError> {
        let map = self
            .object
            .map_mut(map::SHED)
            .ok_or(KernelError::Missing(map::SHED))?;
        let mut places = Array::<_, u64>::try_from(map)?;
        places.set(shed::PAYLOAD, u64::from(payload), 0)?;
        Ok(places.set(shed::CONNECTIONS, connections, 0)?)
    }

    /// What maps and links are pinned under.
    pub fn pins(&self) -> Option<&Pins> {
        self.settings.pins.as_ref()
    }

    /// Takes out the table of connections that processes of this host opened.
    ///
    /// # Errors
    /// When it was taken before.
    pub fn take_clients(&mut self) -> Result<Clients, KernelError> {
        let map = self
            .object
            .take_map(map::CLIENTS)
            .ok_or(KernelError::Missing(map::CLIENTS))?;
        Ok(Clients(map.try_into()?))
    }

    /// Takes out the table of connections that are tracked.
    ///
    /// # Errors
    /// When it was taken before.
    pub fn take_flows(&mut self) -> Result<Flows, KernelError> {
        let map = self
            .object
            .take_map(map::FLOWS)
            .ok_or(KernelError::Missing(map::FLOWS))?;
        Ok(Flows(map.try_into()?))
    }

    /// Takes out the tables of what is stopped.
    ///
    /// # Errors
    /// When they were taken before.
    pub fn take_stops(&mut self) -> Result<Stops, KernelError> {
        Stops::take(self)
    }

    /// Loads what refuses requests, so that it is at hand.
    ///
    /// # Errors
    /// When the kernel refuses it: `bpf_loop` came with Linux 5.17.
    pub fn load_guard(&mut self) -> Result<(), KernelError> {
        attach::load_guard(&mut self.object)
    }

    /// Attaches the programs that stop traffic wherever traffic is seen; with `shield`, those that drop packets too.
    ///
    /// # Errors
    /// When the kernel refuses; what was attached stays.
    pub fn guard(&mut self, shield: bool) -> Result<(), KernelError> {
        self.guards = Some(shield);
        let pins = self.settings.pins.as_ref();
        for (index, seeing) in &mut self.attached {
            let mut interfaces = self.interfaces.iter();
            let Some(interface) = interfaces.find(|interface| interface.index == *index) else {
                continue;
            };
            let guarding = match self.guarding.entry(*index) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(attach::attach_guard(
                    &mut self.object,
                    interface,
                    seeing,
                    pins,
                )?),
            };
            if shield {
                let driver = driver_of(interface);
                guarding.raise_shield(&mut self.object, interface, seeing, driver.as_deref(), pins);
            } else {
                guarding.lower_shield(&mut self.object, *index, Some(seeing), pins);
            }
        }
        // What a process before left elsewhere. What it left here got these programs in place of its own.
        if let Some(pins) = pins {
            pins.unlink(|index, hook| !attach::stops(hook) || self.guarding.contains_key(&index));
        }
        Ok(())
    }

    /// Takes the programs that stop traffic off, those that a process before left included.
    pub fn unguard(&mut self) {
        self.guards = None;
        let pins = self.settings.pins.as_ref();
        for (index, guarding) in std::mem::take(&mut self.guarding) {
            let seeing = self.attached.get_mut(&index);
            attach::detach_guard(&mut self.object, guarding, index, seeing, pins);
        }
        if let Some(pins) = pins {
            pins.unlink(|_, hook| !attach::stops(hook));
        }
    }

    /// Whether programs that stop traffic are attached.
    pub fn is_guarding(&self) -> bool {
        self.guards.is_some()
    }

    /// Tells the kernel side what it need not deliver.
    ///
    /// # Errors
    /// When the map cannot be written.
    pub fn hint(&mut self, flow: &FlowKey, hint: Hint) -> Result<(), KernelError> {
        let hints = self
            .object
            .map_mut(map::HINTS)
            .ok_or(KernelError::Missing(map::HINTS))?;
        let mut hints = HashMap::<_, [u8; FlowKey::SIZE], [u8; 24]>::try_from(hints)?;
        Ok(hints.insert(flow.to_bytes(), hint.to_bytes(), 0)?)
    }

    /// Waits until a ring is filled past its mark, interfaces change, or the time is over.
    ///
    /// # Errors
    /// What `epoll_wait` refuses.
    pub fn wait(&self, timeout: Duration) -> Result<(), KernelError> {
        let mut events = Vec::with_capacity(8);
        let timeout = Timespec {
            tv_sec: timeout.as_secs() as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        };
        match epoll::wait(
            &self.poll,
            rustix::buffer::spare_capacity(&mut events),
            Some(&timeout),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(KernelError::Wait(error.into())),
        }
    }

    /// The rings.
    pub fn rings(&mut self) -> &mut [Ring] {
        &mut self.rings
    }

    /// The object, to read from.
    pub fn object_ref(&self) -> &Ebpf {
        &self.object
    }

    /// The object, for counters and the kernel side's log.
    pub fn object(&mut self) -> &mut Ebpf {
        &mut self.object
    }

    /// Interfaces as of the last look.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// What is attached, by interface index.
    pub fn attached(&self) -> &BTreeMap<u32, Attachment> {
        &self.attached
    }

    /// Interfaces that are to be observed by name, and are not there.
    pub fn absent(&self) -> impl Iterator<Item = &str> {
        let names = self.settings.interfaces.iter().map(String::as_str);
        names.filter(|name| !self.interfaces.iter().any(|there| there.name == *name))
    }

    /// Interfaces that refused the programs, with the reason.
    pub fn refused(&self) -> &BTreeMap<u32, String> {
        &self.refused
    }

    /// This host's own addresses, as of the last look.
    pub fn own_addresses(&self) -> Vec<IpAddr> {
        self.interfaces
            .iter()
            .flat_map(|interface| interface.addresses.iter().copied())
            .collect()
    }

    /// Interfaces that refused the programs since the last call, with the reason.
    pub fn take_new_refusals(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.new_refusals)
    }

    /// Whether interfaces or addresses changed since the last call.
    pub fn links_changed(&self) -> bool {
        self.changes.any()
    }

    /// Attaches to interfaces that appeared and forgets those that went. Returns the names of the new ones.
    ///
    /// # Errors
    /// When interfaces cannot be listed. An interface that refuses is noted in [`Kernel::refused`].
    pub fn attach_changed(&mut self) -> Result<Vec<String>, KernelError> {
        self.interfaces = links::list().map_err(KernelError::Interfaces)?;
        let present: Vec<u32> = self
            .interfaces
            .iter()
            .map(|interface| interface.index)
            .collect();
        let gone: Vec<u32> = self
            .attached
            .keys()
            .filter(|index| !present.contains(index))
            .copied()
            .collect();
        for index in gone {
            if let Some(guarding) = self.guarding.remove(&index) {
                attach::detach_guard(&mut self.object, guarding, index, None, None);
            }
            if let Some(attachment) = self.attached.remove(&index) {
                attach::detach(&mut self.object, attachment);
            }
            if let Some(pins) = &self.settings.pins {
                pins.unlink(|interface, _| interface != index);
            }
        }
        self.refused.retain(|index, _| present.contains(index));
        let mut new = Vec::new();
        for interface in &self.interfaces {
            let named = self.settings.interfaces.contains(&interface.name);
            let wanted = if self.settings.interfaces.is_empty() {
                attach::is_own(interface)
            } else {
                named
            };
            if !wanted
                || self.attached.contains_key(&interface.index)
                || self.refused.contains_key(&interface.index)
            {
                continue;
            }
            let choice = attach::choose(
                self.settings.mode,
                interface,
                driver_of(interface).as_deref(),
            );
            let pins = self.settings.pins.as_ref();
            match attach::attach(
                &mut self.object,
                interface,
                self.settings.mode,
                choice,
                pins,
            ) {
                Ok(attachment) => {
                    new.push(interface.name.clone());
                    self.attached.insert(interface.index, attachment);
                }
                Err(error) => {
                    let reason = error.to_string();
                    self.new_refusals
                        .push((interface.name.clone(), reason.clone()));
                    self.refused.insert(interface.index, reason);
                }
            }
        }
        if let Some(shield) = self.guards {
            self.guard(shield)?;
        }
        Ok(new)
    }
}

/// Nanoseconds of the clock that `bpf_ktime_get_ns` reads.
pub fn monotonic_now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    (now.tv_sec as u64)
        .saturating_mul(1_000_000_000)
        .saturating_add(now.tv_nsec as u64)
}

impl Drop for Kernel {
    fn drop(&mut self) {
        // Pinned, they hold until their deadlines.
        for (index, guarding) in std::mem::take(&mut self.guarding) {
            attach::detach_guard(&mut self.object, guarding, index, None, None);
        }
        for (_, attachment) in std::mem::take(&mut self.attached) {
            attach::detach(&mut self.object, attachment);
        }
    }
}

/// The driver of a hardware interface (`ETHTOOL_GDRVINFO`).
pub fn driver_of(interface: &Interface) -> Option<String> {
    if interface.kind.is_some() || interface.layer != links::Layer::Ethernet {
        return None;
    }
    driver::name(&interface.name)
}
