//! A table as the eye works with it: rows that are filtered and sorted, and one of them selected.
//!
//! Invariant: the selection is a name, not a place: it stays with its row wherever that moves.

use std::cmp::Ordering;

use super::figures;

/// What a row is about, and what its name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// A consumer.
    Consumer(String),
    /// A key of a consumer: its id or its fingerprint.
    Key(String),
    /// A route.
    Route {
        /// Its API.
        api: String,
        /// Its template.
        route: String,
    },
    /// An incident, by its id.
    Incident {
        /// Its id.
        id: String,
        /// Whose it is.
        consumer: Option<String>,
    },
    /// An action, by its id.
    Action {
        /// Its id.
        id: String,
        /// What it does to whom.
        what: String,
        /// Whose it is.
        consumer: Option<String>,
    },
    /// An exchange, by all that tells it from others.
    Exchange(String),
}

/// What a cell is sorted by. Nothing comes last, whichever way.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// Nothing.
    Nothing,
}

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// What is shown.
    pub text: String,
    /// What it is sorted by.
    pub value: Value,
    /// Whether it is what somebody looks for.
    pub bad: bool,
}

impl Cell {
    /// A text of others.
    pub fn text(text: &str) -> Self {
        let text = figures::plain(text);
        Self {
            value: Value::Text(text.clone()),
            text,
            bad: false,
        }
    }

    /// Nothing.
    pub fn nothing() -> Self {
        Self::number(figures::NOTHING.to_owned(), None)
    }

    /// A number as it is written.
    pub fn number(text: String, number: Option<f64>) -> Self {
        Self {
            text,
            value: number.map_or(Value::Nothing, Value::Number),
            bad: false,
        }
    }

    /// A count.
    pub fn count(count: u64) -> Self {
        Self::number(figures::count(count), Some(count as f64))
    }

    /// Requests a second, or milliseconds.
    pub fn measure(number: Option<f64>) -> Self {
        Self::number(figures::measure(number), number)
    }

    /// The same, and whether it is what somebody looks for.
    #[must_use]
    pub fn bad(self, bad: bool) -> Self {
        Self { bad, ..self }
    }
}

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its title.
    pub title: &'static str,
    /// Whether it holds numbers: to the right, the largest first.
    pub number: bool,
    /// Which columns go first where there is no room: those of the highest rank.
    pub rank: u8,
}

impl Column {
    /// A column of texts.
    pub const fn text(title: &'static str, rank: u8) -> Self {
        Self {
            title,
            number: false,
            rank,
        }
    }

    /// A column of numbers.
    pub const fn number(title: &'static str, rank: u8) -> Self {
        Self {
            title,
            number: true,
            rank,
        }
    }
}

/// One row, with as many cells as there are columns.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name.
    pub name: Name,
    /// Its cells.
    pub cells: Vec<Cell>,
}

/// Rows of one kind.
#[derive(Clone, Debug)]
pub struct Table {
    /// What they are.
    pub title: String,
    /// Columns.
    pub columns: &'static [Column],
    /// The column that takes the room that is left.
    pub wide: usize,
    /// Rows.
    pub rows: Vec<Row>,
    /// Rows that there are, before a filter.
    pub all: usize,
    /// What is said where there is no row.
    pub nothing: String,
}

/// Where somebody is in a table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cursor {
    /// The row that is selected.
    pub name: Option<Name>,
    /// Where it stands.
    pub index: usize,
    /// The first row that is shown.
    pub offset: usize,
    /// The column that is sorted by; nothing: as the daemon has them, the busiest or newest first.
    pub sort: Option<usize>,
    /// The other way round.
    pub reversed: bool,
    /// Part of a text that rows must have.
    pub filter: String,
}

impl Cursor {
    /// Sorts by a column at first.
    pub const fn by(column: usize) -> Self {
        Self {
            name: None,
            index: 0,
            offset: 0,
            sort: Some(column),
            reversed: false,
            filter: String::new(),
        }
    }

    /// The next column; after the last one the order of the daemon.
    pub fn next_sort(&mut self, columns: usize) {
        let next = self.sort.map_or(0, |at| at + 1);
        self.sort = (next < columns).then_some(next);
        self.reversed = false;
    }

    /// Leaves out and puts in order what the table has.
    pub fn arrange(&self, table: &mut Table) {
        table.all = table.rows.len();
        if !self.filter.is_empty() {
            let wanted = self.filter.to_lowercase();
            table.rows.retain(|row| {
                let cells = table.columns.iter().zip(&row.cells);
                let mut texts = cells.filter(|(column, _)| !column.number);
                texts.any(|(_, cell)| cell.text.to_lowercase().contains(&wanted))
            });
        }
        if let Some(at) = self.sort {
            let largest = table.columns.get(at).is_some_and(|column| column.number);
            let value = |row: &Row| row.cells.get(at).map(|cell| cell.value.clone());
            // A stable order: what is equal stays as the daemon has it.
            table
                .rows
                .sort_by(|one, two| order(value(one), value(two), largest != self.reversed));
        } else if self.reversed {
            table.rows.reverse();
        }
    }

    /// Follows the selected row; where it is gone, what stands in its place is selected. `height`: rows that are shown at once.
    pub fn follow(&mut self, table: &Table, height: usize) {
        let last = table.rows.len().saturating_sub(1);
        let at = (self.name.as_ref())
            .and_then(|name| table.rows.iter().position(|row| row.name == *name));
        self.select(table, at.unwrap_or(self.index.min(last)), height);
    }

    /// Selects a row by its place.
    pub fn select(&mut self, table: &Table, index: usize, height: usize) {
        let last = table.rows.len().saturating_sub(1);
        self.index = index.min(last);
        if let Some(row) = table.rows.get(self.index) {
            self.name = Some(row.name.clone());
        }
        let height = height.max(1);
        let lowest = (self.index + 1).saturating_sub(height);
        self.offset = self.offset.clamp(lowest, self.index.max(lowest));
        self.offset = self.offset.min((last + 1).saturating_sub(height));
    }
}

fn order(one: Option<Value>, two: Option<Value>, descending: bool) -> Ordering {
    let way = |order: Ordering| if descending { order.reverse() } else { order };
    match (one, two) {
        (Some(Value::Number(one)), Some(Value::Number(two))) => way(one.total_cmp(&two)),
        (Some(Value::Text(one)), Some(Value::Text(two))) => way(one.cmp(&two)),
        (Some(Value::Nothing) | None, Some(Value::Nothing) | None) => Ordering::Equal,
        (Some(Value::Nothing) | None, _) => Ordering::Greater,
        (_, Some(Value::Nothing) | None) => Ordering::Less,
        (Some(Value::Number(_)), _) => Ordering::Less,
        (Some(Value::Text(_)), _) => Ordering::Greater,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 2] = [Column::text("name", 0), Column::number("requests", 1)];

    fn table(rows: &[(&str, Option<f64>)]) -> Table {
        let row = |(name, number): &(&str, Option<f64>)| Row {
            name: Name::Consumer((*name).to_owned()),
            cells: vec![Cell::text(name), Cell::measure(*number)],
        };
        Table {
            title: String::new(),
            columns: &COLUMNS,
            wide: 0,
            rows: rows.iter().map(row).collect(),
            all: 0,
            nothing: String::new(),
        }
    }

    fn names(table: &Table) -> Vec<&str> {
        let names = table.rows.iter().flat_map(|row| row.cells.first());
        names.map(|cell| cell.text.as_str()).collect()
    }

    #[test]
    fn nothing_comes_last_whichever_way() {
        let rows = [("a", Some(1.0)), ("b", None), ("c", Some(3.0))];
        let mut cursor = Cursor::by(1);
        let mut one = table(&rows);
        cursor.arrange(&mut one);
        assert_eq!(names(&one), ["c", "a", "b"]);
        cursor.reversed = true;
        let mut two = table(&rows);
        cursor.arrange(&mut two);
        assert_eq!(names(&two), ["a", "c", "b"]);
        let mut cursor = Cursor::default();
        let sorts = [0; 4].map(|_| {
            cursor.next_sort(2);
            cursor.sort
        });
        assert_eq!(sorts, [Some(0), Some(1), None, Some(0)]);
    }

    #[test]
    fn a_filter_looks_at_texts_whatever_their_case() {
        let cursor = Cursor {
            filter: "AC".to_owned(),
            ..Cursor::default()
        };
        let mut table = table(&[("acme", Some(1.0)), ("other", Some(2.0)), ("place", None)]);
        cursor.arrange(&mut table);
        assert_eq!((names(&table), table.all), (vec!["acme", "place"], 3));
    }

    #[test]
    fn the_selection_stays_with_its_row() {
        let mut cursor = Cursor::default();
        let before = table(&[("a", None), ("b", None), ("c", None), ("d", None)]);
        cursor.select(&before, 1, 2);
        assert_eq!((cursor.index, cursor.offset), (1, 0));
        let moved = table(&[("c", None), ("a", None), ("d", None), ("b", None)]);
        cursor.follow(&moved, 2);
        assert_eq!((cursor.index, cursor.offset), (3, 2));
        assert_eq!(cursor.name, Some(Name::Consumer("b".to_owned())));
        // What is gone is replaced by what stands there.
        cursor.follow(&table(&[("c", None), ("a", None)]), 2);
        assert_eq!((cursor.index, cursor.offset), (1, 0));
        assert_eq!(cursor.name, Some(Name::Consumer("a".to_owned())));
        // Nothing for a while: the name waits for its row.
        cursor.follow(&table(&[]), 2);
        cursor.follow(&before, 2);
        assert_eq!((cursor.index, cursor.offset), (0, 0));
    }
}
