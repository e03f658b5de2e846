//! However what each side says is cut into segments, and whether content is copied or not, the exchanges are the same.
//!
//! Holds up to the first turn that leaves a doubt: recipients read on differently past something malformed, and so
//! reading is taken up again where a segment looks like a message.

use arbitrary::{Result, Unstructured};
use observer::http::{Connection, Moment, Side};

use super::{LIMITS, Told, conversation, over};

/// Turns of one conversation; each costs a reading of all before it.
const TURNS: usize = 12;

/// What one side says before the other speaks.
struct Turn {
    side: Side,
    bytes: Vec<u8>,
    fin: bool,
}

pub fn check(input: &mut Unstructured<'_>) -> Result<()> {
    let copied = input.arbitrary()?;
    let count = input.int_in_range(0..=16)?;
    let cuts: Vec<u8> = (0..count)
        .map(|_| input.arbitrary())
        .collect::<Result<_>>()?;
    let mut turns: Vec<Turn> = Vec::new();
    while !input.is_empty() && turns.len() < TURNS {
        let what: u8 = input.arbitrary()?;
        let side = if what & 1 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        let mut bytes = Vec::new();
        for _ in 0..=what >> 1 & 3 {
            bytes.extend(conversation::piece(input)?);
        }
        let over = |turn: &Turn| turn.fin && turn.side == side;
        if !turns.iter().any(over) {
            let fin = what >> 4 == 0;
            turns.push(Turn { side, bytes, fin });
        }
    }
    let cut = |turns: &[Turn]| tell(turns, &cuts, copied);
    for length in 1..=turns.len() {
        let turns = turns.get(..length).unwrap_or_default();
        let whole = tell(turns, &[], true);
        let in_pieces = cut(turns);
        if leaves_doubt(turns, &whole) {
            break;
        }
        assert_eq!(
            in_pieces,
            whole,
            "cut at {cuts:?}, content copied: {copied}: {:?}",
            turns
                .iter()
                .map(|turn| (turn.side, String::from_utf8_lossy(&turn.bytes), turn.fin))
                .collect::<Vec<_>>()
        );
    }
    Ok(())
}

/// Whether something is not certain. After Expect, whether a body comes shows only where a segment begins.
fn leaves_doubt(turns: &[Turn], told: &Told) -> bool {
    let expects = |turn: &Turn| {
        let text = turn.bytes.to_ascii_lowercase();
        text.windows(6).any(|word| word == b"expect")
    };
    turns.iter().any(expects)
        || told
            .exchanges
            .iter()
            .any(|exchange| exchange.malformed.is_some() || exchange.uncertain.is_some())
}

fn tell(turns: &[Turn], cuts: &[u8], copied: bool) -> Told {
    let mut connection = Connection::new(true);
    let (mut told, mut sent) = (Told::default(), [0_u64; 2]);
    let mut cuts = cuts.iter().copied().cycle();
    for (time, turn) in (0..).zip(turns) {
        let (own, other) = match turn.side {
            Side::Client => (0, 1),
            Side::Server => (1, 0),
        };
        let moment = Moment {
            time,
            acked: Some(sent[other]),
        };
        let mut rest = turn.bytes.as_slice();
        while !rest.is_empty() {
            let length = match cuts.next() {
                Some(cut) => usize::from(cut).clamp(1, rest.len()),
                None => rest.len(),
            };
            let (piece, after) = rest.split_at(length);
            rest = after;
            let needless = connection
                .skip_until(turn.side)
                .filter(|_| !copied)
                .map_or(0, |until| until.saturating_sub(sent[own]));
            let skipped = piece.len().min(needless as usize);
            let (hole, data) = piece.split_at(skipped);
            if !hole.is_empty() {
                let length = hole.len() as u64;
                connection.hole(turn.side, moment, sent[own], length, &LIMITS, &mut told);
                sent[own] += length;
            }
            connection.data(turn.side, moment, sent[own], data, &LIMITS, &mut told);
            sent[own] += data.len() as u64;
        }
        if turn.fin {
            connection.fin(turn.side, moment, &LIMITS, &mut told);
        }
    }
    over(&mut connection, turns.len() as u64, &mut told);
    told
}
