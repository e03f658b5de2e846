//! A conversation over HTTP/2 as its two ends know it: what each says, in which order it may pass, and what came of every request.
//!
//! It shares nothing with the reader that is held against it. The tests of that module include this file too: it uses only the
//! standard library.

use super::asides::REASONS;
use super::encoder::{Encoder, Form, Said, Since};
use super::frames::{self, Shape};
use super::plan::{Choice, Fields, Plan, Saying, field};
use super::truth::{Close, Conversation, HARMLESS, Piece, Truth, request};

/// One end.
pub struct End {
    encoder: Encoder,
    /// Blocks that were written.
    pub blocks: usize,
    sent: usize,
    /// What the other end allows the table, as it was said.
    pub allowed: Vec<u32>,
    limit: u32,
    /// How many bytes of the other side come before whatever is said next.
    after: usize,
}

/// A stream.
pub struct Live {
    pub plan: Plan,
    pub at: usize,
    /// Where the request's head ended.
    asked: usize,
    done: [bool; 2],
    /// Nothing more counts.
    pub over: bool,
}

/// A conversation that goes on.
pub struct Talk<'c, 'f> {
    pub choice: &'c mut Choice<'f>,
    pub ends: [End; 2],
    pub pieces: Vec<Piece>,
    pub truths: Vec<Truth>,
    pub live: Vec<Live>,
    pub promised: u32,
    /// The last stream that the server will look at.
    pub last: u32,
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

    pub fn say(&mut self, side: usize, bytes: Vec<u8>) -> &mut Piece {
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
    pub fn order(&mut self) {
        let [client, server] = self.ends.each_ref().map(|end| end.sent);
        (self.ends[0].after, self.ends[1].after) = (server, client);
    }

    /// A block as this side would write it, and since when each field is known.
    pub fn block(&mut self, side: usize, fields: &Fields) -> (Vec<u8>, Vec<Since>) {
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

    pub fn shape(&mut self) -> Shape {
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
    pub fn head(
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
