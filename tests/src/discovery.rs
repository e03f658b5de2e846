//! Made-up APIs, each with its keys in another place and with values beside them that look like keys and are none.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use observer_ebpf::wire::{Link, tcp};

use crate::frames::{Connection, Packing, Random};

/// Requests to each API.
pub const REQUESTS: usize = 1000;
/// Requests of one connection.
const KEPT_ALIVE: usize = 10;

/// Where an API takes its keys.
#[derive(Clone, Copy, Debug)]
enum Place {
    Header(&'static str),
    /// After a scheme of `Authorization`; empty: without one.
    Authorization(&'static str),
    Jwt,
    /// User and password; `true`: the key as the user, without a password.
    Basic(bool),
    Aws,
    Query(&'static str),
    Cookie(&'static str),
    /// What stands around a key in the path, before the rest of it.
    Path(&'static str, &'static str),
}

/// What a key looks like.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Random(usize),
    Hex(usize),
    Prefixed(&'static str),
    Telegram,
    Digits,
}

/// An API and how it is used.
#[derive(Clone, Copy, Debug)]
struct Api {
    place: Place,
    shape: Shape,
    callers: usize,
    /// Percent of requests without a key, with one that is wrong, and for what needs none.
    without: usize,
    wrong: usize,
    public: usize,
    /// Where the keys should be found.
    location: &'static str,
}

const fn api(
    place: Place,
    shape: Shape,
    callers: usize,
    shares: [usize; 3],
    location: &'static str,
) -> Api {
    let [without, wrong, public] = shares;
    Api {
        place,
        shape,
        callers,
        without,
        wrong,
        public,
        location,
    }
}

const APIS: [Api; 20] = [
    api(
        Place::Header("X-API-Key"),
        Shape::Random(32),
        40,
        [8, 2, 5],
        "header:x-api-key",
    ),
    api(
        Place::Header("X-Acme-Auth"),
        Shape::Hex(40),
        12,
        [5, 1, 0],
        "header:x-acme-auth",
    ),
    api(
        Place::Header("X-Goog-Api-Key"),
        Shape::Prefixed("AIza"),
        1,
        [10, 2, 0],
        "header:x-goog-api-key",
    ),
    api(
        Place::Header("Tenant-Access"),
        Shape::Digits,
        25,
        [12, 3, 10],
        "header:tenant-access",
    ),
    api(
        Place::Header("X-Widget-Signature-Key"),
        Shape::Hex(16),
        200,
        [4, 4, 20],
        "header:x-widget-signature-key",
    ),
    api(
        Place::Authorization("Bearer"),
        Shape::Prefixed("sk_live_"),
        60,
        [3, 1, 0],
        "authorization:bearer",
    ),
    api(
        Place::Jwt,
        Shape::Random(12),
        30,
        [6, 0, 30],
        "authorization:bearer",
    ),
    api(
        Place::Authorization(""),
        Shape::Random(48),
        9,
        [15, 5, 0],
        "header:authorization",
    ),
    api(
        Place::Authorization("Acme"),
        Shape::Random(24),
        15,
        [7, 2, 5],
        "authorization:acme",
    ),
    api(
        Place::Authorization("Token"),
        Shape::Hex(40),
        33,
        [2, 2, 2],
        "authorization:token",
    ),
    api(
        Place::Basic(false),
        Shape::Random(10),
        20,
        [9, 4, 0],
        "authorization:basic",
    ),
    api(
        Place::Basic(true),
        Shape::Prefixed("rk_test_"),
        5,
        [5, 0, 10],
        "authorization:basic",
    ),
    api(
        Place::Aws,
        Shape::Prefixed("AKIA"),
        8,
        [5, 3, 0],
        "authorization:aws4-hmac-sha256",
    ),
    api(
        Place::Query("api_key"),
        Shape::Random(32),
        50,
        [10, 5, 5],
        "query:api_key",
    ),
    api(Place::Query("k"), Shape::Hex(24), 18, [20, 1, 0], "query:k"),
    api(
        Place::Query("subscription"),
        Shape::Random(20),
        300,
        [6, 2, 15],
        "query:subscription",
    ),
    api(
        Place::Cookie("sid"),
        Shape::Random(32),
        80,
        [25, 5, 10],
        "cookie:sid",
    ),
    api(
        Place::Cookie("auth_ticket"),
        Shape::Hex(64),
        35,
        [10, 1, 0],
        "cookie:auth_ticket",
    ),
    api(
        Place::Path("/bot", "/"),
        Shape::Telegram,
        14,
        [5, 5, 0],
        "path:/bot{key}",
    ),
    api(
        Place::Path("/hooks/", "/"),
        Shape::Random(24),
        70,
        [8, 4, 5],
        "path:/hooks/{key}",
    ),
];

/// Name of each API, its host, with the place where its keys are.
pub fn expected() -> Vec<(String, &'static str)> {
    let named = |(number, api): (usize, &Api)| (host(number), api.location);
    APIS.iter().enumerate().map(named).collect()
}

fn host(number: usize) -> String {
    format!("api-{number:02}.example")
}

/// Writes a capture (pcap, Ethernet) of requests to every API, the same for the same seed.
///
/// # Panics
/// When it cannot be written.
pub fn write(to: &Path, seed: u64) {
    let mut random = Random(seed);
    let mut capture = Writer {
        out: BufWriter::new(File::create(to).expect("making the capture")),
        milliseconds: 0,
    };
    // Version 2.4, microseconds, Ethernet (draft-ietf-opsawg-pcap).
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x0004_0000, 1] {
        capture.put(&word.to_le_bytes());
    }
    let mut port = 1024;
    for (number, api) in APIS.iter().enumerate() {
        let callers: Vec<Caller> = (0..api.callers)
            .map(|_| Caller::new(api, &mut random))
            .collect();
        for _ in 0..REQUESTS / KEPT_ALIVE {
            port += 1;
            let exchanges: Vec<(String, u16)> = (0..KEPT_ALIVE)
                .map(|_| exchange(api, &host(number), &callers, &mut random))
                .collect();
            capture.connection(port, &exchanges);
        }
    }
    capture.out.flush().expect("writing the capture");
}

/// Who calls, with what it sends beside its key.
struct Caller {
    key: String,
    device: String,
    session: String,
    csrf: String,
    agent: usize,
}

impl Caller {
    fn new(api: &Api, random: &mut Random) -> Self {
        Self {
            key: key(api.shape, random),
            device: uuid(random),
            session: text(BASE62, 26, random),
            csrf: text(BASE62, 43, random),
            agent: random.below(4),
        }
    }
}

const BASE62: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const HEX: &[u8] = b"0123456789abcdef";

fn text(alphabet: &[u8], length: usize, random: &mut Random) -> String {
    (0..length)
        .map(|_| char::from(alphabet[random.below(alphabet.len())]))
        .collect()
}

fn uuid(random: &mut Random) -> String {
    [8, 4, 4, 4, 12]
        .map(|length| text(HEX, length, random))
        .join("-")
}

fn key(shape: Shape, random: &mut Random) -> String {
    match shape {
        Shape::Random(length) => text(BASE62, length, random),
        Shape::Hex(length) => text(HEX, length, random),
        Shape::Prefixed(prefix) => format!("{prefix}{}", text(BASE62, 24, random)),
        Shape::Telegram => format!(
            "{}:AA{}",
            text(b"123456789", 9, random),
            text(BASE62, 33, random)
        ),
        Shape::Digits => text(b"0123456789", 12, random),
    }
}

/// A request and the status that answers it.
fn exchange(api: &Api, host: &str, callers: &[Caller], random: &mut Random) -> (String, u16) {
    // A few call often, most now and then.
    let caller = &callers[random.below(callers.len()).min(random.below(callers.len()))];
    let dice = random.below(100);
    let public = dice < api.public;
    let without = public || dice < api.public + api.without;
    let wrong = !without && dice < api.public + api.without + api.wrong;
    let key = match wrong {
        true => key(api.shape, random),
        false => caller.key.clone(),
    };
    // Who has no key is often a scanner, which sends little else; the rest are clients that were not set up.
    let bare = without && random.percent(50);
    let mut fields = vec![
        format!("Host: {host}"),
        format!("User-Agent: client/{}.1 (linux)", caller.agent),
    ];
    let mut cookies = vec!["theme=dark".to_owned()];
    let mut query = vec![format!("page={}", random.below(9))];
    let mut add = |percent: usize, field: String, random: &mut Random| {
        if !bare && random.percent(percent) {
            fields.push(field);
        }
    };
    add(100, format!("X-Request-Id: {}", uuid(random)), random);
    let trace = format!("00-{}-{}-01", text(HEX, 32, random), text(HEX, 16, random));
    add(90, format!("traceparent: {trace}"), random);
    add(95, format!("X-Device-Id: {}", caller.device), random);
    add(60, format!("X-CSRF-Token: {}", caller.csrf), random);
    add(
        40,
        format!("If-None-Match: \"{}\"", text(HEX, 2, random).repeat(16)),
        random,
    );
    add(80, "X-Client-Version: 4.11.2-build7731".to_owned(), random);
    add(
        70,
        format!("X-Amzn-Trace-Id: Root=1-{}", text(HEX, 24, random)),
        random,
    );
    if !bare && random.percent(85) {
        cookies.push(format!("session={}", caller.session));
        cookies.push(format!("_ga=GA1.2.{}", caller.device.replace('-', "")));
    }
    if !bare && random.percent(30) {
        query.push(format!("cursor={}", text(BASE62, 1, random).repeat(22)));
        query.push(format!(
            "_={}",
            1_700_000_000_000 + random.below(1_000_000_000) as u64
        ));
    }
    let mut path = match random.below(3) {
        0 => "/v1/orders".to_owned(),
        1 => format!("/v1/orders/{}", uuid(random)),
        _ => format!("/v1/users/{}", random.below(500)),
    };
    if public {
        path = "/health".to_owned();
    } else if let Place::Path(before, after) = api.place {
        let key = if without { "" } else { &key };
        path = format!(
            "{before}{key}{after}{}",
            ["send", "status", "list"][random.below(3)]
        );
    }
    if !without {
        match api.place {
            Place::Header(name) => fields.push(format!("{name}: {key}")),
            Place::Authorization("") => fields.push(format!("Authorization: {key}")),
            Place::Authorization(scheme) => fields.push(format!("Authorization: {scheme} {key}")),
            Place::Jwt => {
                // A token of each hour: only its subject stays.
                let claims = format!(
                    "{{\"iss\":\"https://idp\",\"sub\":\"{key}\",\"exp\":{}}}",
                    random.below(9)
                );
                let part = |text: &str| data_encoding::BASE64URL_NOPAD.encode(text.as_bytes());
                let signature = part(&uuid(random));
                let token = [part("{\"alg\":\"RS256\"}"), part(&claims), signature].join(".");
                fields.push(format!("Authorization: Bearer {token}"));
            }
            Place::Basic(alone) => {
                let pair = if alone {
                    format!("{key}:")
                } else {
                    format!("{key}:hunter2{key}")
                };
                let pair = data_encoding::BASE64.encode(pair.as_bytes());
                fields.push(format!("Authorization: Basic {pair}"));
            }
            Place::Aws => fields.push(format!(
                "Authorization: AWS4-HMAC-SHA256 Credential={key}/20260101/eu-1/s3/aws4_request, \
                 SignedHeaders=host, Signature={}",
                text(HEX, 64, random)
            )),
            Place::Query(name) => query.push(format!("{name}={key}")),
            Place::Cookie(name) => cookies.push(format!("{name}={key}")),
            Place::Path(..) => {}
        }
    }
    fields.push(format!("Cookie: {}", cookies.join("; ")));
    let status = match (public, without || wrong) {
        (true, _) => 200,
        (false, true) => [401, 403][random.below(2)],
        (false, false) => [200, 200, 200, 200, 200, 201, 404, 500][random.below(8)],
    };
    let fields = fields.join("\r\n");
    (
        format!(
            "GET {path}?{} HTTP/1.1\r\n{fields}\r\n\r\n",
            query.join("&")
        ),
        status,
    )
}

struct Writer {
    out: BufWriter<File>,
    milliseconds: u32,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        self.out.write_all(bytes).expect("writing the capture");
    }

    /// A connection on which one exchange follows the other.
    fn connection(&mut self, client_port: u16, exchanges: &[(String, u16)]) {
        let mut connection = Connection {
            v6: false,
            client_port,
            next: [7, 70_000],
        };
        let packing = Packing::plain(Link::Ethernet);
        let mut send = |from_server: bool, flags: u8, payload: &[u8]| {
            let sent = connection.send(from_server, flags, payload);
            let packet = connection.pack(&sent, &packing);
            self.milliseconds += 1;
            let (seconds, rest) = (self.milliseconds / 1000, self.milliseconds % 1000);
            let length = packet.len() as u32;
            for word in [1_767_225_600 + seconds, rest * 1000, length, length] {
                self.put(&word.to_le_bytes());
            }
            self.put(&packet);
        };
        send(false, tcp::SYN, b"");
        send(true, tcp::SYN | tcp::ACK, b"");
        for (request, status) in exchanges {
            send(false, tcp::ACK, request.as_bytes());
            let response = format!("HTTP/1.1 {status} Status\r\nContent-Length: 2\r\n\r\n{{}}");
            send(true, tcp::ACK, response.as_bytes());
        }
        send(false, tcp::FIN | tcp::ACK, b"");
        send(true, tcp::FIN | tcp::ACK, b"");
    }
}
