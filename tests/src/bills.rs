//! A ledger of a year, a registry with plans of every kind, and the configuration that names both: what statements are made of.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use observer::store::{self, Retention, Writer};
use observer::usage::batch::{Rows, Sums, WindowRow};
use tempfile::TempDir;

/// Seconds of a day.
const DAY: u64 = 86_400;
/// What plans charge, with their currencies.
const PLANS: &str = r#"
[[plan]]
id = "unit"
vat = "19"
prices = [{ meter = "requests", per = 1000, amount = "0.40", currency = "EUR" }]
[[plan]]
id = "tiers"
vat = "7.7"
fee = { amount = "10.00", currency = "CHF" }
prices = [{ meter = "requests", per = 1, amount = "0.005", currency = "CHF", tiers = [{ from = 1001, amount = "0.004" }, { from = 10001, amount = "0.0025" }] }]
[[plan]]
id = "volume"
minimum = { amount = "500", currency = "JPY" }
prices = [{ meter = "requests", per = 100, amount = "12", currency = "JPY", model = "volume", tiers = [{ from = 5000, amount = "9" }] }]
[[plan]]
id = "package"
vat = "0"
prices = [{ meter = "response_bytes", per = 1048576, amount = "0.125", currency = "KWD", model = "package" }]
[[plan]]
id = "shown"
showback = true
vat = "19"
prices = [{ meter = "requests", per = 1000, amount = "0.40", currency = "EUR" }]
[[plan]]
id = "free"
prices = [{ meter = "requests", per = 1000, amount = "0", currency = "EUR" }]
"#;
/// Plans in turn; the last account of each turn has none.
const TURN: [&str; 7] = ["unit", "tiers", "volume", "package", "shown", "free", ""];

/// A folder with all of it.
pub struct Bills {
    folder: TempDir,
    batch: u64,
}

impl Bills {
    /// Accounts `account-000` and so on, registered and without usage.
    ///
    /// # Panics
    /// When the folder cannot be written.
    pub fn new(accounts: usize) -> Self {
        let folder = TempDir::new().expect("making a folder");
        let bills = Self { folder, batch: 0 };
        let place = |name: &str| bills.path(name).display().to_string();
        let config = format!(
            "[seller]\nname = \"Example GmbH\"\naddress = \"1 Example Street, 10115 Berlin\"\ncountry = \"DE\"\nvat_id = \"DE123456789\"\n\
             currency = \"EUR\"\n[identity]\nregistry = \"{}\"\npepper_file = \"{}\"\n[ledger]\npath = \"{}\"\n\
             keep_minutes = \"3000d\"\nkeep_quarters = \"3000d\"\n[control]\nsocket = \"{}\"\n[statements]\npath = \"{}\"\n",
            place("registry.d"),
            place("pepper"),
            place("ledger.sqlite"),
            place("observer.sock"),
            place("statements"),
        );
        fs::write(bills.config(), config).expect("writing the configuration");
        fs::create_dir(bills.path("registry.d")).expect("making the registry's folder");
        bills.plan(PLANS);
        let mut registry = String::new();
        for number in 0..accounts {
            let zone = ["UTC", "Europe/Berlin", "America/New_York"][number / TURN.len() % 3];
            let plan = TURN[number % TURN.len()];
            // Writing to a string does not fail.
            let _ = write!(
                registry,
                "[[account]]\nid = \"account-{number:03}\"\nname = \"Customer {number}\"\naddress = \"{number} Street, 75001 Paris\"\n\
                 country = \"FR\"\nvat_id = \"FR{number:011}\"\ntime_zone = \"{zone}\"\n"
            );
            if !plan.is_empty() {
                let _ = writeln!(registry, "plan = \"{plan}\"");
            }
        }
        fs::write(bills.path("registry.d/accounts.toml"), registry).expect("writing the registry");
        bills
    }

    /// Replaces the plans.
    ///
    /// # Panics
    /// When the registry cannot be written.
    pub fn plan(&self, text: &str) {
        fs::write(self.path("registry.d/plans.toml"), text).expect("writing the plans");
    }

    /// The plans as they are at first.
    pub fn plans() -> &'static str {
        PLANS
    }

    /// A file of the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The configuration.
    pub fn config(&self) -> PathBuf {
        self.path("observer.toml")
    }

    /// Adds usage of accounts from a day on (seconds since 1970) for so many days: every account, once in six hours of each day, on
    /// two routes.
    ///
    /// # Panics
    /// When the ledger cannot be written.
    pub fn use_up(&mut self, accounts: usize, from: u64, days: u64) {
        let mut windows = Vec::new();
        for account in 0..accounts {
            for day in 0..days {
                for part in 0..4 {
                    for route in 0..2 {
                        let start = from + day * DAY + part * DAY / 4 + 60 * (account as u64 % 60);
                        let requests = 1 + (account as u64 * 7 + day * 3 + part + route) % 90;
                        windows.push(window(account, start, route, requests));
                    }
                }
            }
        }
        self.write(windows);
    }

    /// Adds requests of one account in a minute.
    ///
    /// # Panics
    /// When the ledger cannot be written.
    pub fn add(&mut self, account: usize, minute: u64, requests: u64) {
        self.write(vec![window(account, minute, 0, requests)]);
    }

    fn write(&mut self, windows: Vec<WindowRow>) {
        let path = self.path("ledger.sqlite");
        let ledger = store::open(&path, None).expect("opening the ledger");
        let writer =
            Writer::start(&path, Some(ledger), Retention::ALL).expect("starting the writer");
        for piece in windows.chunks(20_000) {
            self.batch += 1;
            let rows = Rows {
                windows: piece.to_vec(),
                ..Rows::default()
            };
            writer.write(self.batch, Arc::new(rows));
        }
        let status = writer.watch();
        writer.finish();
        assert_eq!(status().batch, self.batch, "{:?}", status().trouble);
    }
}

fn window(account: usize, start: u64, route: u64, requests: u64) -> WindowRow {
    WindowRow {
        start: start / 60 * 60,
        consumer: format!("account-{account:03}").into(),
        app: "app".into(),
        key: "key".into(),
        api: "api.example".into(),
        route: format!("/v1/r{route}").into(),
        method: "GET".into(),
        status: Some(200),
        outcome: "ok".into(),
        sums: Sums {
            requests,
            uncertain: 0,
            request_bytes: requests * 100,
            response_bytes: requests * 20_000,
            service_us: requests * 900,
        },
    }
}

/// All files below a folder with what is in them, by name.
///
/// # Panics
/// When one cannot be read.
pub fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = fs::read(&path).expect("reading a file");
                found.push((path, bytes));
            }
        }
    }
    found.sort();
    found
}
