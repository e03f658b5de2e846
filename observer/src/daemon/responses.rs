//! `observer block`, `limit`, `unblock` and `responses`: the hand on the switch.

pub mod order;
