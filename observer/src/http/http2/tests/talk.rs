//! A connection told frame by frame, and what comes of it in lines.

use super::super::super::tests::{Seen, line};
use super::encoder::{Encoder, Form, Said};
use super::frames::{self, Shape};
use super::*;

/// A connection whose segments are whole frames.
pub struct Talk {
    pub connection: Connection<String>,
    pub seen: Seen,
    pub limits: Limits,
    encoders: [Encoder; 2],
    sent: [u64; 2],
    time: u64,
}

impl Talk {
    /// After the preface.
    pub fn new() -> Self {
        let begin = Switch {
            client: 0,
            server: 0,
            prefaced: false,
        };
        let mut talk = Self::of(Connection::new(begin));
        talk.client(frames::PREFACE).client(frames::settings(&[]));
        talk.server(frames::settings(&[]));
        talk
    }

    pub fn of(connection: Connection<String>) -> Self {
        Self {
            connection,
            seen: Seen::default(),
            limits: Limits {
                head_bytes: 4096,
                pipeline_depth: 100,
            },
            encoders: [Encoder::new(), Encoder::new()],
            sent: [0, 0],
            time: 0,
        }
    }

    pub fn client(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.send(Side::Client, bytes.as_ref())
    }

    pub fn server(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.send(Side::Server, bytes.as_ref())
    }

    pub fn send(&mut self, side: Side, bytes: &[u8]) -> &mut Self {
        let (moment, offset) = (self.moment(), self.sent[side as usize]);
        self.sent[side as usize] += bytes.len() as u64;
        self.connection
            .data(side, moment, offset, bytes, &self.limits, &mut self.seen);
        self
    }

    /// Bytes pass unseen.
    pub fn lost(&mut self, side: Side, bytes: impl AsRef<[u8]>) -> &mut Self {
        let (moment, offset) = (self.moment(), self.sent[side as usize]);
        let length = bytes.as_ref().len() as u64;
        self.sent[side as usize] += length;
        self.connection
            .hole(side, moment, offset, length, &self.limits, &mut self.seen);
        self
    }

    /// Time passes; nanoseconds.
    pub fn wait(&mut self, time: u64) -> &mut Self {
        self.time += time;
        self
    }

    fn moment(&mut self) -> Moment {
        self.time += 1;
        Moment {
            time: self.time,
            acked: None,
        }
    }

    /// A block of fields, in the way that encoders usually write them.
    pub fn block(&mut self, side: Side, fields: &[(&str, &str)]) -> Vec<u8> {
        let said = |(name, value): &(&str, &str)| Said {
            form: Form::Indexed,
            by_index: true,
            pick: 0,
            coded: [true, true],
            name: name.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
        };
        let said: Vec<Said> = fields.iter().map(said).collect();
        self.encoders[side as usize].block(&[], &said).0
    }

    /// A head, or trailers.
    pub fn head(&mut self, side: Side, id: u32, fields: &[(&str, &str)], end: bool) -> &mut Self {
        let block = self.block(side, fields);
        self.send(side, &frames::headers(id, &block, end, &Shape::default()))
    }

    /// A GET for `/id`.
    pub fn get(&mut self, id: u32) -> &mut Self {
        self.head(Side::Client, id, &get(&format!("/{id}")), true)
    }

    /// A POST for `/id`, whose content is to come.
    pub fn post(&mut self, id: u32, more: &[(&str, &str)]) -> &mut Self {
        let target = format!("/{id}");
        let mut fields = get(&target);
        fields[0].1 = "POST";
        fields.extend(more);
        self.head(Side::Client, id, &fields, false)
    }

    /// A response's head.
    pub fn status(&mut self, id: u32, status: &str, end: bool) -> &mut Self {
        self.head(Side::Server, id, &[(":status", status)], end)
    }

    pub fn data(&mut self, side: Side, id: u32, content: &[u8], end: bool) -> &mut Self {
        self.send(side, &frames::data(id, content, None, end))
    }

    pub fn fin(&mut self, side: Side) -> &mut Self {
        let moment = self.moment();
        self.connection
            .fin(side, moment, &self.limits, &mut self.seen);
        self
    }

    pub fn end(&mut self) -> &mut Self {
        self.connection.end(self.time, &self.limits, &mut self.seen);
        self
    }

    /// One line an exchange, with the reason and the status of a call where there is one.
    pub fn lines(&self) -> Vec<String> {
        let lines = self.seen.exchanges.iter().map(|exchange| {
            let mut line = line(exchange);
            if let Some(rpc) = exchange.rpc {
                let count =
                    |count: Option<u64>| count.map_or("?".to_owned(), |count| count.to_string());
                let status = count(rpc.status.map(u64::from));
                line += &format!(
                    " grpc {status} {}/{}",
                    count(rpc.requests),
                    count(rpc.responses)
                );
            }
            if let Some(reason) = exchange.reason {
                line += &format!(" ({})", reason.name());
            }
            line
        });
        lines.collect()
    }

    #[track_caller]
    pub fn shows(&self, expected: &[&str]) {
        assert_eq!(self.lines(), expected);
    }
}

/// Fields of a GET.
pub fn get(target: &str) -> Vec<(&'static str, &str)> {
    vec![
        (":method", "GET"),
        (":scheme", "https"),
        (":path", target),
        (":authority", "a.example"),
    ]
}
