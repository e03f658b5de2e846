//! Response: which keys, accounts and networks are shut off or slowed down, by whose word, for how long.
//!
//! Decides only; whoever carries it out asks [`Book::verdict`], [`Book::networks`] and [`Spellings::refresh`]. Prefers letting
//! somebody through to shutting off somebody who may not be: an allowlist stands above every action, every action ends by
//! itself, and nothing is held against a key for requests that the application refused, since anybody can send those in its name.
//!
//! Invariant: every table is bounded, one subject has one action or proposal at most, and each decision leaves an event.

mod action;
mod allow;
mod book;
mod nets;
mod rate;
mod recent;
mod remedy;
mod spellings;
mod subject;
#[cfg(test)]
mod tests;

pub use action::{
    Action, ActionId, By, Deed, End, Event, Hits, NotAnActionId, Radius, Request, State,
};
pub use allow::Mode;
pub use allow::Settings;
pub use book::{Book, Considered, NetworkRule, Refused, Which};
pub use rate::{NotARate, NotAVerb, Rate, Verb};
pub use recent::Recent;
pub use remedy::{On, Remedy, remedy};
pub use spellings::{Change, Holder, Row, Spellings};
pub use subject::{NotASubject, Subject, SubjectKind, TooWide, Unresolved, Who};

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
