//! The kernel object: embedded at build time, loaded with this run's settings.

use aya::{Ebpf, EbpfLoader, maps::Map};
use observer_ebpf::abi::{SHARDS, map, setting};

use super::{KernelError, pins::Pins, ring::Ring};
use crate::identity::spelling::SpellingKey;

/// The object that `cargo xtask build` compiled; empty when the crate was built without it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/observer-ebpf.o"));

/// What is fixed when the object is loaded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of all rings together.
    pub ring_bytes: u64,
    /// Ports to look at; empty: all.
    pub ports: Vec<u16>,
    /// Whether TLS connections are delivered whole.
    pub tls: bool,
    /// Those to which ports; empty: all.
    pub tls_ports: Vec<u16>,
    /// The key that spellings of credentials are hashed with.
    pub spelling: SpellingKey,
    /// Whether the kernel side logs.
    pub log: bool,
}

/// Loads the object and maps its rings. With `pins`, on the maps that are pinned there, which are made where there are none.
///
/// # Errors
/// When the binary carries no object, or the kernel refuses it.
pub fn load(settings: &Settings, pins: Option<&Pins>) -> Result<(Ebpf, Vec<Ring>), KernelError> {
    if OBJECT.is_empty() {
        return Err(KernelError::NoObject);
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let shards = processors.next_power_of_two().clamp(1, SHARDS);
    let size = ring_size(settings.ring_bytes, shards);
    let page = rustix::param::page_size() as u32;
    let mask = shards as u32 - 1;
    let wake_at = u64::from(size) / 4;
    let filter = u8::from(!settings.ports.is_empty());
    let tls = match (settings.tls, settings.tls_ports.is_empty()) {
        (false, _) => 0_u8,
        (true, true) => 1,
        (true, false) => 2,
    };
    let [first, second] = settings.spelling.halves();
    let level = if settings.log { u8::MAX } else { 0 };

    let mut loader = EbpfLoader::new();
    loader
        .override_global(setting::SHARD_MASK, &mask, true)
        .override_global(setting::WAKE_AT, &wake_at, true)
        .override_global(setting::PORT_FILTER, &filter, true)
        .override_global(setting::TLS, &tls, true)
        .override_global(setting::SPELLING[0], &first, true)
        .override_global(setting::SPELLING[1], &second, true)
        .override_global("AYA_LOG_LEVEL", &level, false);
    for (index, name) in map::RINGS.into_iter().enumerate() {
        loader.map_max_entries(name, if index < shards { size } else { page });
    }
    let places = map::PINNED.map(|name| pins.map(|pins| (name, pins.map(name))));
    for (name, place) in places.iter().flatten() {
        loader.map_pin_path(name, place.as_path());
    }
    let mut object = loader.load(OBJECT).map_err(KernelError::load)?;
    let mut rings = Vec::with_capacity(shards);
    for name in map::RINGS.into_iter().take(shards) {
        let Some(Map::RingBuf(data)) = object.take_map(name) else {
            return Err(KernelError::Missing(name));
        };
        rings.push(Ring::map(data, size as usize).map_err(KernelError::Ring)?);
    }
    // Ports of an earlier start may stand there.
    for (name, ports) in [
        (map::PORTS, &settings.ports),
        (map::TLS_PORTS, &settings.tls_ports),
    ] {
        if !ports.is_empty() {
            write_ports(&mut object, name, ports)?;
        }
    }
    Ok((object, rings))
}

/// Writes a bitmap of ports.
fn write_ports(object: &mut Ebpf, name: &'static str, ports: &[u16]) -> Result<(), KernelError> {
    let mut words = vec![0_u64; 1024];
    for port in ports {
        if let Some(word) = words.get_mut(usize::from(port >> 6)) {
            *word |= 1 << (port & 63);
        }
    }
    let bitmap = object.map_mut(name).ok_or(KernelError::Missing(name))?;
    let mut bitmap = aya::maps::Array::<_, u64>::try_from(bitmap)?;
    for (index, word) in (0..).zip(words) {
        bitmap.set(index, word, 0)?;
    }
    Ok(())
}

/// Bytes of one ring: the largest power of two that fits its share, a page at least (`ringbuf_map_alloc`).
fn ring_size(all: u64, shards: usize) -> u32 {
    let share = (all / shards as u64).clamp(rustix::param::page_size() as u64, 1 << 30);
    1 << share.ilog2()
}
