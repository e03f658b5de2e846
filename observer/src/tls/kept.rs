//! What is kept of a session over a restart: where it stands, and what its secrets are found by; never a secret, nor a byte.
//!
//! Invariant: what is kept, with every byte from [`Place::stream`] on and the same secrets, leads to the same plaintext.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::reading::{Origin, Reading};
use super::secrets::{Join, Secrets};
use super::suite::Suite;
use super::way::{Both, Mark, Point, Way};

/// What is kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Kept {
    /// Its handshake is read again from its first byte on.
    Fresh,
    /// It goes on where it stood.
    Stand(Box<Stand>),
}

/// Where a session stands whose keys are known.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stand {
    suite: Suite,
    origin: Origin,
    places: Both<Place>,
}

/// Where a direction stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    point: Point,
    /// Offset before which plaintext was handed on.
    taken: u64,
    /// Records were lost, with so many bytes, and the next one was not found; `kept` of them were still looked through.
    search: Option<(u64, u64)>,
    marks: VecDeque<Mark>,
}

impl Stand {
    /// Of a session; `None` while a direction has not the keys that it stays with.
    pub fn of(reading: &Reading, ways: &Both<Way>) -> Option<Self> {
        let place = |way: &Way, now: Option<Point>| {
            let now = now?;
            let (point, taken) = match way.head {
                Some((point, begin)) => (point, begin),
                None => (
                    Point {
                        stream: way.next,
                        plain: way.plain,
                        ..now
                    },
                    way.plain.max(way.taken),
                ),
            };
            let search = way.search.as_ref();
            point.stays.then(|| Place {
                point,
                taken,
                search: search.map(|search| (search.lost(), search.len() as u64)),
                marks: way.marks.clone(),
            })
        };
        let [client, server] = reading.points();
        Some(Self {
            suite: reading.suite(),
            origin: reading.origin().clone(),
            places: Both {
                client: place(&ways.client, client)?,
                server: place(&ways.server, server)?,
            },
        })
    }

    /// What its secrets may be joined by.
    pub fn joins(&self) -> Vec<Join> {
        self.origin.joins()
    }

    /// Goes on, if its secrets are known. The bytes of each direction that were looked through for a record are lost.
    pub fn take_up(&self, secrets: &Secrets) -> Option<(Reading, Both<Way>, Both<u64>)> {
        let points = Both {
            client: self.places.client.point,
            server: self.places.server.point,
        };
        let reading = Reading::restored(self.suite, &self.origin, points, secrets)?;
        let way = |place: &Place| {
            Way::restored(
                &place.point,
                place.taken,
                place.marks.clone(),
                place.search.map(|(lost, _)| lost),
            )
        };
        let lost = |place: &Place| place.search.map_or(0, |(_, kept)| kept);
        let Both { client, server } = &self.places;
        let ways = Both {
            client: way(client),
            server: way(server),
        };
        let lost = Both {
            client: lost(client),
            server: lost(server),
        };
        Some((reading, ways, lost))
    }
}
