//! Where somebody is: a tab, and what they opened from there, one below the other.

use super::seen::{Need, Of, Over, Seen};
use super::table::{Cursor, Name};
use crate::export::live::Look;

/// The tabs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tab {
    /// All consumers.
    #[default]
    Consumers,
    /// All routes.
    Routes,
    /// What is open.
    Incidents,
    /// What is done about somebody.
    Responses,
}

impl Tab {
    /// Every one, as they stand beside each other.
    pub const ALL: [Self; 4] = [
        Self::Consumers,
        Self::Routes,
        Self::Incidents,
        Self::Responses,
    ];

    /// Its title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Consumers => "Consumers",
            Self::Routes => "Routes",
            Self::Incidents => "Incidents",
            Self::Responses => "Responses",
        }
    }

    /// Where it stands.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A consumer: its keys, beside its routes.
    Consumer(String),
    /// A key: its routes.
    Key {
        /// Whose it is.
        consumer: String,
        /// Its id or its fingerprint.
        key: String,
    },
    /// A route: its consumers.
    Route {
        /// Its API.
        api: String,
        /// Its template.
        route: String,
    },
    /// The last exchanges.
    Exchanges(Of),
}

/// Something that is opened, and what is known of it.
#[derive(Clone, Debug)]
pub struct Drill {
    /// What it is.
    pub what: What,
    /// Where one is in each of its tables.
    pub cursors: [Cursor; 2],
    /// The table that hears the keys.
    pub focus: usize,
    /// What the daemon said of it last.
    pub seen: Option<Seen>,
}

impl Drill {
    /// Opens something.
    pub fn new(what: What) -> Self {
        let cursors = match what {
            // The daemon has them as they came.
            What::Exchanges(_) => [Cursor::default(), Cursor::default()],
            _ => [Cursor::by(1), Cursor::by(1)],
        };
        Self {
            what,
            cursors,
            focus: 0,
            seen: None,
        }
    }

    /// Its tables.
    pub const fn tables(&self) -> usize {
        match self.what {
            What::Consumer(_) => 2,
            _ => 1,
        }
    }

    /// What a newer answer says; what it did not ask for stays.
    pub fn take(&mut self, mut seen: Seen) {
        if let Some(before) = self.seen.take() {
            seen.history = seen.history.or(before.history);
            seen.exchanges = seen.exchanges.or(before.exchanges);
            seen.keys = seen.keys.or(before.keys);
        }
        self.seen = Some(seen);
    }

    /// What opens from one of its rows.
    pub fn below(&self, name: &Name) -> Option<What> {
        let exchanges = |consumer: &str, key: Option<&String>, api: &str, route: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            What::Exchanges(Of {
                consumer: some(consumer),
                key: key.cloned(),
                api: some(api),
                route: some(route),
            })
        };
        match (&self.what, name) {
            (What::Consumer(consumer), Name::Key(key)) => Some(What::Key {
                consumer: consumer.clone(),
                key: key.clone(),
            }),
            (What::Consumer(consumer), Name::Route { api, route }) => {
                Some(exchanges(consumer, None, api, route))
            }
            (What::Key { consumer, key }, Name::Route { api, route }) => {
                Some(exchanges(consumer, Some(key), api, route))
            }
            (What::Route { api, route }, Name::Consumer(consumer)) => {
                Some(exchanges(consumer, None, api, route))
            }
            _ => None,
        }
    }

    /// What it needs; `history`: the last hour too.
    pub fn need(&self, view: u64, history: bool) -> Need {
        let over = |consumer: &str, key: Option<&String>| Over {
            window: "1h",
            consumer: Some(consumer.to_owned()),
            key: key.cloned(),
            ..Over::default()
        };
        let (keys_of, over, exchanges) = match &self.what {
            What::Consumer(consumer) => (Some(consumer.clone()), Some(over(consumer, None)), None),
            What::Key { consumer, key } => (None, Some(over(consumer, Some(key))), None),
            What::Route { api, route } => {
                let over = Over {
                    window: "1h",
                    api: Some(api.clone()),
                    route: Some(route.clone()),
                    ..Over::default()
                };
                (None, Some(over), None)
            }
            What::Exchanges(of) => (None, None, Some(of.clone())),
        };
        Need {
            view,
            // What the head of the screen shows, and no rows but those that it counts.
            look: Look::Incidents,
            keys_of,
            history: over.filter(|_| history),
            exchanges,
        }
    }

    /// What it is called among those above it; `above`: what it was opened from.
    pub fn title(&self, above: Option<&What>) -> String {
        match &self.what {
            What::Consumer(consumer) => consumer.clone(),
            What::Key { key, .. } => format!("key {key}"),
            What::Route { api, route } => format!("{api} {route}"),
            What::Exchanges(of) => match above {
                Some(What::Route { .. }) => of.consumer.clone().unwrap_or_default(),
                _ => {
                    let text = |text: &Option<String>| text.clone().unwrap_or_default();
                    format!("{} {}", text(&of.api), text(&of.route))
                }
            },
        }
    }
}
