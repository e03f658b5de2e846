//! What is on the screen, and how events change it. No clock, no terminal and no daemon in here.
//!
//! Invariant: while somebody has paused it, only their own keys change it.

use ratatui::crossterm::event::KeyEvent;

use super::super::responses::act::{began, ended};
use super::super::responses::order::Answer;
use super::confirm::Confirm;
use super::figures::{count, plain};
use super::layout;
use super::place::{Drill, Tab, What};
use super::seen::{Deed, Gone, Need, Seen, Told};
use super::table::{Cursor, Name, Table};
use super::views;
use crate::export::live::{Frame, Look};

/// Seconds from one question for the last hour to the next: it changes slowly, and costs more than a frame.
const HOUR_EVERY: f64 = 5.0;

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// A key.
    Key(KeyEvent),
    /// The terminal has this size.
    Resize(u16, u16),
    /// The daemon said what a view needs, or does not answer.
    Seen(u64, Result<Box<Seen>, Gone>),
    /// What came of a deed.
    Told(Told),
    /// The daemon has not answered for so many seconds.
    Waiting(u64),
}

/// What is to be done about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Tell the daemon, and say what came of it under this number.
    Tell(u64, Deed),
    /// End.
    Quit,
}

/// Who hears the keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Mode {
    /// The tables.
    #[default]
    Tables,
    /// The filter's line.
    Filter,
    /// The list of keys.
    Help,
    /// A question.
    Confirm(Box<Confirm>),
}

/// What was done, to be able to say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Somebody is shut off or limited.
    Act,
    /// That is ended.
    Undo,
    /// An incident is known.
    Acknowledge(String),
    /// An incident is ended.
    Close(String),
}

/// Everything that is on the screen.
#[derive(Debug)]
pub struct State {
    /// Name of this host.
    pub host: String,
    /// Whether there are colours.
    pub colour: bool,
    /// Columns and lines of the terminal.
    pub size: (u16, u16),
    /// What was seen of everything last.
    pub all: Seen,
    /// Whether that was ever said.
    pub answered: bool,
    /// The tab.
    pub tab: Tab,
    /// Where one is in each of them.
    pub tabs: [Cursor; 4],
    /// What is opened, the last on top.
    pub drills: Vec<Drill>,
    /// Whether it stands still.
    pub paused: bool,
    /// Why the daemon does not answer, and since when.
    pub gone: Option<Gone>,
    /// Seconds for which it has not answered by now.
    pub waiting: u64,
    /// Who hears the keys.
    pub mode: Mode,
    /// What is to be said.
    pub said: Option<String>,
    /// Whether the next question is not to wait for its time.
    pub hurry: bool,
    view: u64,
    asked: u64,
    hour_every: u64,
    numbers: u64,
    doing: Vec<(u64, Doing)>,
}

impl State {
    /// Nothing yet. `interval`: seconds from one look to the next.
    pub fn new(host: String, colour: bool, size: (u16, u16), interval: f64) -> Self {
        Self {
            host: plain(&host),
            colour,
            size,
            all: Seen::default(),
            answered: false,
            tab: Tab::default(),
            tabs: [
                Cursor::by(1),
                Cursor::by(2),
                Cursor::default(),
                Cursor::default(),
            ],
            drills: Vec::new(),
            paused: false,
            gone: None,
            waiting: 0,
            mode: Mode::default(),
            said: None,
            hurry: true,
            view: 0,
            asked: 0,
            hour_every: (HOUR_EVERY / interval).ceil().max(1.0) as u64,
            numbers: 0,
            doing: Vec::new(),
        }
    }

    /// Takes an event. Returns what is to be done about it.
    pub fn apply(&mut self, event: Event) -> Option<Effect> {
        let effect = match event {
            Event::Key(key) => self.key(key),
            Event::Resize(width, height) => {
                self.size = (width, height);
                None
            }
            Event::Seen(view, seen) => {
                self.see(view, seen);
                None
            }
            Event::Told(told) => {
                self.hear(told);
                None
            }
            Event::Waiting(seconds) => {
                if !self.paused {
                    self.waiting = seconds;
                }
                None
            }
        };
        self.settle();
        effect
    }

    /// What the view needs next; nothing while it stands still.
    pub fn need(&mut self) -> Option<Need> {
        if self.paused {
            return None;
        }
        let hour = self.asked.is_multiple_of(self.hour_every);
        self.asked += 1;
        self.hurry = false;
        let view = self.view;
        Some(match self.drills.last() {
            Some(drill) => drill.need(view, hour),
            None => Need {
                view,
                look: Look::All,
                keys_of: None,
                history: None,
                exchanges: None,
            },
        })
    }

    /// The frame that the screen shows.
    pub fn frame(&self) -> &Frame {
        let here = self.drills.last().and_then(|drill| drill.seen.as_ref());
        &here.unwrap_or(&self.all).frame
    }

    fn see(&mut self, view: u64, seen: Result<Box<Seen>, Gone>) {
        if self.paused {
            return;
        }
        self.waiting = 0;
        let seen = match seen {
            Ok(seen) => *seen,
            Err(gone) => {
                // It is gone since it was first missed, and for the reason that it has now.
                let at = self.gone.as_ref().map_or(gone.at, |before| before.at);
                self.gone = Some(Gone { at, ..gone });
                return;
            }
        };
        self.gone = None;
        if view != self.view {
            return;
        }
        match self.drills.last_mut() {
            Some(drill) => drill.take(seen),
            None => {
                self.all = seen;
                self.answered = true;
            }
        }
    }

    fn hear(&mut self, told: Told) {
        if let Mode::Confirm(confirm) = &mut self.mode
            && confirm.number == told.number
        {
            confirm.answer = Some(told.outcome);
            return;
        }
        let Some(at) = (self.doing.iter()).position(|(number, _)| *number == told.number) else {
            return;
        };
        let (_, doing) = self.doing.swap_remove(at);
        self.said = Some(match told.outcome {
            Ok(answer) => sentence(&doing, &answer),
            Err(why) => plain(&format!("not done: {why}")),
        });
        self.hurry = true;
    }

    /// Has something done.
    pub(super) fn tell(&mut self, deed: Deed, doing: Doing) -> Option<Effect> {
        let number = self.number();
        self.doing.push((number, doing));
        self.said = Some("asking the daemon".to_owned());
        Some(Effect::Tell(number, deed))
    }

    /// A number that no question had.
    pub(super) fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Goes somewhere else: what was asked for before is of no use any more.
    pub(super) fn moved(&mut self) {
        self.view += 1;
        self.asked = 0;
        self.waiting = 0;
        self.hurry = true;
    }

    /// The table that hears the keys.
    pub fn focus(&self) -> usize {
        self.drills.last().map_or(0, |drill| drill.focus)
    }

    /// Where one is in a table on the screen.
    pub fn cursor_of(&self, table: usize) -> Option<&Cursor> {
        match self.drills.last() {
            Some(drill) => drill.cursors.get(table),
            None => self.tabs.get(self.tab.index()),
        }
    }

    fn cursor_mut(&mut self, table: usize) -> Option<&mut Cursor> {
        match self.drills.last_mut() {
            Some(drill) => drill.cursors.get_mut(table),
            None => self.tabs.get_mut(self.tab.index()),
        }
    }

    /// Where one is in the table that hears the keys.
    pub(super) fn cursor(&mut self) -> Option<&mut Cursor> {
        self.cursor_mut(self.focus())
    }

    /// The table that hears the keys, and the rows of it that are shown at once.
    pub(super) fn table(&self) -> Option<(Table, usize)> {
        let height = layout::areas(self).and_then(|areas| {
            let pane = areas.panes.get(self.focus())?;
            Some(layout::rows(*pane))
        });
        let table = views::tables(self).into_iter().nth(self.focus())?;
        Some((table, height.unwrap_or(1)))
    }

    /// What is selected in the table that hears the keys.
    pub fn selected(&self) -> Option<Name> {
        let (table, _) = self.table()?;
        let row = table.rows.get(self.cursor_of(self.focus())?.index)?;
        Some(row.name.clone())
    }

    /// Lets every selection follow its row.
    fn settle(&mut self) {
        let Some(areas) = layout::areas(self) else {
            return;
        };
        let tables = views::tables(self);
        for (at, (table, pane)) in tables.iter().zip(&areas.panes).enumerate() {
            if let Some(cursor) = self.cursor_mut(at) {
                cursor.follow(table, layout::rows(*pane));
            }
        }
    }

    /// Where one is, from the tab on.
    pub fn path(&self) -> Vec<String> {
        let mut path = vec![self.tab.title().to_owned()];
        let mut above: Option<&What> = None;
        for drill in &self.drills {
            path.push(plain(&drill.title(above)));
            above = Some(&drill.what);
        }
        path
    }
}

/// What was done, in a sentence.
fn sentence(doing: &Doing, answer: &Answer) -> String {
    let of = |sentence: fn(&crate::response::Action) -> String| {
        if answer.actions.is_empty() {
            return "nothing was in force or proposed".to_owned();
        }
        let sentences = answer
            .actions
            .iter()
            .take(3)
            .map(|action| sentence(action).trim_end().to_owned());
        let mut sentences: Vec<String> = sentences.collect();
        if let Some(more) = answer.actions.len().checked_sub(4) {
            sentences.push(format!("and {} more", count(more as u64 + 1)));
        }
        sentences.join("; ")
    };
    let mut said = match doing {
        Doing::Act => of(began),
        Doing::Undo => of(ended),
        Doing::Acknowledge(id) => format!("acknowledged incident {}", plain(id)),
        Doing::Close(id) => format!("closed incident {}", plain(id)),
    };
    for note in &answer.notes {
        said.push_str("; ");
        said.push_str(&plain(note));
    }
    said
}
