//! Requests of those who are shut off or limited, as they are read: what the kernel side did not stop is to be ended by whoever
//! takes them.

use std::net::SocketAddr;
use std::sync::Arc;

use observer_ebpf::abi::FlowKey;

use crate::identity::{Attribution, Consumer, Fingerprint};
use crate::response::{Book, Settings, SubjectKind, Verb, Who};

/// Requests kept until they are taken.
const CAUGHT: usize = 4096;

/// A request of somebody who is shut off or limited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// It, and what carried it.
    pub request: Request,
    /// The slot of the action.
    pub slot: u32,
    /// What the action says.
    pub verb: Verb,
    /// How its credential is spelled, and where it stands, where it is a secret: nobody else has it.
    pub spelling: Option<(u64, Fingerprint, Arc<str>)>,
}

/// A request, as far as it takes to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its connection.
    pub flow: FlowKey,
    /// The end that sent it.
    pub client: SocketAddr,
    /// The other end.
    pub server: SocketAddr,
    /// Where in the stream it begins, where the kernel side can read it.
    pub offset: Option<u64>,
    /// Somebody else uses the connection too, or may: what is not answered yet may be accepted.
    pub shared: bool,
    /// Somebody else uses the connection too.
    pub company: bool,
    /// When its first byte was seen, nanoseconds since 1970.
    pub time: u64,
}

/// What is to be stopped, and what was not.
#[derive(Debug)]
pub struct Stops {
    /// The actions.
    pub book: Book,
    /// A program of the kernel looks at requests, so that it has to know of connections that became shared.
    pub guarding: bool,
    caught: Vec<Caught>,
    shared: Vec<FlowKey>,
    dropped: u64,
}

impl Default for Stops {
    fn default() -> Self {
        Self {
            book: Book::new(Settings::default()),
            guarding: false,
            caught: Vec::new(),
            shared: Vec::new(),
            dropped: 0,
        }
    }
}

impl Stops {
    /// Whether nothing is in force or proposed.
    pub fn is_idle(&self) -> bool {
        self.book.is_idle()
    }

    /// Looks whether something is to be done about a request. What is returned is to be judged once those who wait on its connection
    /// have their answers: until then nobody knows whether they are anybody.
    pub(super) fn look(&mut self, request: Request, attribution: &Attribution) -> Option<Caught> {
        let who = who(attribution, request.client);
        self.book.note(&who);
        if request.company && self.guarding && self.shared.len() < CAUGHT {
            self.shared.push(request.flow);
        }
        let (slot, verb) = self.book.verdict(&who)?;
        let action = self.book.at(slot)?;
        // What was on its way before there was an action is nobody's to end.
        if request.time < action.begun {
            return None;
        }
        let credential = attribution.credential.as_ref();
        // Of a network, only what is registered: what anybody makes up is not worth a place in a table.
        let named = action.subject.kind() != SubjectKind::Network;
        let known = named || matches!(attribution.consumer, Consumer::Registered(_));
        let secret = credential.filter(|credential| credential.secret && known);
        let caught = Caught {
            request,
            slot,
            verb,
            spelling: secret.and_then(|secret| {
                let location = Arc::clone(&secret.location);
                Some((secret.spelling?, secret.fingerprint, location))
            }),
        };
        if request.shared && !request.company {
            return Some(caught);
        }
        self.catch(caught);
        None
    }

    /// Takes a request whose connection is known now to carry others', or not to.
    pub(super) fn judge(&mut self, mut caught: Caught, company: bool) {
        caught.request.shared = company;
        self.catch(caught);
    }

    fn catch(&mut self, caught: Caught) {
        if self.caught.len() < CAUGHT {
            self.caught.push(caught);
        } else {
            self.dropped += 1;
        }
    }

    /// Requests of those who are shut off or limited since this was asked last.
    pub fn take_caught(&mut self) -> Vec<Caught> {
        std::mem::take(&mut self.caught)
    }

    /// Connections that somebody else was found to use too since this was asked last.
    pub fn take_shared(&mut self) -> Vec<FlowKey> {
        std::mem::take(&mut self.shared)
    }

    /// Requests that there was no room for.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The action by which a request without a response went no further: the kernel side resets instead of answering where that is
    /// configured, and what comes behind a refused request on its connection is seen off.
    pub(super) fn unanswered(
        &self,
        attribution: &Attribution,
        client: SocketAddr,
    ) -> Option<(Arc<str>, Verb)> {
        if self.is_idle() {
            return None;
        }
        let (slot, verb) = self.book.verdict(&who(attribution, client))?;
        let action = self.book.at(slot)?;
        Some((Arc::from(action.id.as_str()), verb))
    }

    /// The action that a response names as its sender, if there is one of that name.
    pub(super) fn refused(&self, name: &[u8]) -> Option<Arc<str>> {
        if name.first() != Some(&b'r') {
            return None;
        }
        let id = str::from_utf8(name).ok()?.parse().ok()?;
        self.book
            .get(&id)
            .map(|action| Arc::from(action.id.as_str()))
    }
}

/// Who sends a request, in the terms of actions.
fn who(attribution: &Attribution, peer: SocketAddr) -> Who<'_> {
    Who {
        consumer: match &attribution.consumer {
            Consumer::Registered(id) => id,
            other => other.as_str(),
        },
        app: attribution.app.as_deref(),
        key: attribution.key.as_deref(),
        fingerprint: attribution
            .credential
            .as_ref()
            .map(|credential| credential.fingerprint),
        client: attribution.client.ip(),
        peer: peer.ip(),
    }
}
