//! What is asked for and answered on one stream.

use std::collections::VecDeque;

/// Whoever chooses: a number below the given one. Zero is always the plainest choice.
pub struct Choice<'a>(pub &'a mut dyn FnMut(usize) -> usize);

impl Choice<'_> {
    pub fn of(&mut self, sides: usize) -> usize {
        if sides < 2 { 0 } else { (self.0)(sides) }
    }

    /// Once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        times > 1 && self.of(times) == times - 1
    }

    pub fn one<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.of(things.len())]
    }
}

/// Fields of a head, in their order.
pub type Fields = Vec<(String, String)>;

/// Something that one side says on a stream.
#[derive(Clone, Debug)]
pub enum Saying {
    /// An interim response.
    Interim(u16),
    /// The head of the response; whether nothing follows.
    Head(bool),
    /// Content; whether nothing follows.
    Content(Vec<u8>, bool),
    Trailers,
    Reset,
}

/// A call of gRPC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// That the server will say.
    pub status: u32,
    /// Of each side, how much of its content was sent when the length of each message was.
    pub lengths: [Vec<usize>; 2],
    /// There is no head before the trailers.
    pub trailers_only: bool,
}

/// What will be said on a stream, unless it is cut.
#[derive(Clone, Debug)]
pub struct Plan {
    pub fields: Fields,
    /// The request's head is all of it.
    pub asked: bool,
    pub call: Option<Call>,
    pub tunnel: bool,
    /// Octets of content that the request announces.
    pub length: Option<usize>,
    pub response: Fields,
    /// What each side says after the request's head.
    pub sayings: [VecDeque<Saying>; 2],
}

const HOSTS: [&str; 3] = ["a.example", "b.example:8443", "10.0.0.1"];
const POOL: [(&str, &str); 12] = [
    ("accept", "*/*"),
    ("user-agent", "client/1.0"),
    ("accept-encoding", "gzip, deflate"),
    ("authorization", "Bearer 0123456789abcdef"),
    ("authorization", "Basic dXNlcjpwYXNz"),
    ("x-api-key", "k-0123456789abcdef"),
    ("x-api-key", "k-fedcba9876543210"),
    ("cookie", "session=0123456789"),
    ("cookie", "theme=dark"),
    ("x-request-id", "7"),
    ("content-type", "application/json"),
    ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
];
const ANSWERS: [(&str, &str); 5] = [
    ("server", "nginx"),
    ("content-type", "application/json"),
    ("set-cookie", "session=0123456789; Secure"),
    ("x-trace", "0123456789"),
    ("www-authenticate", "Bearer"),
];

impl Plan {
    /// Of a stream whose number and status name it.
    pub fn new(id: u32, status: u16, choice: &mut Choice<'_>) -> Self {
        let kind = choice.of(12);
        let (is_call, connect, extended) = (matches!(kind, 3..=5), kind == 6, kind == 7);
        let mut plan = Self {
            fields: Vec::new(),
            asked: false,
            call: is_call.then(Call::default),
            tunnel: connect || extended,
            length: None,
            response: field(":status", status),
            sayings: [VecDeque::new(), VecDeque::new()],
        };
        let host = choice.one(&HOSTS);
        let method = match kind {
            _ if is_call => "POST",
            _ if plan.tunnel => "CONNECT",
            _ => choice.one(&["GET", "POST", "PUT", "HEAD"]),
        };
        let mut pseudo = field(":method", method);
        let mut regular = Vec::new();
        if connect {
            pseudo.extend(field(":authority", format!("{id}.example:443")));
        } else {
            let query = choice.one(&["", "?a=b", "?key=0123456789abcdef"]);
            pseudo.extend(field(":path", format!("/{id}/x{query}")));
            pseudo.extend(field(":scheme", choice.one(&["http", "https"])));
            match choice.of(6) {
                4 => regular.extend(field("host", host)),
                5 => {
                    pseudo.extend(field(":authority", host));
                    regular.extend(field("host", host));
                }
                _ => pseudo.extend(field(":authority", host)),
            }
        }
        if extended {
            pseudo.extend(field(":protocol", "websocket"));
        }
        let turn = choice.of(pseudo.len());
        pseudo.rotate_left(turn);
        if is_call {
            let kind = choice.one(&["application/grpc", "application/grpc+proto"]);
            regular.extend(field("content-type", kind));
            regular.extend(field("te", "trailers"));
        }
        for _ in 0..choice.of(6) {
            let (name, value) = choice.one(&POOL);
            if !(is_call && name == "content-type") {
                regular.extend(field(name, value));
            }
        }
        plan.request(choice, &mut regular);
        pseudo.extend(regular);
        plan.fields = pseudo;
        plan.answer(choice);
        plan
    }

    fn request(&mut self, choice: &mut Choice<'_>, fields: &mut Fields) {
        self.asked = self.call.is_none() && !self.tunnel && choice.of(3) == 0;
        let content = if self.asked {
            Vec::new()
        } else {
            self.content(0, choice)
        };
        if choice.of(3) == 1 && self.call.is_none() && !(self.asked && content.is_empty()) {
            let announced = content.len() + usize::from(choice.once_in(4));
            if !self.tunnel {
                self.length = Some(announced);
            }
            fields.extend(field("content-length", announced));
        }
        if !self.asked {
            let trailers = !self.tunnel && choice.once_in(5);
            self.pieces(0, &content, trailers, choice);
        }
    }

    fn answer(&mut self, choice: &mut Choice<'_>) {
        for _ in 0..choice.of(5).saturating_sub(2) {
            let (name, value) = choice.one(&ANSWERS);
            self.response.extend(field(name, value));
        }
        while choice.once_in(6) {
            let status = choice.one(&[100, 103]);
            self.sayings[1].push_back(Saying::Interim(status));
        }
        if let Some(call) = &mut self.call {
            call.status = choice.of(17) as u32;
            call.trailers_only = choice.once_in(4);
        }
        let is_done = match &self.call {
            Some(call) => call.trailers_only,
            None => !self.tunnel && choice.once_in(4),
        };
        self.sayings[1].push_back(Saying::Head(is_done));
        if !is_done {
            let content = self.content(1, choice);
            let trailers = self.call.is_some() || !self.tunnel && choice.once_in(5);
            self.pieces(1, &content, trailers, choice);
        }
    }

    /// Content of a side: letters, or messages of gRPC.
    fn content(&mut self, side: usize, choice: &mut Choice<'_>) -> Vec<u8> {
        let mut letters = |most: usize| vec![b'a' + side as u8; choice.of(most)];
        let Some(call) = &mut self.call else {
            return letters(600);
        };
        let mut content = Vec::new();
        for _ in 0..letters(5).len() {
            let message = letters(200);
            content.push(0);
            content.extend((message.len() as u32).to_be_bytes());
            call.lengths[side].push(content.len());
            content.extend(message);
        }
        content
    }

    /// Content in frames of any length, and what comes after it.
    fn pieces(&mut self, side: usize, content: &[u8], trailers: bool, choice: &mut Choice<'_>) {
        let sayings = &mut self.sayings[side];
        let mut rest = content;
        while !rest.is_empty() || choice.once_in(6) {
            let length = match choice.of(4) {
                0 => rest.len(),
                1 => choice.of(8),
                _ => choice.of(200),
            };
            let (piece, after) = rest.split_at(length.min(rest.len()));
            sayings.push_back(Saying::Content(piece.to_vec(), false));
            rest = after;
        }
        match sayings.back_mut() {
            _ if trailers => sayings.push_back(Saying::Trailers),
            Some(Saying::Content(_, end)) if choice.of(2) == 0 => *end = true,
            _ => sayings.push_back(Saying::Content(Vec::new(), true)),
        }
    }
}

/// A field, as part of a list.
pub fn field(name: &str, value: impl ToString) -> Fields {
    vec![(name.to_owned(), value.to_string())]
}
