//! Changes of the registry's files: read, changed and written under a lock, each file whole or not at all.
//!
//! Invariant: a file that is written belongs to whom it belonged and is as readable as it was, and what stands there loads. The
//! running daemon sees the folder change and reads it again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Gid, Uid};

use super::config::{Config, draft, read_registry};
use super::failure::Failure;
use crate::identity::registry::Editor;

/// The registry under change. Others that change it with these commands wait until this one is dropped.
pub struct Session {
    folder: PathBuf,
    files: Vec<(PathBuf, String)>,
    _lock: File,
    /// What changes it.
    pub editor: Editor,
}

impl Session {
    /// Opens the registry that the configuration names; the folder is made where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or does not load.
    pub fn open(config: &Config) -> Result<Self, Failure> {
        let folder = config.identity.registry.clone();
        let failed = |error: io::Error| Failure::input(folder.display(), advised(&error));
        if !folder.exists() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(&folder)
                .map_err(failed)?;
        }
        let lock = File::open(&folder).map_err(failed)?;
        rustix::fs::flock(&lock, FlockOperation::LockExclusive)
            .map_err(|error| failed(error.into()))?;
        let files = read_registry(&folder).map_err(|error| Failure::input("registry", error))?;
        let documents = files
            .iter()
            .map(|(file, text)| (file.display().to_string(), text.clone()));
        let editor =
            Editor::new(documents.collect()).map_err(|error| Failure::input("registry", error))?;
        Ok(Self {
            folder,
            files,
            _lock: lock,
            editor,
        })
    }

    /// The number of the document that new accounts go into: a file of the folder, `asked` or of this name.
    ///
    /// # Errors
    /// When what was asked for is no such file.
    pub fn document(&mut self, asked: Option<&Path>, name: &str) -> Result<usize, Failure> {
        let file = match asked {
            None => self.folder.join(format!("{name}.toml")),
            Some(asked) => {
                let name = asked.file_name().and_then(|name| name.to_str());
                let parent = asked
                    .parent()
                    .filter(|parent| !parent.as_os_str().is_empty());
                let inside = parent.is_none_or(|parent| same(parent, &self.folder));
                match name {
                    Some(name)
                        if inside
                            && name.ends_with(".toml")
                            && !name.starts_with('.')
                            && !name.chars().any(char::is_control) =>
                    {
                        self.folder.join(name)
                    }
                    _ => {
                        let why = format!(
                            "a file `NAME.toml` in {} is what the daemon would read",
                            self.folder.display()
                        );
                        return Err(Failure::input("--into", why));
                    }
                }
            }
        };
        let name = file.display().to_string();
        if !self.files.iter().any(|(known, _)| *known == file) {
            self.files.push((file, String::new()));
        }
        Ok(self.editor.document(&name))
    }

    /// Writes what changed, and returns the files. `dry`: only checks that it would load.
    ///
    /// # Errors
    /// When it would not load, or cannot be written. Files are written one after the other: those before the one that failed
    /// stay.
    pub fn finish(self, dry: bool) -> Result<Vec<PathBuf>, Failure> {
        let changed = self.editor.finish().map_err(|error| {
            Failure::input("registry", format_args!("{error} (nothing was written)"))
        })?;
        let mut written = Vec::with_capacity(changed.len());
        for (name, text) in changed {
            let file = self
                .files
                .iter()
                .find(|(file, _)| file.display().to_string() == name);
            let Some((file, before)) = file else { continue };
            if !dry {
                replace(file, before, &text)
                    .map_err(|error| Failure::input(file.display(), advised(&error)))?;
            }
            written.push(file.clone());
        }
        Ok(written)
    }
}

fn advised(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            format!("{error} (run this as root, or as whoever owns the registry)")
        }
        _ => error.to_string(),
    }
}

fn same(one: &Path, two: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(two)) {
        (Ok(one), Ok(two)) => one == two,
        _ => false,
    }
}

/// Puts `text` in place of what stands in a file, which has to be `before` still. Nobody ever sees half of it, a power cut
/// included.
fn replace(file: &Path, before: &str, text: &str) -> io::Result<()> {
    // Through a link, so that the link stays.
    let target = match fs::canonicalize(file) {
        Ok(target) => Some(target),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let path = target.as_deref().unwrap_or(file);
    let folder = path.parent().unwrap_or(Path::new("/"));
    // A new file is as readable as its folder.
    let like = fs::metadata(if target.is_some() { path } else { folder })?;
    let mode = like.mode() & if target.is_some() { 0o7777 } else { 0o666 };
    if target.is_some() && fs::read_to_string(path)? != before {
        return Err(io::Error::other(
            "was changed by somebody else just now (repeat the command)",
        ));
    }
    let (draft, out) = draft(folder, path)?;
    let written = write(out, text, mode, &like).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        // Whatever is left of it is no use.
        let _ = fs::remove_file(&draft);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write(mut out: File, text: &str, mode: u32, like: &fs::Metadata) -> io::Result<()> {
    let own = out.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        let (user, group) = (Uid::from_raw(like.uid()), Gid::from_raw(like.gid()));
        rustix::fs::fchown(&out, Some(user), Some(group))?;
    }
    out.set_permissions(fs::Permissions::from_mode(mode))?;
    out.write_all(text.as_bytes())?;
    out.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_its_link_and_is_not_replaced_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.toml"), folder.path().join("b.toml"));
        fs::write(&file, "one").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        replace(&link, "one", "two").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o604);
        let refused = replace(&file, "one", "three").unwrap_err();
        assert!(refused.to_string().contains("changed by somebody else"));
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_new_file_is_as_readable_as_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let file = folder.path().join("new.toml");
        replace(&file, "", "text").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o640);
    }
}
