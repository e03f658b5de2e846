//! What a connection speaks, once it is in the clear: either version of HTTP, told by its first bytes or by what the two ends
//! agreed on.

use observer_ebpf::track::ORIGIN;
use serde::{Deserialize, Serialize};

use crate::http::{self, Limits, Moment, Side, Sink, http2};

/// A connection in the clear. `R` is what is kept of a request.
#[derive(Serialize, Deserialize)]
pub(super) enum Spoken<R> {
    Http1(http::Connection<R>),
    Http2(Box<http2::Connection<R>>),
}

impl<R> Spoken<R> {
    /// One that is seen from its first byte on.
    pub fn from_start() -> Self {
        Self::Http1(http::Connection::starting_at(ORIGIN))
    }

    /// One that is joined in the middle.
    pub fn joined() -> Self {
        Self::Http1(http::Connection::new(false))
    }

    /// One of which both ends agreed on HTTP/2 before its first byte.
    pub fn agreed_http2() -> Self {
        Self::Http2(Box::new(http2::Connection::starting_at(ORIGIN)))
    }

    /// Takes it for HTTP/2 from here on, where nothing of it was read before.
    pub fn join_http2(&mut self) {
        if matches!(self, Self::Http1(http) if http.is_joined()) {
            *self = Self::Http2(Box::new(http2::Connection::joined()));
        }
    }

    /// Whether nothing of it was read yet, and it is joined in the middle.
    pub fn is_joined(&self) -> bool {
        matches!(self, Self::Http1(http) if http.is_joined())
    }

    /// See [`http::Connection::data`].
    pub fn data<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        moment: Moment,
        offset: u64,
        bytes: &[u8],
        limits: &Limits,
        sink: &mut S,
    ) {
        let other = match self {
            Self::Http2(http) => return http.data(side, moment, offset, bytes, limits, sink),
            Self::Http1(http) => {
                http.data(side, moment, offset, bytes, limits, sink);
                http.take_http2()
            }
        };
        let Some(mut http) = other else { return };
        let begin = http.next(side);
        let before = usize::try_from(begin.saturating_sub(offset)).unwrap_or(usize::MAX);
        let rest = bytes.get(before..).unwrap_or_default();
        http.data(side, moment, begin.max(offset), rest, limits, sink);
        *self = Self::Http2(http);
    }

    /// See [`http::Connection::hole`].
    pub fn hole<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        moment: Moment,
        offset: u64,
        length: u64,
        limits: &Limits,
        sink: &mut S,
    ) {
        match self {
            Self::Http1(http) => http.hole(side, moment, offset, length, limits, sink),
            Self::Http2(http) => http.hole(side, moment, offset, length, limits, sink),
        }
    }

    /// See [`http::Connection::lose`].
    pub fn lose<S: Sink<Request = R>>(&mut self, side: Side, time: u64, length: u64, sink: &mut S) {
        match self {
            Self::Http1(http) => http.lose(side, length, sink),
            Self::Http2(http) => http.lose(side, time, length, sink),
        }
    }

    /// See [`http::Connection::conflict`].
    pub fn conflict(&mut self, side: Side) {
        match self {
            Self::Http1(http) => http.conflict(side),
            Self::Http2(http) => http.conflict(side),
        }
    }

    /// See [`http::Connection::fin`].
    pub fn fin<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        moment: Moment,
        limits: &Limits,
        sink: &mut S,
    ) {
        match self {
            Self::Http1(http) => http.fin(side, moment, limits, sink),
            Self::Http2(http) => http.fin(side, moment, limits, sink),
        }
    }

    /// See [`http::Connection::reset`].
    pub fn reset<S: Sink<Request = R>>(
        &mut self,
        side: Side,
        moment: Moment,
        limits: &Limits,
        sink: &mut S,
    ) {
        match self {
            Self::Http1(http) => http.reset(side, moment, limits, sink),
            Self::Http2(http) => http.reset(side, moment, limits, sink),
        }
    }

    /// See [`http::Connection::end`].
    pub fn end<S: Sink<Request = R>>(&mut self, time: u64, limits: &Limits, sink: &mut S) {
        match self {
            Self::Http1(http) => http.end(time, limits, sink),
            Self::Http2(http) => http.end(time, limits, sink),
        }
    }

    /// See [`http::Connection::skip_until`].
    pub fn skip_until(&self, side: Side) -> Option<u64> {
        match self {
            Self::Http1(http) => http.skip_until(side),
            Self::Http2(http) => http.skip_until(side),
        }
    }

    /// See [`http::Connection::half_read`].
    pub fn half_read(&self, side: Side) -> Option<u64> {
        match self {
            Self::Http1(http) => http.half_read(side),
            Self::Http2(http) => http.half_read(side),
        }
    }

    /// See [`http::Connection::is_idle`].
    pub fn is_idle(&self) -> bool {
        match self {
            Self::Http1(http) => http.is_idle(),
            Self::Http2(http) => http.is_idle(),
        }
    }

    /// See [`http::Connection::is_opaque`].
    pub fn is_opaque(&self) -> bool {
        match self {
            Self::Http1(http) => http.is_opaque(),
            Self::Http2(http) => http.is_opaque(),
        }
    }

    /// See [`http::Connection::heap_bytes`].
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Http1(http) => http.heap_bytes(),
            Self::Http2(http) => http.heap_bytes(),
        }
    }
}
