//! Records of a connection whose keys are known, opened one after the other.
//!
//! Since TLS 1.3 a record does not say what it holds, nor how much: each is opened. Before, those inside of content are passed
//! over by their length.

use zeroize::Zeroize;

use super::framing::Record;
use super::message::{END_OF_EARLY_DATA, FINISHED, KEY_UPDATE, Kinds};
use super::protection::{
    ALERT, APPLICATION_DATA, CHANGE_CIPHER_SPEC, HANDSHAKE, HEADER, Keys, Opened,
};
use super::schedule::{self, KeyPair, Traffic};
use super::search::Found;
use super::secrets::Secret;
use super::suite::Suite;
use super::way::{Both, Way};
use super::{Plain, Side, Unreadable, Version};

/// Bytes of early data that a server passes over when it does not take them, and so do we.
const REFUSED_BYTES: usize = 1 << 20;
/// `close_notify`
const CLOSE_NOTIFY: u8 = 0;

/// Both directions with their keys.
pub(super) struct Reading {
    suite: Suite,
    halves: Both<Half>,
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
                (Stage::Application, schedule::update(suite.hash, secret)?)
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
    pub fn since_cipher_spec(suite: Suite, keys: KeyPair, sealed: &Both<bool>) -> Option<Self> {
        let stage = |sealed| {
            if sealed {
                Stage::Application
            } else {
                Stage::Clear
            }
        };
        Some(Self {
            suite,
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
            halves: Both { client, server },
        })
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

    /// Takes a record.
    pub fn record(
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
                let mut kinds = std::mem::take(&mut half.kinds);
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
    let offset = ways.of(from).plain;
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
    if !first.is_empty() {
        let seen = ways.seen(from, record.first);
        plain.data(from, seen, offset, first);
    }
    if !last.is_empty() {
        let seen = ways.seen(from, record.last);
        plain.data(from, seen, offset + first.len() as u64, last);
    }
    ways.of_mut(from).advance(record.end, content.len());
}
