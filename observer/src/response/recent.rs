//! Who sent how much in the last hour: what an action would hit, before anybody decides on it.
//!
//! Invariant: bounded; past the bound what has no place makes every answer say that not all is known, for an hour.

use std::net::IpAddr;
use std::sync::Arc;

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::SECOND;
use super::action::Radius;
use super::subject::{Subject, Who};
use crate::identity::Fingerprint;

/// Senders that are told apart: a credential at an address.
const SENDERS: usize = 1 << 16;
/// Parts of the hour.
const PARTS: usize = 6;
const PART: u64 = 600 * SECOND;

/// Exchanges of the last hour, by sender.
#[derive(Debug, Default)]
pub struct Recent {
    senders: HashTable<(Sender, [u32; PARTS])>,
    hasher: DefaultHashBuilder,
    /// Number of the part of time that is being counted, since 1970.
    part: u64,
    /// Parts in which somebody had no place.
    full: [bool; PARTS],
}

/// What tells senders apart, borrowed: a sender that is known is found without being copied.
type Name<'a> = (
    Option<Fingerprint>,
    IpAddr,
    &'a str,
    Option<&'a str>,
    Option<&'a str>,
);

#[derive(Clone, Debug)]
struct Sender {
    fingerprint: Option<Fingerprint>,
    client: IpAddr,
    consumer: Arc<str>,
    app: Option<Arc<str>>,
    key: Option<Arc<str>>,
}

impl Sender {
    fn name(&self) -> Name<'_> {
        (
            self.fingerprint,
            self.client,
            &self.consumer,
            self.app.as_deref(),
            self.key.as_deref(),
        )
    }
}

impl Recent {
    /// Counts an exchange that ended at `now`, nanoseconds since 1970.
    pub fn add(
        &mut self,
        now: u64,
        (consumer, app, key): (&Arc<str>, &Option<Arc<str>>, &Option<Arc<str>>),
        fingerprint: Option<Fingerprint>,
        client: IpAddr,
    ) {
        self.turn(now / PART);
        let place = (self.part % PARTS as u64) as usize;
        let client = client.to_canonical();
        let name: Name<'_> = (
            fingerprint,
            client,
            consumer,
            app.as_deref(),
            key.as_deref(),
        );
        let Self {
            senders,
            hasher,
            full,
            ..
        } = self;
        let hash = hasher.hash_one(name);
        let room = senders.len() < SENDERS;
        let again = |(sender, _): &(Sender, _)| hasher.hash_one(sender.name());
        let counts = match senders.entry(hash, |(sender, _)| sender.name() == name, again) {
            Entry::Occupied(entry) => &mut entry.into_mut().1,
            Entry::Vacant(entry) if room => {
                let sender = Sender {
                    fingerprint,
                    client,
                    consumer: Arc::clone(consumer),
                    app: app.clone(),
                    key: key.clone(),
                };
                &mut entry.insert((sender, [0; PARTS])).into_mut().1
            }
            Entry::Vacant(_) => {
                if let Some(full) = full.get_mut(place) {
                    *full = true;
                }
                return;
            }
        };
        if let Some(count) = counts.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// What an action about somebody would have hit in the hour before `now`.
    pub fn radius(&mut self, subject: &Subject, now: u64) -> Radius {
        self.turn(now / PART);
        let mut consumers: Vec<&str> = Vec::new();
        let mut exchanges = 0;
        for (sender, counts) in &self.senders {
            let who = Who {
                consumer: &sender.consumer,
                app: sender.app.as_deref(),
                key: sender.key.as_deref(),
                fingerprint: sender.fingerprint,
                client: sender.client,
                peer: sender.client,
            };
            if subject.covers(&who) {
                exchanges += counts.iter().copied().map(u64::from).sum::<u64>();
                consumers.push(&sender.consumer);
            }
        }
        consumers.sort_unstable();
        consumers.dedup();
        Radius {
            exchanges,
            consumers: u32::try_from(consumers.len()).unwrap_or(u32::MAX),
            known: !self.full.contains(&true),
        }
    }

    /// Goes on to a later part of time; those of more than an hour ago are forgotten. Exchanges may end a little out of order.
    fn turn(&mut self, part: u64) {
        if part <= self.part {
            return;
        }
        let passed = (part - self.part).min(PARTS as u64);
        for step in 0..passed {
            let place = ((part - step) % PARTS as u64) as usize;
            if let Some(full) = self.full.get_mut(place) {
                *full = false;
            }
            for (_, counts) in &mut self.senders {
                if let Some(count) = counts.get_mut(place) {
                    *count = 0;
                }
            }
        }
        self.part = part;
        self.senders
            .retain(|(_, counts)| counts.iter().any(|count| *count > 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_342_500 * SECOND;

    fn add(recent: &mut Recent, now: u64, consumer: &str, client: [u8; 4]) {
        recent.add(now, (&consumer.into(), &None, &None), None, client.into());
    }

    #[test]
    fn an_hour_is_counted_by_whom_it_concerns() -> Result<(), super::super::TooWide> {
        let mut recent = Recent::default();
        for minute in 0..60 {
            add(
                &mut recent,
                NOW + minute * 60 * SECOND,
                "acme",
                [192, 0, 2, 1],
            );
            add(
                &mut recent,
                NOW + minute * 60 * SECOND,
                "other",
                [192, 0, 2, 2],
            );
        }
        let end = NOW + 3_600 * SECOND;
        let acme = Subject::Consumer("acme".into());
        let all = Subject::network("192.0.2.0/24".parse().unwrap_or_default())?;
        // The first ten minutes may be over by now, and no more.
        let counted = recent.radius(&acme, end);
        assert!(
            (50..=60).contains(&counted.exchanges) && counted.known,
            "{counted:?}"
        );
        assert_eq!(counted.consumers, 1);
        assert_eq!(recent.radius(&all, end).consumers, 2);
        let later = end + 3_600 * SECOND;
        assert_eq!(recent.radius(&all, later).exchanges, 0);
        assert!(recent.senders.is_empty());
        Ok(())
    }

    #[test]
    fn who_has_no_place_is_told_of() {
        let mut recent = Recent::default();
        for sender in 0..SENDERS as u32 + 1 {
            add(&mut recent, NOW, "acme", sender.to_be_bytes());
        }
        let acme = Subject::Consumer("acme".into());
        assert!(!recent.radius(&acme, NOW).known);
        assert_eq!(recent.senders.len(), SENDERS);
    }
}
