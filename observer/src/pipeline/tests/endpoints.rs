//! A client and a server of rustls that write HTTP to each other, and the segments that pass between them.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, KeyLog, ServerConfig,
    ServerConnection, SignatureScheme,
};

use crate::http::tests::random_loss::{Client, Dice, Message};
use crate::tls::Side;
use crate::tls::secrets::{self, Material};

/// Every suite that rustls has, by its number in IANA's registry.
pub const SUITES: [u16; 6] = [0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xcca9];

/// How the two talk.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    pub suite: usize,
    /// The server wants another group than the client offers first.
    pub retry: bool,
    /// They have talked before.
    pub resume: bool,
    /// The client sends early data where it may; the server takes it.
    pub early: bool,
    pub takes_early: bool,
    /// Keys are updated now and then (TLS 1.3).
    pub update: bool,
    /// Bytes of a record at most.
    pub record_bytes: usize,
    pub client: Client,
}

impl Talk {
    /// Whether the client names protocols to choose from.
    pub fn names_protocols(&self) -> bool {
        self.suite.is_multiple_of(2)
    }
}

/// A segment as it passes the observer.
#[derive(Clone, Debug)]
pub struct Passed {
    pub from: Side,
    pub offset: u64,
    pub bytes: Vec<u8>,
    pub acked: u64,
}

/// What passed, and the secrets.
#[derive(Debug)]
pub struct Heard {
    pub passed: Vec<Passed>,
    pub secrets: Vec<Material>,
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<Material>>);

impl KeyLog for Log {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        let hex = |bytes| data_encoding::HEXLOWER.encode(bytes);
        let line = format!("{label} {} {}", hex(client_random), hex(secret));
        self.0
            .lock()
            .unwrap()
            .extend(secrets::read_line(&line).unwrap());
    }
}

#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

fn provider(suite: u16) -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider
        .cipher_suites
        .retain(|known| u16::from(known.suite()) == suite);
    provider
}

/// Both configurations, and what they log.
fn configurations(talk: &Talk) -> (Arc<ClientConfig>, ServerConfig, Arc<Log>) {
    let log = Arc::new(Log::default());
    let suite = SUITES[talk.suite];
    let versions = if suite >> 8 == 0x13 {
        &[&rustls::version::TLS13]
    } else {
        &[&rustls::version::TLS12]
    };
    let provided = Arc::new(provider(suite));
    let mut client = ClientConfig::builder_with_provider(Arc::clone(&provided))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provided)))
        .with_no_client_auth();
    client.key_log = log.clone();
    if talk.names_protocols() {
        client.alpn_protocols = vec![b"h3".to_vec(), b"http/1.1".to_vec()];
    }
    client.enable_early_data = talk.early;
    client.max_fragment_size = Some(talk.record_bytes);
    let mut provided = provider(suite);
    if talk.retry {
        provided
            .kx_groups
            .retain(|group| group.name() == rustls::NamedGroup::secp384r1);
    }
    let certificate = CertificateDer::from(include_bytes!("certificate.der").to_vec());
    let key = PrivateKeyDer::try_from(include_bytes!("key.der").to_vec()).unwrap();
    let mut server = ServerConfig::builder_with_provider(Arc::new(provided))
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Early data is taken with what the server keeps only: it must not be taken twice.
    if !talk.early {
        server.ticketer = ring::Ticketer::new().unwrap();
    }
    server.max_fragment_size = Some(talk.record_bytes);
    server.max_early_data_size = 1 << 14;
    server.send_half_rtt_data = talk.early;
    (Arc::new(client), server, log)
}

/// One end: what it says, and how far both have come.
struct End {
    tls: Connection,
    /// What it has to say, and where each message of it ends.
    says: Vec<u8>,
    ends: Vec<usize>,
    said: usize,
    /// Of that, as early data, of which is not known whether the server takes it.
    early: usize,
    /// Plaintext that it has got.
    heard: usize,
    /// Bytes that wait to be sent, the stream offset of the first of them, and how far the other side's stream was received.
    out: Vec<u8>,
    sent: u64,
    received: u64,
}

impl End {
    fn new(tls: Connection, messages: impl Iterator<Item = Message>) -> Self {
        let (mut says, mut ends) = (Vec::new(), Vec::new());
        for message in messages {
            says.extend(message.bytes);
            ends.push(says.len());
        }
        Self {
            tls,
            says,
            ends,
            said: 0,
            early: 0,
            heard: 0,
            out: Vec::new(),
            sent: 0,
            received: 0,
        }
    }

    fn whole(&self, length: usize) -> usize {
        self.ends.iter().filter(|end| **end <= length).count()
    }

    fn until(&self, messages: usize) -> usize {
        let last = messages.min(self.ends.len());
        last.checked_sub(1).map_or(0, |last| self.ends[last])
    }

    fn flush(&mut self) {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.out).unwrap();
        }
    }

    /// Receives what the other end sent.
    fn receive(&mut self, mut bytes: &[u8]) {
        self.received += bytes.len() as u64;
        while !bytes.is_empty() {
            self.tls.read_tls(&mut bytes).unwrap();
            self.tls.process_new_packets().unwrap();
            if let Connection::Server(server) = &mut self.tls
                && let Some(mut early) = server.early_data()
            {
                let mut text = Vec::new();
                let _ = early.read_to_end(&mut text);
                self.heard += text.len();
            }
            let mut text = vec![0; 1 << 16];
            while let Ok(length) = self.tls.reader().read(&mut text) {
                if length == 0 {
                    break;
                }
                self.heard += length;
            }
        }
        self.flush();
    }

    /// Writes a piece of what it has to say, up to `allowed`.
    fn say(&mut self, allowed: usize, dice: &mut Dice) {
        if let Connection::Client(client) = &self.tls
            && !client.is_handshaking()
            && std::mem::take(&mut self.early) > 0
            && !client.is_early_data_accepted()
        {
            self.said = 0;
        }
        if self.said >= allowed {
            return;
        }
        let message = self.ends[self.whole(self.said)] - self.said;
        let room = allowed - self.said;
        let length = match dice.roll(4) {
            0 => room.min(1 + dice.roll(300)),
            _ => room.min(message),
        };
        let piece = &self.says[self.said..self.said + length];
        if self.tls.is_handshaking() {
            let Connection::Client(client) = &mut self.tls else {
                return;
            };
            // A server that does not take it passes over so much at least.
            let Some(mut early) = client.early_data().filter(|_| self.early < 500) else {
                return;
            };
            let piece = &piece[..piece.len().min(500)];
            let length = early.write(piece).unwrap();
            (self.said, self.early) = (self.said + length, self.early + length);
        } else {
            self.tls.writer().write_all(piece).unwrap();
            self.said += length;
        }
        self.flush();
    }

    fn segment(&mut self, from: Side, most: usize) -> Passed {
        let length = self.out.len().min(most);
        let passed = Passed {
            from,
            offset: self.sent,
            bytes: self.out.drain(..length).collect(),
            acked: self.received,
        };
        self.sent += length as u64;
        passed
    }
}

/// Lets them talk; every segment as it passes the server's interface.
pub fn talk(talk: &Talk, exchanges: &[(Message, Message)], dice: &mut Dice) -> Heard {
    let (client, mut server, log) = configurations(talk);
    if talk.resume {
        once(&client, &Arc::new(server.clone()), &[], talk, dice);
        log.0.lock().unwrap().clear();
        if !talk.takes_early {
            server.max_early_data_size = 0;
        }
    }
    let passed = once(&client, &Arc::new(server), exchanges, talk, dice);
    let secrets = log.0.lock().unwrap().drain(..).collect();
    Heard { passed, secrets }
}

fn once(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    exchanges: &[(Message, Message)],
    how: &Talk,
    dice: &mut Dice,
) -> Vec<Passed> {
    let name = ServerName::try_from("api.example").unwrap();
    let client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let server = ServerConnection::new(Arc::clone(server)).unwrap();
    let mut client = End::new(client.into(), exchanges.iter().map(|(q, _)| q.clone()));
    let mut server = End::new(server.into(), exchanges.iter().map(|(_, r)| r.clone()));
    client.flush();
    let (mut passed, mut arriving, mut leaving) = (Vec::new(), VecDeque::new(), VecDeque::new());
    let segment_bytes = 40 + dice.roll(1_400);
    for _ in 0..200_000 {
        let done = client.heard == server.says.len() && server.heard == client.says.len();
        let quiet = client.out.is_empty()
            && server.out.is_empty()
            && arriving.is_empty()
            && leaving.is_empty();
        if done && quiet && !client.tls.is_handshaking() && !server.tls.is_handshaking() {
            return passed;
        }
        let responses = server.whole(client.heard);
        let allowed = match how.client {
            Client::InTurns => responses + 1,
            Client::Batches(size) => (responses / size + 1) * size,
            Client::Streams => exchanges.len(),
        };
        match dice.roll(6) {
            0 => client.say(client.until(allowed), dice),
            1 => server.say(server.until(client.whole(server.heard)), dice),
            2 if !client.out.is_empty() => {
                // A client may say more before its first segment leaves, and so send early data with it.
                if dice.roll(3) == 0 {
                    client.say(client.until(allowed), dice);
                }
                let bytes = if client.sent == 0 { 600 } else { segment_bytes };
                arriving.push_back(client.segment(Side::Client, bytes));
            }
            3 if !server.out.is_empty() => {
                let segment = server.segment(Side::Server, segment_bytes);
                passed.push(segment.clone());
                leaving.push_back(segment);
            }
            4 => {
                if let Some(segment) = arriving.pop_front() {
                    passed.push(segment.clone());
                    server.receive(&segment.bytes);
                }
            }
            5 => {
                if let Some(segment) = leaving.pop_front() {
                    client.receive(&segment.bytes);
                }
            }
            _ => {}
        }
        // rustls takes no update between the pieces of another message.
        if how.update && quiet && SUITES[how.suite] >> 8 == 0x13 && dice.roll(20) == 0 {
            for end in [&mut client, &mut server] {
                if !end.tls.is_handshaking() && dice.roll(2) == 0 {
                    end.tls.refresh_traffic_keys().unwrap();
                    end.flush();
                }
            }
        }
    }
    panic!("they do not come to an end: {how:?}");
}
