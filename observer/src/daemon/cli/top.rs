//! The words of `observer top`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Format;

/// `observer top`.
#[derive(Debug, Args)]
pub struct Top {
    /// Configuration file [default: /etc/observer/observer.toml if it exists]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print what there is to see once, and end [default: table, where standard output is no terminal]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Seconds from one look to the next, 0.5 to 60
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    pub interval: Duration,
}

fn interval(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    if (0.5..=60.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("not within 0.5 and 60".to_owned())
    }
}
