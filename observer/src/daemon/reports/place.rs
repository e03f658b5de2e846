//! Where a report is written.
//!
//! Invariant: under the name that was asked for stands what stood there, or the whole report.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Who may read a new one: whom a report is for is not everybody.
const MODE: u32 = 0o640;

/// The file that is meant: `out`, or in a folder of that name one by audience, period and first day.
pub fn named(out: &Path, audience: &str, period: &str, first: &str, ending: &str) -> PathBuf {
    if !out.is_dir() {
        return out.to_owned();
    }
    // An id may hold what a name of a file may not; no two of them become the same name.
    let mut safe = String::with_capacity(audience.len());
    for byte in audience.replacen(':', "-", 1).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => {
                safe.push(char::from(byte))
            }
            _ => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    out.join(format!("{safe}-{period}-{first}.{ending}"))
}

/// Puts a text in place of a file, in one step and on the disk.
///
/// # Errors
/// What the system refuses; nothing is left behind then.
pub fn put(file: &Path, text: &str) -> io::Result<()> {
    // Through a link, so that the link stays.
    let target: PathBuf = match fs::canonicalize(file) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => file.to_owned(),
        Err(error) => return Err(error),
    };
    let mode = match fs::metadata(&target) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(io::Error::other("is no file that could be replaced"));
        }
        Ok(metadata) => metadata.permissions().mode() & 0o777,
        Err(_) => MODE,
    };
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut draft = tempfile::Builder::new()
        .prefix(".observer-report-")
        .suffix(".new")
        .tempfile_in(folder)?;
    draft.write_all(text.as_bytes())?;
    draft
        .as_file()
        .set_permissions(fs::Permissions::from_mode(mode))?;
    draft.as_file().sync_all()?;
    draft.persist(&target).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_a_folder_it_has_a_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let name = |audience| {
            let file = named(folder.path(), audience, "week", "2026-11-16", "html");
            assert_eq!(file.parent(), Some(folder.path()));
            file.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name("owner"), "owner-week-2026-11-16.html");
        assert_eq!(name("consumer:acme"), "consumer-acme-week-2026-11-16.html");
        assert_eq!(
            name("consumer:../a/\0\u{202e}"),
            "consumer-..%2Fa%2F%00%E2%80%AE-week-2026-11-16.html"
        );
        let file = folder.path().join("mine");
        assert_eq!(named(&file, "owner", "day", "2026-11-16", "md"), file);
    }

    #[test]
    fn a_report_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.html");
        let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        put(&file, "one").unwrap();
        assert_eq!(
            (fs::read_to_string(&file).unwrap(), mode()),
            ("one".to_owned(), 0o640)
        );
        fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
        let link = folder.path().join("latest");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        put(&link, "two").unwrap();
        assert_eq!(
            (fs::read_to_string(&file).unwrap(), mode()),
            ("two".to_owned(), 0o604)
        );
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(put(folder.path(), "three").is_err());
        assert!(put(&folder.path().join("no/such"), "three").is_err());
        // Nothing else is left behind.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
