//! Imports from the files of others, and exports to them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use super::super::cli::{self, ExportFormat};
use super::super::config::read_registry;
use super::super::failure::Failure;
use super::super::registry::Session;
use super::super::rules;
use super::change::{refused, told};
use crate::identity::Registry;
use crate::identity::foreign::{self, Format};
use crate::identity::registry::{Added, Id};
use crate::identity::shown::Shown;

/// Bytes of a file that is imported.
const FILE_BYTES: u64 = 256 << 20;

/// `observer consumers import`.
///
/// # Errors
/// When the file cannot be read, or contradicts itself or what is registered, or the registry cannot be written.
pub fn import(arguments: &cli::Import) -> Result<(), Failure> {
    let config = rules::load_config(arguments.config.as_deref())?;
    let prefix = &arguments.account_prefix;
    if !prefix.is_empty() && (Id::parse(prefix).is_err() || prefix.len() > 32) {
        let why = format!(
            "`{}` cannot begin an id: at most 32 of a-z 0-9 . _ - and a letter or digit first",
            Shown(prefix)
        );
        return Err(Failure::input("--account-prefix", why));
    }
    let name = arguments.file.display().to_string();
    let text = read(&arguments.file)?;
    let fingerprinter = rules::fingerprinter(&config)?;
    let imported = foreign::import(arguments.format.into(), &text, &fingerprinter, prefix)
        .map_err(|error| Failure::input(&name, format_args!("{error} (nothing was written)")))?;
    drop(text);
    let mut session = Session::open(&config)?;
    let into = session.document(arguments.into.as_deref(), default_file(arguments.format))?;
    let mut added = Added::default();
    for account in &imported.accounts {
        let one = session.editor.register(account, into).map_err(refused)?;
        added.accounts += one.accounts;
        added.apps += one.apps;
        added.keys += one.keys;
        added.known += one.known;
    }
    let written = session.finish(arguments.dry_run)?;
    let mut answer = imported.remarks.join("\n");
    if !answer.is_empty() {
        answer.push('\n');
    }
    if added.known > 0 {
        answer.push_str(&format!("{} keys were registered before\n", added.known));
    }
    answer.push_str(&told(&added, &written, ""));
    if arguments.dry_run {
        answer.push_str("nothing was written: --dry-run\n");
    }
    super::super::print(&answer)
}

fn default_file(format: cli::ForeignFormat) -> &'static str {
    match format {
        cli::ForeignFormat::Kong => "kong",
        cli::ForeignFormat::Tyk => "tyk",
        cli::ForeignFormat::Apisix => "apisix",
        cli::ForeignFormat::Htpasswd => "htpasswd",
        cli::ForeignFormat::NginxMap => "nginx-map",
        cli::ForeignFormat::Csv => "csv",
    }
}

fn read(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| Failure::input(file.display(), error);
    let mut text = Zeroizing::new(String::new());
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let open = File::open(file).map_err(failed)?;
        // Room from the start: nothing is copied on the way.
        let length = open.metadata().map_err(failed)?.len().min(FILE_BYTES);
        text.reserve(usize::try_from(length).unwrap_or(0) + 1);
        Box::new(open)
    };
    source
        .take(FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    if text.len() as u64 > FILE_BYTES {
        let why = format!("longer than {FILE_BYTES} bytes (split it)");
        return Err(Failure::input(file.display(), why));
    }
    Ok(text)
}

/// `observer consumers export`.
///
/// # Errors
/// When the registry cannot be read.
pub fn export(format: ExportFormat, config: Option<&Path>) -> Result<(), Failure> {
    let config = rules::load_config(config)?;
    let format = match format {
        ExportFormat::Toml => return whole(&config.identity.registry),
        ExportFormat::Kong => Format::Kong,
        ExportFormat::Tyk => Format::Tyk,
        ExportFormat::Apisix => Format::Apisix,
        ExportFormat::Htpasswd => Format::Htpasswd,
        ExportFormat::NginxMap => Format::NginxMap,
        ExportFormat::Csv => Format::Csv,
    };
    let registry = rules::registry(&config)?;
    let now = i64::try_from(super::super::reading::now()).unwrap_or(i64::MAX);
    let exported = foreign::export(format, &registry.drafts(), now);
    super::super::print(&exported.text)?;
    for remark in exported.remarks {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(io::stderr(), "{remark}");
    }
    Ok(())
}

/// Every file of the registry, one after the other, comments included.
fn whole(folder: &Path) -> Result<(), Failure> {
    let files = read_registry(folder).map_err(|error| Failure::input("registry", error))?;
    let mut all = String::new();
    for (_, text) in &files {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        all.push_str(text);
        if !text.is_empty() && !text.ends_with('\n') {
            all.push('\n');
        }
    }
    Registry::parse(&[("all files as one", &all)]).map_err(|error| {
        Failure::input(
            "registry",
            format_args!("{error} (write accounts as [[account]], not as one list)"),
        )
    })?;
    super::super::print(&all)
}
