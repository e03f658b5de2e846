//! What is kept over a restart: baselines in rows of their own, so that only those that changed are written again.
//!
//! A row that another version wrote, and that cannot be read, is left out: its baseline is learned anew. What a later version
//! added stands behind what was there before, so that each reads what it knows of the other's rows.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

use super::cause::Who;
use super::incident::Incident;
use super::key::Key;
use super::listeners::Listener;
use super::place::Place;
use super::verdicts::Verdicts;
use super::volume::Volume;
use super::{Awareness, Class, Names, NamesRef, Tails};
use crate::usage::batch::BaselineRow;

/// The form of the rows.
const VERSION: u8 = 1;

/// What is kept of everything together.
#[derive(Serialize, Deserialize)]
struct Whole<C, V, T> {
    classes: C,
    volume: V,
    tails: T,
    exchanges: u64,
    born: u64,
    since: u64,
}

impl Awareness {
    /// Begins to save: every baseline that changed is to be handed out once.
    pub fn begin_saving(&mut self) {
        self.saving = self.saving.wrapping_add(1);
    }

    /// Baselines that changed and were not handed out since [`Awareness::begin_saving`], so many at most: they are written in
    /// turns, so that no batch of the ledger is large. None are left when fewer come.
    pub fn save(&mut self, most: usize) -> Vec<BaselineRow> {
        let turn = self.saving;
        let mut rows = Vec::new();
        let keys = self.keys.iter_mut().map(|(_, key)| key);
        for key in keys
            .filter(|key| key.changed && key.saved != turn)
            .take(most)
        {
            (key.changed, key.saved) = (false, turn);
            keep(
                &mut rows,
                format!("key\0{}\0{}", key.consumer, key.id),
                both(&*key, &key.habits),
            );
        }
        let left = most.saturating_sub(rows.len());
        let places = self.places.iter_mut().map(|(_, place)| place);
        for place in places
            .filter(|place| place.changed && place.saved != turn)
            .take(left)
        {
            (place.changed, place.saved) = (false, turn);
            keep(
                &mut rows,
                format!("route\0{}\0{}", place.api, place.route),
                both(&*place, &place.unexpected),
            );
        }
        if rows.len() >= most {
            return rows;
        }
        let listeners = self.listeners.iter_mut().map(|(_, listener)| listener);
        for listener in listeners.filter(|listener| listener.changed) {
            listener.changed = false;
            keep(
                &mut rows,
                format!("listener\0{}", listener.name),
                postcard::to_allocvec(&*listener),
            );
        }
        let whole = Whole {
            classes: &self.host.verdicts,
            volume: &self.host.volume,
            tails: &self.tails,
            exchanges: self.host.exchanges,
            born: self.host.born,
            since: self.born,
        };
        let state = both(&whole, &self.tails.service);
        keep(&mut rows, "host".to_owned(), state);
        rows
    }

    /// Goes on from what was kept at `now`, seconds since 1970.
    pub fn restore(
        &mut self,
        rows: impl IntoIterator<Item = BaselineRow>,
        open: impl IntoIterator<Item = Incident>,
        now: u64,
    ) {
        for BaselineRow { name, state } in rows {
            let Some((&VERSION, state)) = state.split_first() else {
                continue;
            };
            let kind = name.split('\0').next();
            match kind {
                Some("key") => self.restore_key(state),
                Some("route") => self.restore_place(state),
                Some("listener") => self.restore_listener(state),
                _ => self.restore_whole(state),
            }
        }
        self.book.restore(open);
        self.restore_alarms();
        self.minute = now / 60;
        let minute = self.minute;
        for (_, key) in self.keys.iter_mut() {
            key.settle(&self.priors.keys, self.priors.objects, minute);
        }
        for (_, place) in self.places.iter_mut() {
            place.settle(&self.priors.places, minute);
        }
    }

    fn restore_alarms(&mut self) {
        let keys = self.keys.iter_mut();
        let keys = keys.map(|(number, key)| (Who::Key(number), &mut key.verdicts));
        let places = self.places.iter_mut();
        let places = places.map(|(number, place)| (Who::Place(number), &mut place.verdicts));
        let host = std::iter::once((Who::Host, &mut self.host.verdicts));
        for (who, verdicts) in keys.chain(places).chain(host) {
            verdicts.restored();
            let classes = Class::of_bits(verdicts.alarmed());
            self.alarmed.extend(classes.map(|class| (who, class)));
        }
    }

    fn restore_key(&mut self, state: &[u8]) {
        if let Ok((mut key, later)) = postcard::take_from_bytes::<Key>(state) {
            key.habits = postcard::from_bytes(later).unwrap_or_default();
            let names = Names(Arc::clone(&key.consumer), Arc::clone(&key.id));
            if self.keys.find(&NamesRef(&key.consumer, &key.id)).is_none() {
                self.keys.enter(names, key);
            }
        }
    }

    fn restore_place(&mut self, state: &[u8]) {
        if let Ok((mut place, later)) = postcard::take_from_bytes::<Place>(state) {
            place.unexpected = postcard::from_bytes(later).unwrap_or_default();
            let names = Names(Arc::clone(&place.api), Arc::clone(&place.route));
            if self
                .places
                .find(&NamesRef(&place.api, &place.route))
                .is_none()
            {
                self.places.enter(names, place, |place| place.last);
            }
        }
    }

    fn restore_listener(&mut self, state: &[u8]) {
        if let Ok(listener) = postcard::from_bytes::<Listener>(state)
            && self.listeners.find(&listener.name).is_none()
        {
            let name = Arc::clone(&listener.name);
            self.listeners
                .enter(name, listener, |listener| listener.last);
        }
    }

    fn restore_whole(&mut self, state: &[u8]) {
        if let Ok((whole, later)) =
            postcard::take_from_bytes::<Whole<Verdicts, Volume, Tails>>(state)
        {
            self.host.verdicts = whole.classes;
            self.host.volume = whole.volume;
            self.host.exchanges = whole.exchanges;
            self.host.born = whole.born;
            self.tails = whole.tails;
            self.tails.service = postcard::from_bytes(later).unwrap_or_default();
            self.born = whole.since;
        }
    }
}

/// What was there before, and behind it what a later version added.
fn both(before: &impl Serialize, later: &impl Serialize) -> Result<Vec<u8>, postcard::Error> {
    let mut state = postcard::to_allocvec(before)?;
    state.extend(postcard::to_allocvec(later)?);
    Ok(state)
}

fn keep(rows: &mut Vec<BaselineRow>, name: String, state: Result<Vec<u8>, postcard::Error>) {
    if let Ok(mut state) = state {
        state.insert(0, VERSION);
        rows.push(BaselineRow { name, state });
    }
}
