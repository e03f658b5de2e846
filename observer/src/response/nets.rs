//! Networks with something each, found by the longest prefix.

use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

/// Networks with a value each.
#[derive(Clone, Debug)]
pub struct Nets<T> {
    of: HashMap<IpNet, T>,
    /// How many have a prefix of which length, the longest first: only those are looked for.
    v4: Vec<(u8, u32)>,
    v6: Vec<(u8, u32)>,
}

impl<T> Default for Nets<T> {
    fn default() -> Self {
        Self {
            of: HashMap::new(),
            v4: Vec::new(),
            v6: Vec::new(),
        }
    }
}

impl<T: Copy> Nets<T> {
    /// Puts a network in, or gives it another value.
    pub fn insert(&mut self, network: IpNet, value: T) {
        if self.of.insert(network, value).is_some() {
            return;
        }
        let length = network.prefix_len();
        let lengths = self.lengths(&network);
        match lengths.binary_search_by(|(known, _)| length.cmp(known)) {
            Ok(at) => {
                if let Some((_, count)) = lengths.get_mut(at) {
                    *count += 1;
                }
            }
            Err(at) => lengths.insert(at, (length, 1)),
        }
    }

    /// Takes a network out.
    pub fn remove(&mut self, network: &IpNet) {
        if self.of.remove(network).is_none() {
            return;
        }
        let length = network.prefix_len();
        let lengths = self.lengths(network);
        for (_, count) in lengths.iter_mut().filter(|(known, _)| *known == length) {
            *count -= 1;
        }
        lengths.retain(|(_, count)| *count > 0);
    }

    fn lengths(&mut self, network: &IpNet) -> &mut Vec<(u8, u32)> {
        match network {
            IpNet::V4(_) => &mut self.v4,
            IpNet::V6(_) => &mut self.v6,
        }
    }

    /// The value of exactly this network.
    pub fn get(&self, network: &IpNet) -> Option<T> {
        self.of.get(network).copied()
    }

    /// The longest network that holds an address in canonical form.
    pub fn longest(&self, address: IpAddr) -> Option<T> {
        self.holding(address, u8::MAX).map(|(_, value)| value)
    }

    /// The longest network that this one is a part of.
    pub fn around(&self, network: &IpNet) -> Option<IpNet> {
        self.holding(network.addr(), network.prefix_len())
            .map(|(around, _)| around)
    }

    fn holding(&self, address: IpAddr, longest: u8) -> Option<(IpNet, T)> {
        let lengths = match address {
            IpAddr::V4(_) => &self.v4,
            IpAddr::V6(_) => &self.v6,
        };
        let mut lengths = lengths.iter().filter(|(length, _)| *length <= longest);
        lengths.find_map(|(length, _)| {
            let network = IpNet::new(address, *length).ok()?.trunc();
            self.of.get(&network).map(|value| (network, *value))
        })
    }

    /// Every network, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (IpNet, T)> {
        self.of.iter().map(|(network, value)| (*network, *value))
    }
}
