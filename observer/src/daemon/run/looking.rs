//! Looks for places where keys travel in what the daemon sees, for as long as somebody waits for the answer.

use std::sync::Arc;
use std::time::Duration;

use super::Order;
use super::capture::utc_now;
use super::desk::Desk;
use crate::daemon::rules::passing_fingerprinter;
use crate::identity::Discovery;
use crate::identity::discovery::Ranked;
use serde::{Deserialize, Serialize};

/// The longest that it looks, seconds: while it does, an exchange costs some microseconds more.
pub const LONGEST: u64 = 3600;

/// What was found.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Found {
    /// Seconds since 1970: from when, and until when it looked.
    pub period: (u64, u64),
    /// Of the exchanges of the last minute, how many are certain.
    pub completeness: f64,
    /// Requests or places that had no room.
    pub left_out: u64,
    /// The likeliest places of each API.
    pub apis: Vec<(Arc<str>, Vec<Ranked>)>,
}

impl Found {
    /// What a discovery found, at most `top` places of each API.
    pub fn of(discovery: &Discovery, top: usize, period: (u64, u64), completeness: f64) -> Self {
        let mut apis = discovery.ranked();
        for (_, places) in &mut apis {
            places.truncate(top);
        }
        Self {
            period,
            completeness,
            left_out: discovery.left_out(),
            apis,
        }
    }
}

/// `SECONDS TOP`
pub fn parse(text: &str) -> Option<(u64, usize)> {
    let (seconds, top) = text.split_once(' ')?;
    let (seconds, top) = (seconds.parse().ok()?, top.parse().ok()?);
    (1..=LONGEST).contains(&seconds).then_some((seconds, top))
}

/// Looks for so many seconds, and answers with what was found: one line of JSON.
///
/// # Errors
/// Why it could not look.
pub async fn look(desk: &Desk, (seconds, top): (u64, usize)) -> Result<String, String> {
    let hasher = passing_fingerprinter().map_err(|error| error.to_string())?;
    let discovery = Box::new(Discovery::new(hasher));
    if !desk
        .ask(|answer| Order::Discover(discovery, answer))
        .await?
    {
        return Err("somebody else is looking already".to_owned());
    }
    tracing::info!("looking for {seconds} s where keys travel");
    let begin = utc_now() / 1_000_000_000;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let discovery = desk.ask(Order::EndDiscovery).await?;
    let discovery = discovery.ok_or_else(|| desk.gone.to_owned())?;
    let now = utc_now();
    let completeness = desk.state.counters().completeness(now);
    let found = Found::of(&discovery, top, (begin, now / 1_000_000_000), completeness);
    serde_json::to_string(&found).map_err(|error| error.to_string())
}
