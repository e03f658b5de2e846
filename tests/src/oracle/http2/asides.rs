//! What is said on a connection and is of no exchange, or of many.

use super::conversation::Talk;
use super::frames;
use super::plan::{Choice, Fields, field};

/// Reasons by their numbers (RFC 9113 section 7), and one that nobody knows.
pub const REASONS: [(u32, &str); 6] = [
    (0, "no_error"),
    (2, "internal_error"),
    (7, "refused_stream"),
    (8, "cancel"),
    (11, "enhance_your_calm"),
    (99, "other"),
];

impl Talk<'_, '_> {
    /// What a side allows.
    pub fn settings(&mut self, side: usize) {
        let mut list = vec![(3, 100), (4, 65_535)];
        if self.choice.once_in(3) {
            let size = self.choice.one(&[0, 100, 1000, 4096, 16_384]);
            list.insert(self.choice.of(3), (frames::TABLE_SIZE, size));
            self.ends[1 - side].allowed.push(size);
        }
        self.say(side, frames::settings(&list));
    }

    /// Something that is of no exchange.
    pub fn aside(&mut self) {
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
}
