//! Changes of registry documents that leave everything else in them as it stands: comments, order, spelling.
//!
//! Invariant: what comes out loads. A change that would contradict what is registered is refused with both places.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;
use jiff::Timestamp;
use toml_edit::{
    Array, ArrayOfTables, Datetime, DocumentMut, InlineTable, Item, Table, TableLike, Value,
};

use super::super::document::{Fault, suggestion};
use super::draft::{AccountDraft, AppDraft, Handle, KeyDraft};
use super::places::{Place, Places};
use super::{KeyState, Registry, RegistryError};

/// Why documents cannot be changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// They are no registry, or would be none after the change.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Something of this id belongs to somebody else.
    #[error("{place}: {what}")]
    Taken {
        /// Where it stands.
        place: Place,
        /// What it is, and whose.
        what: String,
    },
    /// There is no such thing.
    #[error("there is no {what}")]
    Missing {
        /// What, with the nearest that there is.
        what: String,
    },
    /// A table is written in a form that nothing can be added to.
    #[error("{name}: `{what}` is no table that can be changed here (edit it by hand)")]
    Form {
        /// The document.
        name: String,
        /// Name of the table.
        what: &'static str,
    },
}

/// What a change came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Accounts that were not there.
    pub accounts: usize,
    /// Apps that were not there.
    pub apps: usize,
    /// Keys that were not there.
    pub keys: usize,
    /// Keys that were registered already, to the same account.
    pub known: usize,
}

impl Added {
    /// Whether anything is new.
    pub fn is_empty(&self) -> bool {
        self.accounts + self.apps + self.keys == 0
    }
}

/// Where an account or an app is in the documents as they are edited: document, index of the account, index of the app.
#[derive(Clone, Copy)]
struct Spot(usize, usize, usize);

/// Documents under change.
pub struct Editor {
    documents: Vec<(String, String)>,
    registry: Registry,
    places: Places,
    open: BTreeMap<usize, DocumentMut>,
    accounts: HashMap<Box<str>, Spot>,
    apps: HashMap<Box<str>, Spot>,
    plans: Vec<Box<str>>,
    /// Ids of keys, and what they stand for, that were added.
    keys: HashMap<Box<str>, Handle>,
}

impl Editor {
    /// Takes documents (name for messages, text).
    ///
    /// # Errors
    /// When they are no registry.
    pub fn new(documents: Vec<(String, String)>) -> Result<Self, RegistryError> {
        let (registry, places) = Registry::parse_with_places(&documents)?;
        Ok(Self {
            documents,
            registry,
            places,
            open: BTreeMap::new(),
            accounts: HashMap::new(),
            apps: HashMap::new(),
            plans: Vec::new(),
            keys: HashMap::new(),
        })
    }

    /// The registry as it was before any change.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where an account stood before any change.
    pub fn place_of_account(&self, id: &str) -> Option<Place> {
        self.places
            .account(id)
            .map(|mark| self.places.place(&self.documents, mark))
    }

    /// The number of the document of this name, which is made where there is none.
    pub fn document(&mut self, name: &str) -> usize {
        let known = self.documents.iter().position(|(known, _)| known == name);
        known.unwrap_or_else(|| {
            self.documents.push((name.to_owned(), String::new()));
            self.documents.len() - 1
        })
    }

    /// Adds what of an account is not there: in its document where it has one, else in document `into`. What is said of an
    /// account or an app that is there already changes nothing.
    ///
    /// # Errors
    /// When an id or a key is somebody else's.
    pub fn register(&mut self, draft: &AccountDraft, into: usize) -> Result<Added, EditError> {
        let mut added = Added::default();
        if let Some(plan) = &draft.plan {
            self.plan(plan, into)?;
        }
        let account = match self.account(&draft.id)? {
            Some(spot) => spot,
            None => {
                added.accounts = 1;
                let table = account_table(draft);
                let index = push(self.root(into)?, "account", table)
                    .ok_or_else(|| self.form(into, "account"))?;
                let spot = Spot(into, index, 0);
                self.accounts.insert(draft.id.clone(), spot);
                spot
            }
        };
        for app in &draft.apps {
            self.register_app(draft, account, app, &mut added)?;
        }
        Ok(added)
    }

    fn register_app(
        &mut self,
        account: &AccountDraft,
        at: Spot,
        draft: &AppDraft,
        added: &mut Added,
    ) -> Result<(), EditError> {
        if let Some(app) = self.registry.apps().iter().find(|app| *app.id == *draft.id)
            && *app.consumer != *account.id
        {
            let what = format!("app id `{}` is one of account `{}`", app.id, app.consumer);
            return Err(self.taken(self.places.app(&draft.id), what));
        }
        let spot = match self.app(&draft.id, at)? {
            Some(spot) if spot.1 == at.1 && spot.0 == at.0 => spot,
            Some(_) => {
                let what = format!("app id `{}` is one of another account", draft.id);
                return Err(self.taken(None, what));
            }
            None => {
                added.apps += 1;
                let Spot(number, index, _) = at;
                let table = app_table(draft);
                let form = self.form(number, "app");
                let account = nth(self.root(number)?, "account", index);
                let app = account.and_then(|account| push(account, "app", table));
                let spot = Spot(number, index, app.ok_or(form)?);
                self.apps.insert(draft.id.clone(), spot);
                spot
            }
        };
        for key in &draft.keys {
            if self.is_known(account, key)? {
                added.known += 1;
                continue;
            }
            added.keys += 1;
            let Spot(number, account, app) = spot;
            let form = self.form(number, "key");
            let app = nth(self.root(number)?, "account", account)
                .and_then(|account| nth(account, "app", app));
            app.and_then(|app| push(app, "key", key_table(key)))
                .ok_or(form)?;
            self.keys.insert(key.id.clone(), key.handle.clone());
        }
        Ok(())
    }

    /// Whether a key is registered to the account already.
    fn is_known(&self, account: &AccountDraft, key: &KeyDraft) -> Result<bool, EditError> {
        if let Some(entry) = self.registry.by_handle(&key.handle) {
            if *entry.consumer == *account.id {
                return Ok(true);
            }
            let what = format!(
                "{} is key `{}` of account `{}` already",
                key.handle.words(),
                entry.key,
                entry.consumer
            );
            return Err(self.taken(self.places.key(&entry.key), what));
        }
        if let Some(mark) = self.places.key(&key.id) {
            let what = format!("key id `{}` is already there, for another key", key.id);
            return Err(self.taken(Some(mark), what));
        }
        // Twice in what is added: the same is known by now, another one is told when all is loaded.
        Ok(self
            .keys
            .get(&key.id)
            .is_some_and(|handle| *handle == key.handle))
    }

    /// Sets the state of a key. False: it had it already.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn set_state(&mut self, key: &str, state: KeyState) -> Result<bool, EditError> {
        let number = self.places.number(key);
        let entry = number.and_then(|number| self.registry.keys().get(number));
        let (Some(entry), Some((document, _))) = (entry, self.places.key(key)) else {
            let near = suggestion(key, self.registry.keys().iter().map(|key| &*key.key));
            return Err(EditError::Missing {
                what: format!("key `{}`{near}", super::super::shown::Shown(key)),
            });
        };
        if entry.state == state {
            return Ok(false);
        }
        let (consumer, app) = (Arc::clone(&entry.consumer), Arc::clone(&entry.app));
        let form = self.form(document, "key");
        let root = self.root(document)?;
        let table = with_id(root, "account", &consumer)
            .and_then(|account| with_id(account, "app", &app))
            .and_then(|app| with_id(app, "key", key))
            .ok_or(form)?;
        let mut value = Value::from(state.name());
        if let Some(before) = table.get("state").and_then(Item::as_value) {
            *value.decor_mut() = before.decor().clone();
        }
        match table.get_mut("state") {
            Some(item) => *item = Item::Value(value),
            None => {
                table.insert("state", Item::Value(value));
            }
        }
        Ok(true)
    }

    /// The documents that changed, by number, as they are to be written.
    ///
    /// # Errors
    /// When they would be no registry.
    pub fn finish(self) -> Result<Vec<(String, String)>, RegistryError> {
        let mut documents = self.documents;
        let mut changed = Vec::with_capacity(self.open.len());
        for (number, edited) in self.open {
            let Some((name, text)) = documents.get_mut(number) else {
                continue;
            };
            let written = written(text, &edited);
            if written != *text {
                *text = written;
                changed.push((name.clone(), text.clone()));
            }
        }
        Registry::parse(&documents)?;
        Ok(changed)
    }

    /// Sees to it that there is a plan of this id.
    fn plan(&mut self, id: &str, into: usize) -> Result<(), EditError> {
        let there = self.registry.plans().iter().any(|plan| *plan.id == *id);
        if there || self.plans.iter().any(|known| **known == *id) {
            return Ok(());
        }
        let mut table = Table::new();
        table.insert("id", text(id));
        let form = self.form(into, "plan");
        push(self.root(into)?, "plan", table).ok_or(form)?;
        self.plans.push(id.into());
        Ok(())
    }

    fn root(&mut self, number: usize) -> Result<&mut Table, RegistryError> {
        if !self.open.contains_key(&number) {
            let (name, text) = self
                .documents
                .get(number)
                .map_or(("", ""), |(name, text)| (name, text));
            let text = text.strip_prefix('\u{feff}').unwrap_or(text);
            let document = text.parse::<DocumentMut>().map_err(|error| {
                let start = error.span().unwrap_or_default().start;
                let Fault { line, what } = Fault::at(text, start, error.message());
                RegistryError::Invalid {
                    place: Place {
                        file: name.into(),
                        line,
                    },
                    what,
                }
            })?;
            self.open.insert(number, document);
        }
        Ok(self.open.entry(number).or_default().as_table_mut())
    }

    fn account(&mut self, id: &str) -> Result<Option<Spot>, EditError> {
        if let Some(spot) = self.accounts.get(id) {
            return Ok(Some(*spot));
        }
        let Some((number, _)) = self.places.account(id) else {
            return Ok(None);
        };
        // Every account of the document at once: an import asks for many.
        let ids = ids(self.root(number)?, "account");
        for (index, account) in ids.into_iter().enumerate() {
            self.accounts.insert(account, Spot(number, index, 0));
        }
        Ok(self.accounts.get(id).copied())
    }

    fn app(&mut self, id: &str, account: Spot) -> Result<Option<Spot>, EditError> {
        if let Some(spot) = self.apps.get(id) {
            return Ok(Some(*spot));
        }
        if self.places.app(id).is_none() {
            return Ok(None);
        }
        let Spot(number, index, _) = account;
        let apps = nth(self.root(number)?, "account", index).map(|account| ids(account, "app"));
        for (at, app) in apps.into_iter().flatten().enumerate() {
            self.apps.insert(app, Spot(number, index, at));
        }
        Ok(self.apps.get(id).copied())
    }

    fn form(&self, number: usize, what: &'static str) -> EditError {
        let name = self.documents.get(number).map(|(name, _)| name.clone());
        EditError::Form {
            name: name.unwrap_or_default(),
            what,
        }
    }

    fn taken(&self, mark: Option<(usize, usize)>, what: String) -> EditError {
        let place = mark.map(|mark| self.places.place(&self.documents, mark));
        EditError::Taken {
            place: place.unwrap_or_else(|| Place {
                file: "what is added".into(),
                line: 0,
            }),
            what,
        }
    }
}

/// The text of an edited document, in the line ends and with the mark that the one before it had.
fn written(before: &str, edited: &DocumentMut) -> String {
    let mut text = edited.to_string();
    if before.is_empty() {
        text = text.trim_start().to_owned();
    }
    let first = before.find('\n').filter(|at| *at > 0);
    let carriage = first.is_some_and(|at| before.as_bytes().get(at - 1) == Some(&b'\r'));
    if carriage {
        text = text.replace("\r\n", "\n").replace('\n', "\r\n");
    }
    if before.starts_with('\u{feff}') {
        text.insert(0, '\u{feff}');
    }
    text
}

/// The tables of an array, however it is written.
fn tables<'a>(
    parent: &'a mut dyn TableLike,
    name: &str,
) -> Box<dyn Iterator<Item = &'a mut dyn TableLike> + 'a> {
    match parent.get_mut(name) {
        Some(Item::ArrayOfTables(tables)) => {
            Box::new(tables.iter_mut().map(|table| table as &mut dyn TableLike))
        }
        Some(Item::Value(Value::Array(values))) => Box::new(
            values
                .iter_mut()
                .filter_map(Value::as_inline_table_mut)
                .map(|table| table as &mut dyn TableLike),
        ),
        _ => Box::new(std::iter::empty()),
    }
}

fn nth<'a>(
    parent: &'a mut dyn TableLike,
    name: &str,
    index: usize,
) -> Option<&'a mut dyn TableLike> {
    match parent.get_mut(name)? {
        Item::ArrayOfTables(tables) => tables
            .get_mut(index)
            .map(|table| table as &mut dyn TableLike),
        Item::Value(Value::Array(values)) => values
            .get_mut(index)
            .and_then(Value::as_inline_table_mut)
            .map(|table| table as &mut dyn TableLike),
        _ => None,
    }
}

fn with_id<'a>(
    parent: &'a mut dyn TableLike,
    name: &str,
    id: &str,
) -> Option<&'a mut dyn TableLike> {
    tables(parent, name).find(|table| table.get("id").and_then(Item::as_str) == Some(id))
}

fn ids(parent: &mut dyn TableLike, name: &str) -> Vec<Box<str>> {
    tables(parent, name)
        .map(|table| {
            let id = table.get("id").and_then(Item::as_str);
            id.unwrap_or_default().into()
        })
        .collect()
}

/// Adds a table to an array in the form that the array has, and returns its index.
fn push(parent: &mut dyn TableLike, name: &str, mut table: Table) -> Option<usize> {
    if parent.get(name).is_none() {
        parent.insert(name, Item::ArrayOfTables(ArrayOfTables::new()));
    }
    match parent.get_mut(name)? {
        Item::ArrayOfTables(tables) => {
            // Accounts and plans stand apart; what is of one stands together.
            let apart = matches!(name, "account" | "plan");
            let prefix = if apart { "\n" } else { "" };
            table.decor_mut().set_prefix(prefix);
            tables.push(table);
            Some(tables.len() - 1)
        }
        Item::Value(Value::Array(values)) => {
            values.push(table.into_inline_table());
            Some(values.len() - 1)
        }
        _ => None,
    }
}

fn text(text: &str) -> Item {
    Item::Value(Value::from(text))
}

fn account_table(draft: &AccountDraft) -> Table {
    let mut table = Table::new();
    table.insert("id", text(&draft.id));
    for (name, value) in [("name", &draft.name), ("contact", &draft.contact)] {
        if let Some(value) = value {
            table.insert(name, text(value));
        }
    }
    if let Some((version, accepted)) = &draft.terms {
        let mut terms = InlineTable::new();
        terms.insert("version", Value::from(&**version));
        let accepted = accepted.and_then(|day| day.to_string().parse::<Datetime>().ok());
        if let Some(day) = accepted {
            terms.insert("accepted", Value::from(day));
        }
        table.insert("terms", Item::Value(Value::InlineTable(terms)));
    }
    if let Some(plan) = &draft.plan {
        table.insert("plan", text(plan));
    }
    table
}

fn app_table(draft: &AppDraft) -> Table {
    let mut table = Table::new();
    table.insert("id", text(&draft.id));
    if let Some(owner) = draft.owner {
        table.insert("owner", text(owner.name()));
    }
    table
}

fn key_table(draft: &KeyDraft) -> Table {
    let mut table = Table::new();
    table.insert("id", text(&draft.id));
    match &draft.handle {
        Handle::Fingerprint(fingerprint) => {
            table.insert("fp", text(&fingerprint.to_string()));
        }
        Handle::Identity(identity) => {
            table.insert("scheme", text(identity.scheme.name()));
            if !identity.issuer.is_empty() {
                table.insert("issuer", text(&identity.issuer));
            }
            table.insert("subject", text(&identity.subject));
        }
    }
    if let Some(hint) = &draft.hint {
        table.insert("hint", text(hint));
    }
    if draft.state != KeyState::Active {
        table.insert("state", text(draft.state.name()));
    }
    for (name, time) in [("valid_from", draft.valid_from), ("expires", draft.expires)] {
        if let Some(time) = time.and_then(moment) {
            table.insert(name, Item::Value(Value::from(time)));
        }
    }
    if !draft.networks.is_empty() {
        let networks: Array = draft.networks.iter().map(String::as_str).collect();
        table.insert("networks", Item::Value(Value::Array(networks)));
    }
    table
}

fn moment(time: Timestamp) -> Option<Datetime> {
    time.to_string().parse().ok()
}
