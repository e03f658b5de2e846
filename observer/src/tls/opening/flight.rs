//! The server's encrypted flight of TLS 1.3, read up to its Finished: what it agrees to, and the transcript that the secrets of
//! the application depend on (RFC 8446 section 4.4).

use ring::digest;

use super::Held;
use crate::tls::message::{self, ENCRYPTED_EXTENSIONS, Extensions, FINISHED};
use crate::tls::protection::{ALERT, HANDSHAKE, Keys};
use crate::tls::schedule::{self, Traffic};
use crate::tls::secrets::{self, Join, Label, Secret, Secrets};
use crate::tls::suite::{Hash, Suite};
use crate::tls::{Alpn, Unreadable};

/// The server's encrypted flight of TLS 1.3, up to its Finished.
pub(super) struct Flight {
    keys: Keys,
    traffic: Traffic,
    source: Source,
    transcript: digest::Context,
    messages: Vec<u8>,
    /// The protocol that the server chose.
    pub alpn: Alpn,
    /// What the client sent early is taken.
    pub early: bool,
    /// Read up to its Finished.
    pub done: bool,
}

/// Where the secrets of the application come from.
#[derive(Debug)]
enum Source {
    Known(Traffic),
    Handshake(Secret),
}

impl std::fmt::Debug for Flight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flight")
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl Flight {
    /// With the secrets that are known by now. A key log that has only some of them is waited for.
    pub fn of(
        suite: Suite,
        random: &Join,
        hellos: &[u8],
        secrets: &Secrets,
    ) -> Result<Option<Self>, Unreadable> {
        let hash = suite.hash;
        let mut transcript = hash.context();
        transcript.update(hellos);
        let digest = transcript.clone().finish();
        let both = |client, server| {
            Some(Traffic {
                client: secrets.find(random, client, hash.bytes())?.clone(),
                server: secrets.find(random, server, hash.bytes())?.clone(),
            })
        };
        let derived = secrets::join(digest.as_ref())
            .and_then(|join| secrets.find(&join, Label::Handshake, hash.bytes()));
        let (traffic, source) = match derived {
            Some(secret) => (
                schedule::handshake(hash, secret, digest.as_ref()),
                Some(Source::Handshake(secret.clone())),
            ),
            None => (
                both(Label::ClientHandshake, Label::ServerHandshake),
                both(Label::ClientTraffic, Label::ServerTraffic).map(Source::Known),
            ),
        };
        let (Some(traffic), Some(source)) = (traffic, source) else {
            return Ok(None);
        };
        let keys = schedule::keys(suite, &traffic.server).ok_or(Unreadable::WrongSecret)?;
        Ok(Some(Self {
            keys,
            traffic,
            source,
            transcript,
            messages: Vec::new(),
            alpn: Alpn::None,
            early: false,
            done: false,
        }))
    }

    /// Opens a record of the server and reads its messages.
    pub fn read(&mut self, held: &Held, scratch: &mut Vec<u8>) -> Result<(), Unreadable> {
        let opened = self
            .keys
            .open(self.keys.sequence, held.header, &held.body, scratch)
            .ok_or(Unreadable::WrongSecret)?;
        self.keys.sequence += 1;
        match opened.kind {
            HANDSHAKE => {}
            ALERT => return Err(Unreadable::Refused),
            _ => return Err(Unreadable::Malformed),
        }
        self.messages
            .extend_from_slice(scratch.get(..opened.length).unwrap_or_default());
        while let Some((kind, whole)) = message::take(&mut self.messages)? {
            self.transcript.update(&whole);
            match kind {
                ENCRYPTED_EXTENSIONS => {
                    let said = whole.get(4..).and_then(Extensions::read);
                    let said = said.ok_or(Unreadable::Malformed)?;
                    self.alpn = Alpn::of(said.protocol);
                    message::check_protocol(said.protocol)?;
                    self.early = said.early;
                }
                // Keys change with the record (RFC 8446 section 5.1).
                FINISHED => {
                    self.done = true;
                    return Ok(());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The client's secret for what is left of the handshake.
    pub fn client(&self) -> Secret {
        self.traffic.client.clone()
    }

    /// The secrets of what follows.
    pub fn application(&self, hash: Hash) -> Option<Traffic> {
        match &self.source {
            Source::Known(traffic) => Some(traffic.clone()),
            Source::Handshake(secret) => {
                let transcript = self.transcript.clone().finish();
                schedule::application(hash, secret, transcript.as_ref())
            }
        }
    }

    /// The hash of all messages up to the server's Finished, once it is read.
    pub fn finished(&self) -> Vec<u8> {
        self.transcript.clone().finish().as_ref().to_vec()
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.messages.capacity()
    }
}
