//! How things are drawn. Colours repeat what words and numbers say.

use ratatui::style::{Color, Modifier, Style};

use super::super::state::State;

/// Styles for one screen.
pub struct Styles {
    colour: bool,
    stale: bool,
}

impl Styles {
    /// For this state: what is shown of a daemon that is gone is dimmed.
    pub fn of(state: &State) -> Self {
        Self {
            colour: state.colour,
            stale: state.gone.is_some(),
        }
    }

    /// Plain text.
    pub fn text(&self) -> Style {
        match self.stale && self.colour {
            true => Style::new().add_modifier(Modifier::DIM),
            false => Style::new(),
        }
    }

    /// Titles.
    pub fn strong(&self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What is there for those who look for it.
    pub fn weak(&self) -> Style {
        self.paint(Style::new(), Color::Cyan)
    }

    /// Titles of columns.
    pub fn columns(&self) -> Style {
        self.paint(Style::new(), Color::Cyan)
    }

    /// The column that is sorted by.
    pub fn sorted(&self) -> Style {
        self.columns().add_modifier(Modifier::UNDERLINED)
    }

    /// The row that is selected.
    pub fn selected(&self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A number that is an alarm.
    pub fn bad(&self) -> Style {
        self.paint(self.text().add_modifier(Modifier::BOLD), Color::Red)
    }

    /// What is wrong with all of it.
    pub fn alarm(&self) -> Style {
        let style = Style::new().add_modifier(Modifier::BOLD | Modifier::REVERSED);
        self.paint(style, Color::Red)
    }

    fn paint(&self, style: Style, colour: Color) -> Style {
        if self.colour { style.fg(colour) } else { style }
    }
}
