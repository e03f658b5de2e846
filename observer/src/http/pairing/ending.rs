//! What loss, ambiguity and the end of the connection do to what waits.
//!
//! Bias: what may have been answered by bytes that nobody saw is uncertain, not unanswered.

use super::{Pairing, Tail};
use crate::http::pending::{Response, Standing};
use crate::http::{Cut, Sink, Uncertain};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Over {
    ClientReset,
    ServerReset,
    /// Nobody saw how.
    Silent,
}

impl<R> Pairing<R> {
    /// Request bytes were lost. `boundary`: where they would begin, if no message was being read.
    pub fn lose_requests<S: Sink<Request = R>>(&mut self, boundary: Option<u64>, sink: &mut S) {
        self.proof = 0;
        if let Some(request) = self.request() {
            request.doubt(Uncertain::Gap);
        }
        self.tail = match self.tail {
            Tail::Known => Tail::Unknown { answered: boundary },
            Tail::OneLost { .. } => Tail::Unknown { answered: None },
            unknown @ Tail::Unknown { .. } => unknown,
        };
        self.end_request(u64::MAX, sink);
    }

    /// Response bytes up to the offset `until` were lost. `measured`: so many they were; else there may have been none at all.
    pub fn lose_responses<S: Sink<Request = R>>(
        &mut self,
        until: u64,
        measured: bool,
        sink: &mut S,
    ) {
        self.proof = 0;
        if let Some(mut orphan) = self.orphan.take() {
            orphan.doubt(Uncertain::Gap);
            orphan.report(Uncertain::Gap, sink);
        }
        let next = match (
            self.tail,
            self.queue.len(),
            self.queue.front(),
            self.queue.back(),
        ) {
            _ if !measured => Tail::Unknown { answered: None },
            // Nothing else to lose: what is gone belongs to the same response.
            (one @ Tail::OneLost { .. }, 0, ..) => one,
            // An interim response may be all that was lost of a request that waits for one.
            (Tail::Known, 1 | 2, Some(first), Some(last))
                if first.standing == Standing::Sure
                    && first.request_done
                    && !first.expect
                    && !first.switching =>
            {
                match (first.acked, last.acked) {
                    (Some(acked), Some(_)) if self.queue.len() == 1 => Tail::OneLost { acked },
                    (Some(before), Some(acked))
                        if acked > before && acked >= until && !self.given_up =>
                    {
                        Tail::Known
                    }
                    _ => Tail::Unknown { answered: None },
                }
            }
            _ => Tail::Unknown { answered: None },
        };
        self.tail = next;
        let last = if next == Tail::Known {
            self.queue.pop_back()
        } else {
            None
        };
        self.fail_all(Uncertain::Gap, sink);
        if let Some(mut last) = last {
            last.standing = Standing::Candidate;
            self.queue.push_back(last);
        }
    }

    /// Framing is not certain any more: what waits keeps its order, and nothing after it pairs.
    pub fn sever(&mut self) {
        self.given_up = true;
        self.tail = Tail::Unknown { answered: None };
    }

    /// As [`Self::sever`], when it is a response whose framing is not certain: only that one keeps its request.
    pub fn sever_responses<S: Sink<Request = R>>(&mut self, sink: &mut S) {
        self.sever();
        let first = if self.orphan.is_none() {
            self.queue.pop_front()
        } else {
            None
        };
        self.fail_all(Uncertain::PairingBroken, sink);
        self.queue.extend(first);
    }

    /// Retransmitted bytes differed: everything that they may concern is uncertain, and so is what follows.
    pub fn conflict(&mut self) {
        for pending in self
            .queue
            .iter_mut()
            .chain(self.aside.as_deref_mut())
            .chain(self.orphan.as_deref_mut())
        {
            pending.doubt(Uncertain::Conflict);
        }
        self.sever();
    }

    /// The server closed in order. `partial`: in the middle of a head. `by_close`: in a body that ends so.
    pub fn server_closed<S: Sink<Request = R>>(
        &mut self,
        client_closed: bool,
        partial: bool,
        by_close: bool,
        sink: &mut S,
    ) {
        if self.orphan.is_some() {
            if let Some(orphan) = self.orphan.as_mut().filter(|_| !by_close) {
                orphan.cut(Cut::ServerReset);
            }
            self.end_response(sink);
        }
        if self.expected_at().is_some() {
            self.fail_all(self.why(), sink);
        }
        for (index, pending) in self.queue.iter_mut().enumerate() {
            let begun = index == 0
                && (partial || matches!(pending.response, Response::Content | Response::Interim));
            if index == 0 && by_close {
                pending.response = Response::Done;
            }
            pending.cut(match (client_closed, begun) {
                (true, _) => Cut::ClientAbort,
                (false, true) => Cut::ServerReset,
                (false, false) => Cut::NoResponse,
            });
        }
        self.settle(sink);
    }

    /// The connection is over; every exchange ends. `known`: how much of the response being read is missing is known.
    pub fn over<S: Sink<Request = R>>(
        &mut self,
        over: Over,
        client_closed: bool,
        partial: bool,
        known: bool,
        sink: &mut S,
    ) {
        let why = self.why();
        let cut = match over {
            Over::ClientReset => Some(Cut::ClientAbort),
            Over::ServerReset | Over::Silent if client_closed => Some(Cut::ClientAbort),
            Over::ServerReset => Some(Cut::ServerReset),
            Over::Silent => None,
        };
        let waiting = std::mem::take(&mut self.queue).into_iter();
        let rest = self
            .orphan
            .take()
            .into_iter()
            .chain(self.aside.take())
            .map(|boxed| *boxed);
        for (index, mut pending) in waiting.chain(rest).enumerate() {
            let alone = pending.is_alone();
            let waits = pending.response == Response::Waiting && !(index == 0 && partial);
            match cut {
                _ if alone => {}
                Some(cut)
                    if known || pending.response != Response::Content || over != Over::Silent =>
                {
                    pending.cut(cut);
                }
                Some(_) => {}
                None if pending.response == Response::Done => {}
                None if waits => pending.cut(Cut::NoResponse),
                None if known || partial || pending.response == Response::Interim => {
                    pending.doubt(Uncertain::Gap)
                }
                None => {}
            }
            pending.report(why, sink);
        }
    }
}
