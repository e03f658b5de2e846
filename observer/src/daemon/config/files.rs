//! Files beside the configuration: the registry's folder and the pepper.
//!
//! Invariant: the pepper is read from nothing that others can read, and a half written one never stands at its path.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::identity::fingerprint::PEPPER_BYTES;
use crate::identity::{Pepper, Registry, RegistryError};

/// Bytes of all registry files together: a million keys take about 250 MB.
const REGISTRY_BYTES: u64 = 512 << 20;
const REGISTRY_FILES: usize = 10_000;
/// The name of the systemd credential (`LoadCredential=pepper:...`).
const CREDENTIAL: &str = "pepper";

/// Why a file beside the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refused.
    #[error("{}: cannot be {verb}: {source}", file.display())]
    Io {
        /// The file or folder.
        file: PathBuf,
        /// What was tried: `read`, `created`.
        verb: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The registry is larger than its bounds.
    #[error("{}: more than {REGISTRY_FILES} files or {REGISTRY_BYTES} bytes (split the registry over hosts)", folder.display())]
    TooLarge {
        /// The registry's folder.
        folder: PathBuf,
    },
    /// The registry's content.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// Others could read the pepper.
    #[error("{}: mode {mode:04o} lets others read the pepper (chmod 0600 {})", file.display(), file.display())]
    Readable {
        /// The pepper's file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else owns the pepper and could change it.
    #[error("{}: belongs to user {owner}, who is neither root nor this process (chown it)", file.display())]
    Owner {
        /// The pepper's file.
        file: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Not a pepper.
    #[error("{}: holds no pepper of {PEPPER_BYTES} bytes (restore it; a new one gives every key a new fingerprint)", file.display())]
    Length {
        /// The pepper's file.
        file: PathBuf,
    },
}

fn io_error(file: &Path, verb: &'static str) -> impl FnOnce(io::Error) -> FileError {
    let file = file.to_owned();
    move |source| FileError::Io { file, verb, source }
}

/// Bytes for a pepper, from the kernel.
pub(in crate::daemon) fn random() -> io::Result<Zeroizing<[u8; PEPPER_BYTES]>> {
    let mut bytes = Zeroizing::new([0; PEPPER_BYTES]);
    // A call for at most 256 bytes is never cut short (getrandom(2)).
    rustix::rand::getrandom(bytes.as_mut_slice(), rustix::rand::GetRandomFlags::empty())?;
    Ok(bytes)
}

/// Reads a text file of at most `most` bytes.
pub(super) fn read_bounded(file: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    let read = File::open(file)?
        .take(most.saturating_add(1))
        .read_to_string(&mut text)?;
    if read as u64 > most {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("longer than {most} bytes"),
        ));
    }
    Ok(text)
}

/// Reads every `*.toml` of a folder in name order as one registry. A folder that is not there is an empty registry.
pub fn load_registry(folder: &Path) -> Result<Registry, FileError> {
    let files = read_registry(folder)?;
    let documents: Vec<(String, &str)> = files
        .iter()
        .map(|(file, text)| (file.display().to_string(), text.as_str()))
        .collect();
    Ok(Registry::parse(&documents)?)
}

/// The registry's files in name order, with their texts. A folder that is not there has none.
pub fn read_registry(folder: &Path) -> Result<Vec<(PathBuf, String)>, FileError> {
    let mut files = Vec::new();
    match fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                let file = entry.map_err(io_error(folder, "read"))?.path();
                let hidden = file
                    .file_name()
                    .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
                if !hidden
                    && file
                        .extension()
                        .is_some_and(|extension| extension == "toml")
                    && !file.is_dir()
                {
                    files.push(file);
                }
                if files.len() > REGISTRY_FILES {
                    return Err(FileError::TooLarge {
                        folder: folder.to_owned(),
                    });
                }
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(folder, "read")(error)),
    }
    files.sort();
    let mut left = REGISTRY_BYTES;
    let mut documents = Vec::with_capacity(files.len());
    for file in files {
        let text = match read_bounded(&file, left) {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                return Err(FileError::TooLarge {
                    folder: folder.to_owned(),
                });
            }
            read => read.map_err(io_error(&file, "read"))?,
        };
        left = left.saturating_sub(text.len() as u64);
        documents.push((file, text));
    }
    Ok(documents)
}

/// The pepper: systemd's credential of that name when there is one, else the file, which is made on first use.
pub fn load_pepper(file: &Path) -> Result<Pepper, FileError> {
    let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    pepper_from(credentials.as_deref(), file)
}

pub(super) fn pepper_from(credentials: Option<&Path>, file: &Path) -> Result<Pepper, FileError> {
    if let Some(credential) = credentials.map(|folder| folder.join(CREDENTIAL)) {
        match File::open(&credential) {
            // systemd guards the folder, by ownership or an access list that shows as group permissions
            Ok(open) => return read_pepper(&credential, open),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(io_error(&credential, "read")(error)),
        }
    }
    let open = match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create_pepper(file).map_err(io_error(file, "created"))?;
            File::open(file)
        }
        opened => opened,
    };
    let open = open.map_err(io_error(file, "read"))?;
    // Of the open file, not of the path: nobody can swap it in between.
    let metadata = open.metadata().map_err(io_error(file, "read"))?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::Readable {
            file: file.to_owned(),
            mode,
        });
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(FileError::Owner {
            file: file.to_owned(),
            owner,
        });
    }
    read_pepper(file, open)
}

fn read_pepper(file: &Path, open: File) -> Result<Pepper, FileError> {
    // One byte more than a pepper has shows a file that is longer. Room from the start: nothing is copied on the way.
    let mut content = Zeroizing::new(Vec::with_capacity(PEPPER_BYTES * 2));
    open.take(PEPPER_BYTES as u64 + 1)
        .read_to_end(&mut content)
        .map_err(io_error(file, "read"))?;
    let mut bytes: [u8; PEPPER_BYTES] =
        content
            .as_slice()
            .try_into()
            .map_err(|_| FileError::Length {
                file: file.to_owned(),
            })?;
    Ok(Pepper::new(&mut bytes))
}

/// A new file beside another, for its owner only, under a name that loaders pass over: it begins with a dot.
///
/// # Errors
/// What the system refuses.
pub fn draft(folder: &Path, file: &Path) -> io::Result<(PathBuf, File)> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let draft = folder.join(format!(".{name}.{}", std::process::id()));
    // One that a process of this number left behind when it was killed here.
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    Ok((draft, out))
}

/// Writes a new pepper beside its path and links it there, whole or not at all. Whoever comes second keeps the first's.
fn create_pepper(file: &Path) -> io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !folder.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o750)
            .create(folder)?;
    }
    let bytes = random()?;
    let (draft, mut out) = draft(folder, file)?;
    let linked = out
        .write_all(&*bytes)
        .and_then(|()| out.sync_all())
        .and_then(|()| fs::hard_link(&draft, file));
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(folder)?.sync_all(),
    }
}
