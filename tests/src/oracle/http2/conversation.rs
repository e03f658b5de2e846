//! A conversation over HTTP/2 as its two ends know it: what each says, in which order it may pass, and what came of every request.
//!
//! It shares nothing with the reader that is held against it. The tests of that module include this file too: it uses only the
//! standard library.

use std::ops::Range;

use super::encoder::{Encoder, Form, Said, Since};
use super::frames::{self, Shape};
use super::plan::{Choice, Fields, Plan, Saying, field};

/// Reasons by their numbers (RFC 9113 section 7), and one that nobody knows.
const REASONS: [(u32, &str); 6] = [
    (0, "no_error"),
    (2, "internal_error"),
    (7, "refused_stream"),
    (8, "cancel"),
    (11, "enhance_your_calm"),
    (99, "other"),
];

/// Names whose values may stay unknown without a doubt.
pub const HARMLESS: [&str; 8] = [
    "accept",
    "accept-encoding",
    "content-length",
    "content-type",
    "date",
    "priority",
    "te",
    "user-agent",
];

/// What both ends said.
pub struct Conversation {
    pub pieces: Vec<Piece>,
    /// In the order of the streams.
    pub truths: Vec<Truth>,
    pub close: Close,
}

/// A frame, or a block over several, in the order in which they may pass.
pub struct Piece {
    /// 0: the client's, 1: the server's.
    pub side: usize,
    pub bytes: Vec<u8>,
    /// Where content stands in it, whose octets nobody has to see.
    pub content: Range<usize>,
    /// How many bytes of the other side come before it.
    pub after: usize,
    /// Which of its side's blocks it is.
    pub block: Option<usize>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// The server closes first.
    Server,
    /// The client closes first.
    Client,
    ServerReset,
    ClientReset,
    /// Nobody sees how.
    Unseen,
}

/// An exchange as its ends know it.
#[derive(Clone, Debug)]
pub struct Truth {
    pub id: u32,
    /// Method and target, and a line for each field.
    pub request: String,
    /// The final status that came.
    pub status: Option<u16>,
    /// The one that the server means to give.
    pub answer: u16,
    /// Octets of each side's content.
    pub content: [u64; 2],
    /// Of gRPC: its status, and each side's messages.
    pub call: Option<(Option<u32>, [u64; 2])>,
    pub cut: Option<&'static str>,
    pub reason: Option<&'static str>,
    pub malformed: Option<&'static str>,
    pub uncertain: Option<&'static str>,
    /// Of each side, the number of the block from which on one must have read to know it all.
    pub since: [usize; 2],
}

/// One end.
struct End {
    encoder: Encoder,
    /// Blocks that were written.
    blocks: usize,
    sent: usize,
    /// What the other end allows the table, as it was said.
    allowed: Vec<u32>,
    limit: u32,
    /// How many bytes of the other side come before whatever is said next.
    after: usize,
}

/// A stream.
struct Live {
    plan: Plan,
    at: usize,
    /// Where the request's head ended.
    asked: usize,
    done: [bool; 2],
    /// Nothing more counts.
    over: bool,
}

struct Talk<'c, 'f> {
    choice: &'c mut Choice<'f>,
    ends: [End; 2],
    pieces: Vec<Piece>,
    truths: Vec<Truth>,
    live: Vec<Live>,
    promised: u32,
    /// The last stream that the server will look at.
    last: u32,
}

/// Chooses a conversation of up to so many streams.
pub fn conversation(streams: usize, choice: &mut Choice<'_>) -> Conversation {
    let end = || End {
        encoder: Encoder::new(),
        blocks: 0,
        sent: 0,
        allowed: Vec::new(),
        limit: 4096,
        after: 0,
    };
    let mut talk = Talk {
        choice,
        ends: [end(), end()],
        pieces: Vec::new(),
        truths: Vec::new(),
        live: Vec::new(),
        promised: 2,
        last: u32::MAX,
    };
    talk.begin();
    talk.run(streams);
    let closes = [
        Close::Server,
        Close::Client,
        Close::ServerReset,
        Close::ClientReset,
        Close::Unseen,
    ];
    let close = talk.choice.one(&closes);
    talk.close(close);
    Conversation {
        pieces: talk.pieces,
        truths: talk.truths,
        close,
    }
}

impl Talk<'_, '_> {
    fn begin(&mut self) {
        self.say(0, frames::PREFACE.to_vec());
        for side in [0, 1] {
            self.settings(side);
        }
    }

    fn run(&mut self, streams: usize) {
        let (eager, chatty) = (1 + self.choice.of(9), self.choice.of(4));
        let patience = match self.choice.of(3) {
            2 => self.choice.of(20 * streams + 1),
            _ => usize::MAX,
        };
        for _ in 0..patience {
            let speaking: Vec<usize> = (0..self.live.len())
                .filter(|at| {
                    self.live[*at]
                        .plan
                        .sayings
                        .iter()
                        .any(|side| !side.is_empty())
                })
                .collect();
            let may_open = self.truths.len() < streams;
            let opens = may_open && (speaking.is_empty() || self.choice.of(10) >= eager);
            if opens {
                self.open();
            } else if speaking.is_empty() {
                return;
            } else if self.choice.of(12) > 12 - chatty {
                self.aside();
            } else {
                let live = self.choice.one(&speaking);
                self.go_on(live);
            }
        }
    }

    fn say(&mut self, side: usize, bytes: Vec<u8>) -> &mut Piece {
        let end = &mut self.ends[side];
        end.sent += bytes.len();
        self.pieces.push(Piece {
            side,
            bytes,
            content: 0..0,
            after: end.after,
            block: None,
        });
        let last = self.pieces.len() - 1;
        &mut self.pieces[last]
    }

    /// From here on, both sides say nothing that passes what was said before.
    fn order(&mut self) {
        let [client, server] = self.ends.each_ref().map(|end| end.sent);
        (self.ends[0].after, self.ends[1].after) = (server, client);
    }

    /// A block as this side would write it, and since when each field is known.
    fn block(&mut self, side: usize, fields: &Fields) -> (Vec<u8>, Vec<Since>) {
        let end = &mut self.ends[side];
        let mut sizes = Vec::new();
        if !end.allowed.is_empty() {
            // The least that was allowed, and then what is taken up (RFC 7541 section 4.2).
            let least = end.allowed.iter().copied().min().unwrap_or(0);
            end.limit = end.allowed.last().copied().unwrap_or(0);
            end.allowed.clear();
            sizes.push(least.min(end.encoder.size().1));
        }
        if self.choice.once_in(16) {
            sizes.push(self.choice.of(end.limit as usize + 1) as u32);
        }
        let choice = &mut *self.choice;
        let said = fields.iter().map(|(name, value)| Said {
            form: choice.one(&[
                Form::Indexed,
                Form::Indexed,
                Form::Inserted,
                Form::Plain,
                Form::Never,
            ]),
            by_index: !choice.once_in(4),
            pick: choice.of(256) as u8,
            coded: [choice.of(2) == 0, choice.of(2) == 0],
            name: name.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
        });
        let said: Vec<Said> = said.collect();
        end.blocks += 1;
        end.encoder.block(&sizes, &said)
    }

    fn shape(&mut self) -> Shape {
        let choice = &mut *self.choice;
        let fragments = match choice.of(4) {
            3 => (0..choice.of(20)).map(|_| choice.of(20)).collect(),
            2 => vec![choice.of(60)],
            _ => Vec::new(),
        };
        Shape {
            padding: choice.once_in(4).then(|| choice.of(256) as u8),
            prioritized: choice.once_in(4),
            fragments,
        }
    }

    /// A block on a stream; since when its fields are known, with their names.
    fn head(
        &mut self,
        side: usize,
        id: u32,
        fields: &Fields,
        end: bool,
    ) -> (usize, Vec<(String, Since)>) {
        let heard = !self.ends[side].allowed.is_empty();
        if heard {
            self.order();
        }
        let (block, since) = self.block(side, fields);
        let shape = self.shape();
        let number = self.ends[side].blocks - 1;
        self.say(side, frames::headers(id, &block, end, &shape))
            .block = Some(number);
        let names = fields.iter().map(|(name, _)| name.clone());
        (number, names.zip(since).collect())
    }

    fn settings(&mut self, side: usize) {
        let mut list = vec![(3, 100), (4, 65_535)];
        if self.choice.once_in(3) {
            let size = self.choice.one(&[0, 100, 1000, 4096, 16_384]);
            list.insert(self.choice.of(3), (frames::TABLE_SIZE, size));
            self.ends[1 - side].allowed.push(size);
        }
        self.say(side, frames::settings(&list));
    }

    fn open(&mut self) {
        let number = self.truths.len();
        let id = 2 * number as u32 + 1;
        let answer = 200 + (number % 700) as u16;
        let plan = Plan::new(id, answer, self.choice);
        let (block, since) = self.head(0, id, &plan.fields, plan.asked);
        let harmless = |name: &str| name != "content-type" && HARMLESS.contains(&name);
        let known = since.iter().flat_map(|(name, since)| {
            let value = (!harmless(name)).then_some(since.value);
            [since.name].into_iter().chain(value)
        });
        self.truths.push(Truth {
            id,
            request: request(&plan.fields),
            status: None,
            answer,
            content: [0, 0],
            call: plan.call.as_ref().map(|_| (None, [0, 0])),
            cut: None,
            reason: None,
            malformed: None,
            uncertain: None,
            since: [known.chain([block]).min().unwrap_or(0), usize::MAX],
        });
        let mut live = Live {
            at: number,
            asked: self.ends[0].sent,
            done: [plan.asked, false],
            over: false,
            plan,
        };
        if id > self.last {
            live.plan.sayings[1].clear();
        }
        let choice = &mut *self.choice;
        let side = choice.of(2);
        let sayings = &mut live.plan.sayings[side];
        if choice.once_in(6) {
            // Also after all was said: of a request, that is how it is given up.
            let at = choice.of(sayings.len() + 1);
            sayings.insert(at, Saying::Reset);
        }
        self.live.push(live);
    }

    /// The next of what is said on a stream.
    fn go_on(&mut self, at: usize) {
        let live = &mut self.live[at];
        let sides: Vec<usize> = (0..2)
            .filter(|side| !live.plan.sayings[*side].is_empty())
            .collect();
        let side = self.choice.one(&sides);
        let Some(saying) = live.plan.sayings[side].pop_front() else {
            return;
        };
        if side == 1 {
            let end = &mut self.ends[1];
            end.after = end.after.max(live.asked);
        }
        let (truth, id) = (live.at, self.truths[live.at].id);
        let is_over = live.over;
        let padding = self.choice.once_in(4).then(|| self.choice.of(256) as u8);
        let ends = match saying {
            Saying::Interim(status) => {
                let (block, since) = self.head(1, id, &field(":status", status), false);
                self.learn(truth, block, &since, |name| name == ":status");
                false
            }
            Saying::Head(end) => {
                let mut fields = self.live[at].plan.response.clone();
                let status = self.live[at].plan.call.as_ref().map(|call| call.status);
                let grpc = status.filter(|_| end);
                fields.extend(grpc.into_iter().flat_map(|code| field("grpc-status", code)));
                let (block, since) = self.head(1, id, &fields, end);
                self.learn(truth, block, &since, |name| {
                    name == ":status" || grpc.is_some()
                });
                if !is_over {
                    let truth = &mut self.truths[truth];
                    truth.status = Some(truth.answer);
                    if let Some((status, _)) = &mut truth.call {
                        *status = grpc;
                    }
                }
                end
            }
            Saying::Content(content, end) => {
                let bytes = frames::data(id, &content, padding, end);
                let begin = 9 + usize::from(padding.is_some());
                self.say(side, bytes).content = begin..begin + content.len();
                if !is_over {
                    self.count(at, side, content.len());
                }
                end
            }
            Saying::Trailers => {
                let call = self.live[at].plan.call.as_ref().filter(|_| side == 1);
                let status = call.map(|call| call.status);
                let mut fields = field("x-checksum", "0123456789abcdef");
                fields.extend(
                    status
                        .into_iter()
                        .flat_map(|code| field("grpc-status", code)),
                );
                let (block, since) = self.head(side, id, &fields, true);
                if status.is_some() {
                    self.learn(truth, block, &since, |_| true);
                    if let Some((known, _)) = self.truths[truth].call.as_mut().filter(|_| !is_over)
                    {
                        *known = status;
                    }
                }
                true
            }
            Saying::Reset => return self.reset(at, side),
        };
        if ends {
            self.live[at].plan.sayings[side].retain(|saying| matches!(saying, Saying::Reset));
            self.finish(at, side);
        }
    }

    /// Fields of the server have to be known.
    fn learn(
        &mut self,
        truth: usize,
        block: usize,
        since: &[(String, Since)],
        counts: impl Fn(&str) -> bool,
    ) {
        let known = since.iter().filter(|(name, _)| counts(name));
        let known = known.flat_map(|(_, since)| [since.name, since.value]);
        let known = known.chain([block]).min().unwrap_or(0);
        let since = &mut self.truths[truth].since[1];
        *since = known.min(*since);
    }

    fn count(&mut self, at: usize, side: usize, octets: usize) {
        let live = &self.live[at];
        let truth = &mut self.truths[live.at];
        truth.content[side] += octets as u64;
        if let (Some((_, messages)), Some(call)) = (&mut truth.call, &live.plan.call) {
            let sent = truth.content[side] as usize;
            let begun = call.lengths[side].iter().filter(|length| **length <= sent);
            messages[side] = begun.count() as u64;
        }
    }

    /// A side says nothing more.
    fn finish(&mut self, at: usize, side: usize) {
        let live = &mut self.live[at];
        let truth = &mut self.truths[live.at];
        if !live.over && side == 0 {
            let differs = |length: usize| length as u64 != truth.content[0];
            if live.plan.length.is_some_and(differs) {
                truth.malformed = Some("content_length");
            }
        }
        live.done[side] = true;
        live.over |= live.done == [true, true];
    }

    fn reset(&mut self, at: usize, side: usize) {
        self.order();
        let (code, reason) = self.choice.one(&REASONS);
        let live = &mut self.live[at];
        let truth = &mut self.truths[live.at];
        let id = truth.id;
        if !live.over && !live.done[1] {
            truth.cut = Some(["client_abort", "server_reset"][side]);
            truth.reason = Some(reason);
        }
        live.over = true;
        live.plan.sayings[side].clear();
        // What was on its way; not its end, which would be a whole exchange for one who does not see the reset, and nothing
        // after a response that is whole.
        let keep = if live.done[1] { 0 } else { self.choice.of(3) };
        let late = &mut live.plan.sayings[1 - side];
        late.pop_back();
        late.truncate(keep);
        self.say(side, frames::reset(id, code));
        self.order();
    }

    /// Something that is of no exchange.
    fn aside(&mut self) {
        let side = self.choice.of(2);
        let some = |choice: &mut Choice<'_>, most| vec![0xff; choice.of(most)];
        let stream = match self.truths.len() {
            0 => 1,
            count => 2 * self.choice.of(count) as u32 + 1,
        };
        let bytes = match self.choice.of(9) {
            0 | 1 => frames::frame(frames::PING, self.choice.of(2) as u8, 0, &[7; 8]),
            2 => frames::frame(frames::WINDOW_UPDATE, 0, 0, &[0, 0, 16, 0]),
            3 => frames::frame(frames::WINDOW_UPDATE, 0, stream, &[0, 0, 16, 0]),
            4 => frames::frame(frames::PRIORITY, 0, stream, &[0, 0, 0, 0, 15]),
            5 => {
                let kind = 10 + self.choice.of(246) as u8;
                let flags = self.choice.of(256) as u8;
                let payload = some(self.choice, 60);
                frames::frame(kind, flags, stream, &payload)
            }
            6 => return self.settings(side),
            7 if !self.truths.is_empty() => return self.promise(stream),
            8 if self.choice.once_in(4) => return self.go_away(),
            _ => frames::frame(frames::SETTINGS, frames::ACK, 0, &[]),
        };
        self.say(side, bytes);
    }

    /// A request that nobody sent, and its response.
    fn promise(&mut self, stream: u32) {
        self.order();
        let fields: Fields = [
            (":method", "GET"),
            (":path", "/pushed"),
            (":scheme", "https"),
            (":authority", "a.example"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let (block, _) = self.block(1, &fields);
        let shape = self.shape();
        let number = self.ends[1].blocks - 1;
        let promised = self.promised;
        self.promised += 2;
        self.say(1, frames::push(stream, promised, &block, &shape))
            .block = Some(number);
        self.head(1, promised, &field(":status", 200), false);
        self.say(1, frames::data(promised, b"pushed", None, true));
    }

    /// The server looks at nothing more.
    fn go_away(&mut self) {
        self.order();
        let (code, reason) = self.choice.one(&REASONS);
        let answered = self.truths.iter().rposition(|truth| truth.status.is_some());
        let least = answered.map_or(0, |at| at + 1).max(self.truths.len() / 2);
        let count = least + self.choice.of(self.truths.len() - least + 1);
        let last = (2 * count as u32).saturating_sub(1).min(self.last);
        self.last = last;
        for live in &mut self.live {
            let truth = &mut self.truths[live.at];
            if truth.id > last {
                live.plan.sayings[1].clear();
                if !live.over {
                    (truth.cut, truth.reason) = (Some("no_response"), Some(reason));
                }
                live.over = true;
            }
        }
        self.say(1, frames::goaway(last, code));
        self.order();
    }

    fn close(&mut self, close: Close) {
        self.order();
        for live in self.live.iter().filter(|live| !live.over && !live.done[1]) {
            let truth = &mut self.truths[live.at];
            let waits = truth.status.is_none();
            if live.plan.tunnel && !waits {
                continue;
            }
            truth.cut = match close {
                Close::Client | Close::ClientReset => Some("client_abort"),
                Close::Server if waits => Some("no_response"),
                Close::Server | Close::ServerReset => Some("server_reset"),
                Close::Unseen if waits && truth.since[1] == usize::MAX => Some("no_response"),
                Close::Unseen => None,
            };
            truth.uncertain = (truth.cut.is_none()).then_some("gap");
        }
    }
}

/// As a sink writes it down: of the fields, those that are no pseudo-fields, and the host.
fn request(fields: &Fields) -> String {
    let value = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str())
    };
    let target = value(":path").or(value(":authority")).unwrap_or_default();
    let mut text = format!("{} {target}", value(":method").unwrap_or_default());
    let regular = fields.iter().filter(|(name, _)| !name.starts_with(':'));
    for (name, value) in regular {
        text += &format!("\n{name}: {value}");
    }
    if let (None, Some(authority)) = (value("host"), value(":authority")) {
        text += &format!("\nhost: {authority}");
    }
    text
}
