//! Messages of gRPC by who calls what, counted while the calls live: a stream may last for days.

use std::sync::Arc;

use super::series::{Fold, OTHER, Series};

/// Label sets.
const SERIES: usize = 1_024;

/// Consumer and route.
type Labels = (Arc<str>, Arc<str>);

/// Messages, of the client and of the server.
#[derive(Clone, Debug)]
pub struct Messages(Series<Labels, Each>);

#[derive(Clone, Copy, Debug, Default)]
struct Each([u64; 2]);

/// Labels to look up.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a>(&'a str, &'a str);

impl hashbrown::Equivalent<Labels> for Key<'_> {
    fn equivalent(&self, labels: &Labels) -> bool {
        (self.0, self.1) == (&*labels.0, &*labels.1)
    }
}

impl From<&Key<'_>> for Labels {
    fn from(key: &Key<'_>) -> Self {
        (Arc::from(key.0), Arc::from(key.1))
    }
}

impl Fold for Each {
    fn absorb(&mut self, other: Self) {
        for (mine, more) in self.0.iter_mut().zip(other.0) {
            *mine = mine.wrapping_add(more);
        }
    }

    fn uses(&self) -> u64 {
        self.0.iter().fold(0, |sum, each| sum.saturating_add(*each))
    }
}

impl Default for Messages {
    fn default() -> Self {
        Self(Series::new(SERIES, || (Arc::from(OTHER), Arc::from(OTHER))))
    }
}

impl Messages {
    /// So many more, of the client and of the server.
    pub fn add(&mut self, consumer: &str, route: &str, more: [u64; 2]) {
        self.0.get(&Key(consumer, route)).absorb(Each(more));
    }

    /// Consumer, route, messages of the client and of the server.
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, [u64; 2])> {
        let rows = self.0.iter();
        rows.map(|((consumer, route), each)| (&**consumer, &**route, each.0))
    }

    /// How many series were folded.
    pub fn overflow(&self) -> u64 {
        self.0.overflowed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_summed_within_a_bound() {
        let mut messages = Messages::default();
        for number in 0..5_000 {
            messages.add("acme", "demo.Echo/Unary", [1, 2]);
            messages.add("acme", &format!("demo.Echo/{number}"), [1, 0]);
        }
        let rows: Vec<_> = messages.rows().collect();
        assert!(rows.len() <= SERIES);
        assert!(rows.contains(&("acme", "demo.Echo/Unary", [5_000, 10_000])));
        let sum: u64 = rows.iter().map(|(_, _, [client, _])| client).sum();
        assert_eq!(sum, 10_000);
        assert!(messages.overflow() > 3_000);
    }
}
