//! Records of a connection whose keys are known, opened one after the other.
//!
//! Since TLS 1.3 a record does not say what it holds, nor how much: each is opened. Before, those inside of content are passed
//! over by their length.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use super::framing::Record;
use super::message::{END_OF_EARLY_DATA, FINISHED, KEY_UPDATE, Kinds};
use super::protection::{
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER, Keys, Opened,
};
use super::schedule::{self, KeyPair, Traffic};
use super::search::Found;
use super::secrets::{Join, Label, Secret, Secrets};
use super::suite::Suite;
use super::way::{Both, Point, Way};
use super::{Plain, Side, Unreadable, Version};

/// Bytes of early data that a server passes over when it does not take them, and so do we.
const REFUSED_BYTES: usize = 1 << 20;
/// Updates of keys that are done again after a restart; who made more is opaque then.
const UPDATES: u32 = 1 << 16;
/// `close_notify`
const CLOSE_NOTIFY: u8 = 0;

/// Both directions with their keys.
pub(super) struct Reading {
    suite: Suite,
    origin: Origin,
    halves: Both<Half>,
}

/// What the secrets of a connection are found by, and derived with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Origin {
    /// TLS 1.2: both randoms.
    Randoms { client: Join, server: Join },
    /// TLS 1.3: the client's random, the hash of the hellos, cut, and that of all up to the server's Finished.
    Transcript {
        client: Join,
        hellos: Join,
        finished: Vec<u8>,
    },
}

impl Origin {
    /// What secrets may be joined by.
    pub fn joins(&self) -> Vec<Join> {
        match self {
            Self::Randoms { client, .. } => vec![*client],
            Self::Transcript { client, hellos, .. } => vec![*client, *hellos],
        }
    }
}

/// One direction.
struct Half {
    keys: Keys,
    stage: Stage,
    /// The secret that `keys` come from; TLS 1.2 has none.
    secret: Option<Secret>,
    /// Those of the stages to come, the last one first.
    later: Vec<(Stage, Secret)>,
    kinds: Kinds,
    /// Something was opened with keys of this direction.
    proved: bool,
    /// Bytes that may be early data which the server did not take.
    refused: usize,
    /// Updates of keys so far.
    updates: u32,
}

/// Where a direction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// TLS 1.2, before ChangeCipherSpec.
    Clear,
    Early,
    Handshake,
    Application,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Taken,
    /// It does not open: bytes of it, or records before it, are not what the receiver got.
    Lost,
}

impl Half {
    fn new(keys: Keys, stage: Stage, secret: Option<Secret>) -> Self {
        Self {
            keys,
            stage,
            secret,
            later: Vec::new(),
            kinds: Kinds::default(),
            proved: false,
            refused: 0,
            updates: 0,
        }
    }

    /// The place of the next record, where `way` stands.
    fn point(&self, way: &Way) -> Point {
        Point {
            stream: way.next,
            plain: way.plain,
            sequence: self.keys.sequence,
            updates: self.updates,
            stays: self.stage == Stage::Application,
            kinds: self.kinds,
        }
    }

    /// Takes note of a whole handshake message. True when keys change after its record.
    fn ended(&self, kind: u8) -> bool {
        matches!(
            (self.stage, kind),
            (Stage::Early, END_OF_EARLY_DATA)
                | (Stage::Handshake, FINISHED)
                | (Stage::Application, KEY_UPDATE)
        )
    }

    /// Changes to the next keys.
    fn change(&mut self, suite: Suite) -> Option<()> {
        let (stage, secret) = match (self.stage, &self.secret) {
            (Stage::Application, Some(secret)) => {
                let next = schedule::update(suite.hash, secret)?;
                self.updates = self.updates.saturating_add(1);
                (Stage::Application, next)
            }
            _ => self.later.pop()?,
        };
        self.keys = schedule::keys(suite, &secret)?;
        (self.stage, self.secret) = (stage, Some(secret));
        Some(())
    }
}

impl Reading {
    /// TLS 1.2: each direction is encrypted from its ChangeCipherSpec on.
    pub fn since_cipher_spec(
        suite: Suite,
        origin: Origin,
        keys: KeyPair,
        sealed: &Both<bool>,
    ) -> Option<Self> {
        let stage = |sealed| {
            if sealed {
                Stage::Application
            } else {
                Stage::Clear
            }
        };
        Some(Self {
            suite,
            origin,
            halves: Both {
                client: Half::new(keys.client, stage(sealed.client), None),
                server: Half::new(keys.server, stage(sealed.server), None),
            },
        })
    }

    /// TLS 1.3, after the server's Finished. `early`: the secret of early data that the server takes; `refused`: it was sent, and
    /// is not taken.
    pub fn since_finished(
        suite: Suite,
        origin: Origin,
        early: Option<Secret>,
        handshake: Secret,
        traffic: Traffic,
        refused: bool,
    ) -> Option<Self> {
        let (stage, secret, later) = match early {
            Some(early) => (Stage::Early, early, Some((Stage::Handshake, handshake))),
            None => (Stage::Handshake, handshake, None),
        };
        let mut client = Half::new(schedule::keys(suite, &secret)?, stage, Some(secret));
        client.later.push((Stage::Application, traffic.client));
        client.later.extend(later);
        client.refused = if refused { REFUSED_BYTES } else { 0 };
        let keys = schedule::keys(suite, &traffic.server)?;
        let server = Half::new(keys, Stage::Application, Some(traffic.server));
        Some(Self {
            suite,
            origin,
            halves: Both { client, server },
        })
    }

    /// Goes on after a restart, each direction where it stood; `None` while secrets are missing.
    pub fn restored(
        suite: Suite,
        origin: &Origin,
        points: Both<Point>,
        secrets: &Secrets,
    ) -> Option<Self> {
        let hash = suite.hash;
        let mut halves = match origin {
            Origin::Randoms { client, server } => {
                let master = secrets.master(client, server)?;
                let keys = schedule::expand_master(suite, master, server, client)?;
                Both {
                    client: Half::new(keys.client, Stage::Application, None),
                    server: Half::new(keys.server, Stage::Application, None),
                }
            }
            Origin::Transcript {
                client,
                hellos,
                finished,
            } => {
                let find = |join, label| secrets.find(join, label, hash.bytes());
                let traffic = match find(hellos, Label::Handshake) {
                    Some(secret) => schedule::application(hash, secret, finished)?,
                    None => Traffic {
                        client: find(client, Label::ClientTraffic)?.clone(),
                        server: find(client, Label::ServerTraffic)?.clone(),
                    },
                };
                let half = |secret: Secret| {
                    let keys = schedule::keys(suite, &secret)?;
                    Some(Half::new(keys, Stage::Application, Some(secret)))
                };
                Both {
                    client: half(traffic.client)?,
                    server: half(traffic.server)?,
                }
            }
        };
        for (half, point) in [
            (&mut halves.client, points.client),
            (&mut halves.server, points.server),
        ] {
            for _ in 0..point.updates.min(UPDATES) {
                half.change(suite)?;
            }
            half.keys.sequence = point.sequence;
            half.kinds = point.kinds;
            half.proved = point.sequence > 0 || point.updates > 0;
        }
        Some(Self {
            suite,
            origin: origin.clone(),
            halves,
        })
    }

    /// Whether both directions have the keys that they stay with.
    pub fn is_settled(&self) -> bool {
        let settled = |half: &Half| half.stage == Stage::Application;
        settled(&self.halves.client) && settled(&self.halves.server)
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// What its secrets are found by.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Numbers and keys of the next records of the client and of the server, without their places.
    pub fn points(&self) -> [Option<Point>; 2] {
        let point = |half: &Half| {
            let point = half.point(&Way::default());
            point.stays.then_some(point)
        };
        [point(&self.halves.client), point(&self.halves.server)]
    }

    /// Whether a direction can go on after bytes of it were lost.
    pub fn may_lose(&self, from: Side) -> bool {
        let half = self.halves.of(from);
        half.stage == Stage::Application && (half.proved || self.is_new())
    }

    fn is_new(&self) -> bool {
        self.suite.version == Version::Tls13
    }

    /// The keys of a direction, and those after an update.
    pub fn keys(&self, from: Side) -> (&Keys, Option<Keys>) {
        let half = self.halves.of(from);
        let next = half
            .secret
            .as_ref()
            .and_then(|secret| schedule::update(self.suite.hash, secret))
            .and_then(|secret| schedule::keys(self.suite, &secret));
        (&half.keys, next)
    }

    /// Goes on with a record that was found after a loss.
    pub fn resume(&mut self, from: Side, found: Found) {
        let suite = self.suite;
        let half = self.halves.of_mut(from);
        if found.updated {
            let _ = half.change(suite);
        }
        half.keys.sequence = found.sequence;
        half.kinds = Kinds::default();
    }

    /// Takes a record, and notes what its reader waits with.
    pub fn record(
        &mut self,
        from: Side,
        record: &Record<'_>,
        ways: &mut Both<Way>,
        scratch: &mut Vec<u8>,
        plain: &mut impl Plain,
    ) -> Result<Step, Unreadable> {
        let way = ways.of(from);
        let length = (HEADER + record.body.len()) as u64;
        let point = Point {
            stream: record.end.saturating_sub(length),
            ..self.halves.of(from).point(way)
        };
        let step = self.take(from, record, ways, scratch, plain)?;
        let begin = plain.half_read(from);
        ways.of_mut(from).note_head(point, begin);
        Ok(step)
    }

    fn take(
        &mut self,
        from: Side,
        record: &Record<'_>,
        ways: &mut Both<Way>,
        scratch: &mut Vec<u8>,
        plain: &mut impl Plain,
    ) -> Result<Step, Unreadable> {
        let (is_new, suite) = (self.is_new(), self.suite);
        let half = self.halves.of_mut(from);
        match (half.stage, record.header[0]) {
            (Stage::Clear, CHANGE_CIPHER_SPEC) => {
                half.stage = Stage::Application;
                return Ok(Step::Taken);
            }
            (Stage::Clear, HANDSHAKE) => return Ok(Step::Taken),
            (Stage::Clear, ALERT) if record.body.first() == Some(&1) => return Ok(Step::Taken),
            (Stage::Clear, ALERT) => return Err(Unreadable::Refused),
            (Stage::Clear, _) => return Err(Unreadable::Malformed),
            (_, CHANGE_CIPHER_SPEC) if is_new => return Ok(Step::Taken),
            (_, CHANGE_CIPHER_SPEC) => return Err(Unreadable::Renegotiation),
            // A client that does not agree may have no keys to say so with.
            (_, ALERT) if is_new => return Ok(Step::Taken),
            (_, HANDSHAKE) if is_new => return Err(Unreadable::Malformed),
            (_, APPLICATION_DATA | HANDSHAKE | ALERT) => {}
            _ => return Err(Unreadable::Malformed),
        }
        let until = plain.needless_until(from);
        let begin = ways.of(from).plain;
        let inside =
            |length: usize| until.is_some_and(|until| begin.saturating_add(length as u64) <= until);
        if record.header[0] == APPLICATION_DATA
            && let Some(length) = half.keys.content_length(record.body.len())
            && length > 0
            && half.proved
            && inside(length)
        {
            half.keys.sequence += 1;
            let seen = ways.seen(from, record.last);
            plain.content(from, seen, begin, length as u64);
            ways.of_mut(from).advance(record.end, length);
            return Ok(Step::Taken);
        }
        let opened = half
            .keys
            .open(half.keys.sequence, record.header, record.body, scratch);
        let Some(opened) = opened else {
            return half.unopened(record);
        };
        half.keys.sequence += 1;
        half.proved = true;
        half.refused = 0;
        let content = scratch.get_mut(..opened.length).unwrap_or_default();
        match opened {
            Opened {
                kind: APPLICATION_DATA,
                ..
            } => {
                if half.stage == Stage::Handshake {
                    return Err(Unreadable::Malformed);
                }
                let lead = half.keys.lead();
                hand_on(from, record, lead, content, ways, plain);
                // A request's head may hold a key.
                if from == Side::Client && !inside(opened.length) {
                    content.zeroize();
                }
            }
            Opened {
                kind: HANDSHAKE, ..
            } if is_new => {
                let mut changes = false;
                let mut kinds = half.kinds;
                kinds.read(content, |kind| changes |= half.ended(kind));
                half.kinds = kinds;
                if changes {
                    half.change(suite).ok_or(Unreadable::Malformed)?;
                }
            }
            Opened { kind: ALERT, .. } => {
                if content.get(1) == Some(&CLOSE_NOTIFY) {
                    let seen = ways.seen(from, record.last);
                    plain.fin(from, seen);
                }
            }
            // Finished of TLS 1.2, and what may ask for new keys, which are then made with ChangeCipherSpec.
            Opened {
                kind: HANDSHAKE, ..
            } => {}
            Opened { .. } => return Err(Unreadable::Malformed),
        }
        Ok(Step::Taken)
    }

    /// Bytes on the heap, about: keys are of `ring`.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + 4 * 48
    }
}

impl Half {
    /// A record did not open.
    fn unopened(&mut self, record: &Record<'_>) -> Result<Step, Unreadable> {
        if let Some(left) = self.refused.checked_sub(record.body.len() + HEADER)
            && self.stage == Stage::Handshake
        {
            self.refused = left;
            return Ok(Step::Taken);
        }
        if !self.proved {
            return Err(Unreadable::WrongSecret);
        }
        if self.stage != Stage::Application {
            return Err(Unreadable::Gap);
        }
        Ok(Step::Lost)
    }
}

/// Hands plaintext on, in the pieces in which its record came: what the first segment brought has its time.
fn hand_on(
    from: Side,
    record: &Record<'_>,
    lead: usize,
    content: &[u8],
    ways: &mut Both<Way>,
    plain: &mut impl Plain,
) {
    let way = ways.of(from);
    let (offset, taken) = (way.plain, way.taken);
    let whole = record.first_length >= HEADER + record.body.len();
    let early = if whole {
        content.len()
    } else {
        record
            .first_length
            .saturating_sub(HEADER + lead)
            .min(content.len())
    };
    let (first, last) = content.split_at_checked(early).unwrap_or((content, &[]));
    for (piece, at, seen) in [
        (first, offset, record.first),
        (last, offset + first.len() as u64, record.last),
    ] {
        // What was handed on before a restart is not handed on again.
        let old = usize::try_from(taken.saturating_sub(at)).unwrap_or(usize::MAX);
        let new = piece.get(old.min(piece.len())..).unwrap_or_default();
        if !new.is_empty() {
            let seen = ways.seen(from, seen);
            plain.data(from, seen, at + (piece.len() - new.len()) as u64, new);
        }
    }
    ways.of_mut(from).advance(record.end, content.len());
}
