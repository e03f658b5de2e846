//! Conversations between two ends that keep to HTTP/2, and some that do not: what comes of them is what there was.

#[path = "../../../../tests/src/oracle/http2/asides.rs"]
mod asides;
mod bounds;
#[path = "../../../../tests/src/oracle/http2/conversation.rs"]
mod conversation;
mod cuts;
#[path = "../../../../tests/src/oracle/http2/frames.rs"]
mod frames;
mod messages;
#[path = "../../../../tests/src/oracle/http2/passing.rs"]
mod passing;
#[path = "../../../../tests/src/oracle/http2/plan.rs"]
mod plan;
mod properties;
mod talk;
#[path = "../../../../tests/src/oracle/http2/truth.rs"]
mod truth;
#[path = "../../../../tests/src/oracle/http2/verdict.rs"]
mod verdict;

use std::net::SocketAddr;

use super::super::tests::random_loss::Dice;
use super::super::{
    Cut, Exchange, Limits, Malformed, Moment, RequestHead, Side, Sink, Switch, Uncertain,
};
use super::hpack::tests::encoder;
use super::{Connection, Reason};

/// Bytes on the heap of one connection, at most.
const HEAP: usize = 2 << 20;
