//! A conversation: hellos, a handshake, and then whatever two ends may say to each other.

use arbitrary::{Result, Unstructured};
use observer::tls::secrets::{Derived, Label, Material, Secret};
use observer::tls::{Alpn, Hello, Side, Version};
use observer_ebpf::track::ORIGIN;

use super::sealing::{Sealer, Suite, suites};
use crate::hello::server_hello;

/// Things said after the handshake.
const SAYINGS: usize = 24;
const CLIENT_RANDOM: [u8; 32] = [0xc1; 32];
const SERVER_RANDOM: [u8; 32] = [0x5e; 32];

/// A piece of one side's stream.
pub struct Piece {
    pub from: Side,
    pub bytes: Vec<u8>,
}

/// What passes, and what it says.
pub struct Conversation {
    pub pieces: Vec<Piece>,
    /// Pieces that are not lost: the handshake's.
    pub certain: usize,
    /// What client and server say inside.
    pub truth: [Vec<u8>; 2],
    pub secrets: Vec<Material>,
    /// Pieces before the secrets are known.
    pub secrets_after: usize,
    pub needless: [Option<u64>; 2],
}

/// What one side seals with.
struct End {
    sealer: Sealer,
    /// TLS 1.3: the secret of it.
    secret: Vec<u8>,
}

struct Writer<'a, 'b> {
    pieces: Vec<Piece>,
    /// Bytes of a piece at most.
    most: usize,
    input: &'a mut Unstructured<'b>,
}

impl Writer<'_, '_> {
    fn say(&mut self, from: Side, bytes: &[u8]) -> Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = self.input.int_in_range(1..=self.most)?.min(rest.len());
            let (piece, after) = rest.split_at(length);
            self.pieces.push(Piece {
                from,
                bytes: piece.to_vec(),
            });
            rest = after;
        }
        Ok(())
    }
}

impl Conversation {
    pub fn of(input: &mut Unstructured<'_>) -> Result<Self> {
        let suite = *input.choose(&suites())?;
        let most = *input.choose(&[7, 100, 1400, 60_000])?;
        let derived = input.arbitrary()?;
        let mut writer = Writer {
            pieces: Vec::new(),
            most,
            input,
        };
        let hello = client_hello();
        writer.say(Side::Client, &plain(22, &hello))?;
        let (ends, secrets) = if suite.is_new() {
            open_new(&suite, derived, &hello, &mut writer)?
        } else {
            open_old(&suite, derived, &mut writer)?
        };
        let certain = writer.pieces.len();
        let late = writer.input.int_in_range(0..=certain)?;
        let truth = talk(&suite, ends, &mut writer)?;
        let pieces = std::mem::take(&mut writer.pieces);
        let mut needless = [None; 2];
        for (side, truth) in needless.iter_mut().zip(&truth) {
            if input.arbitrary()? {
                *side = Some(ORIGIN + input.int_in_range(0..=truth.len())? as u64);
            }
        }
        Ok(Self {
            pieces,
            certain,
            truth,
            secrets,
            secrets_after: late,
            needless,
        })
    }
}

/// A record in the clear.
fn plain(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut record = vec![kind, 3, 3];
    record.extend((content.len() as u16).to_be_bytes());
    record.extend_from_slice(content);
    record
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend(&(body.len() as u32).to_be_bytes()[1..]);
    message.extend_from_slice(body);
    message
}

fn client_hello() -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(CLIENT_RANDOM);
    // No session, one suite that nobody looks at, no compression.
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    body.extend([0, 9, 0, 43, 0, 5, 4, 3, 4, 3, 3]);
    message(1, &body)
}

fn logged(label: Label, secret: &[u8]) -> Material {
    Material::Logged {
        random: CLIENT_RANDOM,
        label,
        secret: Secret::new(secret).expect("a secret"),
    }
}

fn open_new(
    suite: &Suite,
    derived: bool,
    hello: &[u8],
    writer: &mut Writer<'_, '_>,
) -> Result<([End; 2], Vec<Material>)> {
    let chosen = Hello {
        version: Version::Tls13,
        cipher: suite.number,
        alpn: Alpn::Unknown,
    };
    let answer = server_hello(&chosen, SERVER_RANDOM, 0);
    writer.say(Side::Server, &plain(22, &answer))?;
    writer.say(Side::Server, &plain(20, &[1]))?;
    let size = suite.hash_bytes();
    let handshake = vec![0x77; size];
    let hellos = [hello, &answer].concat();
    let digest = suite.hash(&hellos);
    let traffic = ["c hs traffic", "s hs traffic"]
        .map(|label| suite.expand(&handshake, label, &digest, size));
    let certificate = vec![9; writer.input.int_in_range(0..=3000)?];
    let flight = [
        message(8, &[0, 0]),
        message(11, &certificate),
        message(20, &vec![4; size]),
    ]
    .concat();
    let mut sealer = suite.sealer(&traffic[1]);
    let cut = writer.input.int_in_range(0..=flight.len())?;
    let (first, second) = flight.split_at(cut);
    for part in [first, second] {
        if !part.is_empty() {
            writer.say(Side::Server, &sealer.seal(22, part, 3))?;
        }
    }
    let mut sealer = suite.sealer(&traffic[0]);
    let finished = message(20, &vec![5; size]);
    writer.say(Side::Client, &sealer.seal(22, &finished, 0))?;
    let transcript = suite.hash(&[hellos, flight].concat());
    let secrets = suite.application(&handshake, &transcript);
    let materials = if derived {
        vec![Material::Derived(Derived::Handshake13 {
            secret: Secret::new(&handshake).expect("a secret"),
            transcript: digest,
        })]
    } else {
        vec![
            logged(Label::ClientHandshake, &traffic[0]),
            logged(Label::ServerHandshake, &traffic[1]),
            logged(Label::ClientTraffic, &secrets[0]),
            logged(Label::ServerTraffic, &secrets[1]),
        ]
    };
    let ends = secrets.map(|secret| End {
        sealer: suite.sealer(&secret),
        secret,
    });
    Ok((ends, materials))
}

fn open_old(
    suite: &Suite,
    derived: bool,
    writer: &mut Writer<'_, '_>,
) -> Result<([End; 2], Vec<Material>)> {
    let chosen = Hello {
        version: Version::Tls12,
        cipher: suite.number,
        alpn: Alpn::None,
    };
    let answer = server_hello(&chosen, SERVER_RANDOM, 32);
    let certificate = vec![9; writer.input.int_in_range(0..=3000)?];
    let answer = [answer, message(11, &certificate), message(14, &[])].concat();
    writer.say(Side::Server, &plain(22, &answer))?;
    writer.say(Side::Client, &plain(22, &message(16, &[6; 33])))?;
    let master = [0x33; 48];
    let sealers = suite.old_sealers(&master, &SERVER_RANDOM, &CLIENT_RANDOM);
    let mut ends = sealers.map(|sealer| End {
        sealer,
        secret: Vec::new(),
    });
    for (from, end) in [Side::Client, Side::Server].into_iter().zip(&mut ends) {
        writer.say(from, &plain(20, &[1]))?;
        let finished = message(20, &[8; 12]);
        writer.say(from, &end.sealer.seal(22, &finished, 0))?;
    }
    let materials = if derived {
        Material::Derived(Derived::Master12 {
            master: Secret::new(&master).expect("a secret"),
            server_random: SERVER_RANDOM,
            client_random: CLIENT_RANDOM,
        })
    } else {
        logged(Label::Master, &master)
    };
    Ok((ends, vec![materials]))
}

/// What both say once they may. Every byte of it is where it is and nowhere else, near enough.
fn talk(suite: &Suite, mut ends: [End; 2], writer: &mut Writer<'_, '_>) -> Result<[Vec<u8>; 2]> {
    let mut truth = [Vec::new(), Vec::new()];
    for number in 0..writer.input.int_in_range(1..=SAYINGS)? {
        let which = usize::from(writer.input.arbitrary::<bool>()?);
        let from = [Side::Client, Side::Server][which];
        let end = &mut ends[which];
        let padding = if writer.input.ratio(1_u8, 4)? {
            writer.input.int_in_range(0..=300)?
        } else {
            0
        };
        let record = match writer.input.int_in_range(0..=15)? {
            0 if suite.is_new() && which == 1 => {
                let ticket = message(4, &[number as u8; 90]);
                end.sealer.seal(22, &ticket, padding)
            }
            1 if suite.is_new() => {
                let record = end.sealer.seal(22, &message(24, &[0]), padding);
                end.secret = suite.expand(&end.secret, "traffic upd", b"", suite.hash_bytes());
                end.sealer = suite.sealer(&end.secret);
                record
            }
            // user_canceled, a warning.
            2 => end.sealer.seal(21, &[1, 90], 0),
            3 => end.sealer.seal(23, &[], padding),
            kind => {
                let length = match kind {
                    4 => 16_384,
                    5 => 1,
                    _ => writer.input.int_in_range(1..=700)?,
                };
                let seed = (which * SAYINGS + number) as u64 + 1;
                let content = noise(seed, length);
                truth[which].extend_from_slice(&content);
                let padding = padding.min(16_384 - length);
                end.sealer.seal(23, &content, padding)
            }
        };
        writer.say(from, &record)?;
    }
    Ok(truth)
}

/// Bytes at random from a seed (xorshift64).
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}
