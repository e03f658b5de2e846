//! What somebody sees who looks: one frame of everything, made when it is asked for and shared by all who ask shortly after.
//!
//! Nobody looking costs nothing: there is no task and no timer. Many looking cost one frame a second, and of each kind of look
//! one text.

mod build;
mod frame;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

pub use frame::{Consumer, Counts, Frame, Look, Quality, Route, Statuses, Totals};

use super::{State, lock};
use crate::awareness::View;

/// How long a frame is the newest there is. Nanoseconds.
const FRESH: u64 = 900_000_000;
/// Time between frames past which rates between them would say nothing of now. Nanoseconds.
const STALE: u64 = 10_000_000_000;
/// How long somebody who looks first waits for what is made only for those who look, and how often they ask.
const SETTLES: (u32, Duration) = (30, Duration::from_millis(20));
/// Kinds of look of which the text is kept beside a frame.
const TEXTS: usize = 128;
/// Rows of a kind in an overview.
const BUSIEST: usize = 12;
/// Incidents in an overview.
const NEWEST: usize = 20;
/// Rows of a kind in any look.
pub const ROWS: usize = 1_000;

/// The newest frame, for whoever looks.
pub struct Live {
    state: Arc<State>,
    newest: Mutex<Option<Arc<Moment>>>,
}

/// A frame, and what was already written of it.
pub struct Moment {
    /// When it was made: nanoseconds since 1970 in UTC.
    made: u64,
    /// Whether something was changed since.
    outdated: AtomicBool,
    frame: Frame,
    /// What awareness showed then.
    view: Arc<View>,
    /// As events of a stream.
    texts: Mutex<HashMap<Look, Bytes>>,
}

/// What stands around the JSON of an event (HTML Living Standard, section 9.2.5).
const EVENT: (&[u8], &[u8]) = (b"data: ", b"\n\n");

impl Live {
    /// Shows this state.
    pub fn new(state: Arc<State>) -> Self {
        Self {
            state,
            newest: Mutex::default(),
        }
    }

    /// What there is to see now.
    pub fn moment(&self) -> Arc<Moment> {
        let now = self.state.look();
        // Whoever else asks meanwhile waits for the same frame.
        let mut newest = lock(&self.newest);
        let age = |moment: &Moment| now.checked_sub(moment.made);
        let before = newest.as_ref();
        let fresh = before.filter(|moment| !moment.outdated.load(Ordering::Relaxed));
        if let Some(fresh) = fresh.filter(|moment| age(moment).is_some_and(|age| age < FRESH)) {
            return Arc::clone(fresh);
        }
        let before = before.filter(|moment| age(moment).is_some_and(|age| age < STALE));
        let before = before.map(|moment| (&moment.frame, now - moment.made));
        let view = self.state.awareness();
        let moment = Arc::new(Moment {
            made: now,
            outdated: AtomicBool::new(false),
            frame: build::frame(&self.state, &view, before),
            view,
            texts: Mutex::default(),
        });
        *newest = Some(Arc::clone(&moment));
        moment
    }

    /// Waits until everything is there that is made only while somebody looks, where somebody makes it.
    pub async fn settle(&self) {
        self.state.look();
        for _ in 0..SETTLES.0 {
            if !self.state.is_waited_for() {
                return;
            }
            tokio::time::sleep(SETTLES.1).await;
        }
    }

    /// Somebody changed something: what was made before that is not to be shown again.
    pub fn forget(&self) {
        if let Some(newest) = lock(&self.newest).as_ref() {
            newest.outdated.store(true, Ordering::Relaxed);
        }
    }

    /// A look at what there is now, as JSON.
    ///
    /// # Errors
    /// When it cannot be written as JSON, which no number or text of ours is a reason for.
    pub fn look(&self, look: &Look) -> Result<Bytes, serde_json::Error> {
        let event = self.event(look)?;
        Ok(event.slice(EVENT.0.len()..event.len() - EVENT.1.len()))
    }

    /// The same as an event of a stream.
    ///
    /// # Errors
    /// As [`Self::look`].
    pub fn event(&self, look: &Look) -> Result<Bytes, serde_json::Error> {
        self.moment().event(look)
    }
}

impl Moment {
    fn event(&self, look: &Look) -> Result<Bytes, serde_json::Error> {
        if let Some(event) = lock(&self.texts).get(look) {
            return Ok(event.clone());
        }
        let mut event = EVENT.0.to_vec();
        serde_json::to_writer(&mut event, &self.seen(look))?;
        event.extend_from_slice(EVENT.1);
        let event = Bytes::from(event);
        let mut texts = lock(&self.texts);
        if texts.len() < TEXTS {
            texts.insert(look.clone(), event.clone());
        }
        Ok(event)
    }

    /// What a kind of look sees of it.
    fn seen(&self, look: &Look) -> Frame {
        let all = &self.frame;
        let mut frame = all.head();
        match look {
            Look::Overview => {
                frame.consumers = first(&all.consumers, BUSIEST);
                frame.routes = first(&all.routes, BUSIEST);
                frame.incidents = first(&all.incidents, NEWEST);
            }
            Look::Consumers => frame.consumers = first(&all.consumers, ROWS),
            Look::Routes => frame.routes = first(&all.routes, ROWS),
            Look::Consumer { consumer } => {
                frame.consumers = only(&all.consumers, |row| *row.consumer == **consumer);
                let of = self
                    .view
                    .keys
                    .iter()
                    .filter(|key| *key.consumer == **consumer);
                frame.keys = Some(of.take(ROWS).cloned().collect());
                frame.incidents = only(&all.incidents, |incident| {
                    incident["consumer"] == **consumer
                        || names(&incident["evidence"]["consumers"], consumer)
                });
                frame.actions = only(&all.actions, |action| {
                    action.consumer.as_deref() == Some(consumer)
                });
            }
            Look::Route { api, route } => {
                frame.routes = only(&all.routes, |row| {
                    *row.api == **api && *row.route == **route
                });
                let subject = crate::awareness::Subject::route(api, route).id;
                frame.incidents = only(&all.incidents, |incident| {
                    incident["subject"] == *subject
                        || names(&incident["evidence"]["routes"], &subject)
                });
            }
            Look::Incidents => {
                frame.incidents = first(&all.incidents, ROWS);
                frame.actions = first(&all.actions, ROWS);
            }
            Look::Quality => frame.quality = all.quality.clone(),
            Look::All => {
                frame.consumers = first(&all.consumers, ROWS);
                frame.routes = first(&all.routes, ROWS);
                frame.incidents = first(&all.incidents, ROWS);
                frame.actions = first(&all.actions, ROWS);
                frame.quality = all.quality.clone();
            }
        }
        frame
    }
}

fn first<T: Clone>(rows: &Option<Vec<T>>, most: usize) -> Option<Vec<T>> {
    let rows = rows.iter().flatten();
    Some(rows.take(most).cloned().collect())
}

fn only<T: Clone>(rows: &Option<Vec<T>>, wanted: impl Fn(&T) -> bool) -> Option<Vec<T>> {
    let rows = rows.iter().flatten();
    Some(rows.filter(|row| wanted(row)).take(ROWS).cloned().collect())
}

/// Whether a list of texts has this one.
fn names(list: &serde_json::Value, name: &str) -> bool {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().any(|one| *one == *name)
}
