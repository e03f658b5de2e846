//! Reading what the kernel side counted, summed over processors.

use std::collections::BTreeMap;

use aya::Ebpf;
use aya::maps::{PerCpuArray, PerCpuHashMap};
use observer_ebpf::abi::{COUNTERS, LinkTotals, map};

use super::KernelError;

/// What passed the interfaces, by index and whether it was on its way out.
pub type Links = BTreeMap<(u32, bool), LinkTotals>;

/// The values of all counters, by number.
///
/// # Errors
/// When the map cannot be read.
pub fn all(object: &Ebpf) -> Result<Vec<u64>, KernelError> {
    let counters = object
        .map(map::COUNTERS)
        .ok_or(KernelError::Missing(map::COUNTERS))?;
    let counters = PerCpuArray::<_, u64>::try_from(counters)?;
    let value = |index| Ok(counters.get(&index, 0)?.iter().sum());
    (0..COUNTERS as u32).map(value).collect()
}

/// What passed every interface.
///
/// # Errors
/// When the map cannot be read.
pub fn links(object: &Ebpf) -> Result<Links, KernelError> {
    let links = object
        .map(map::LINKS)
        .ok_or(KernelError::Missing(map::LINKS))?;
    let links = PerCpuHashMap::<_, u32, [u64; 2]>::try_from(links)?;
    let mut totals = Links::new();
    for entry in links.iter() {
        let (key, values) = entry?;
        let total = totals.entry((key >> 1, key & 1 == 1)).or_default();
        for [packets, bytes] in values.iter() {
            total.packets += packets;
            total.bytes += bytes;
        }
    }
    Ok(totals)
}
