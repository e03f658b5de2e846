//! What stays in the kernel when the daemon goes: maps and links, pinned in a folder of the BPF file system.
//!
//! The folder's name says whose they are: the contract's version, the ledger, the network namespace and the size of the rings.
//! Only what carries our own name is taken up again; what another version left for the same ledger is removed.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use observer_ebpf::abi::{VERSION, map};

/// Where everything of ours is pinned.
const ROOT: &str = "/sys/fs/bpf/observer";
/// `linux/magic.h`
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// The folder of one ledger in one network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    folder: PathBuf,
    adopted: bool,
    replaced: bool,
}

impl Pins {
    /// Opens or makes the folder.
    ///
    /// # Errors
    /// When the BPF file system is not mounted, or not ours to write.
    pub fn open(ledger: &str, ring_bytes: u64) -> io::Result<Self> {
        let root = Path::new(ROOT);
        if !is_mounted()? {
            return Err(io::Error::other("no BPF file system is mounted there"));
        }
        match fs::DirBuilder::new().mode(0o700).create(root) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let network = fs::metadata("/proc/self/ns/net")?.ino();
        let owner = format!("{ledger}-{network}");
        let name = format!("{owner}-v{VERSION}-{ring_bytes}");
        let mut replaced = false;
        for other in of_ledger(ledger)? {
            let known = other.file_name().and_then(|name| name.to_str());
            let ours = known.is_some_and(|known| known.starts_with(&format!("{owner}-v")));
            if ours && known != Some(&name) {
                fs::remove_dir_all(&other)?;
                replaced = true;
            }
        }
        let folder = root.join(name);
        let adopted = folder.join(map::FLOWS).exists();
        if !adopted {
            // What a start that failed left behind is not whole.
            let _ = fs::remove_dir_all(&folder);
            fs::DirBuilder::new().mode(0o700).create(&folder)?;
        }
        Ok(Self {
            folder,
            adopted,
            replaced,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether maps were there already.
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// Whether maps of another version or size had to go.
    pub fn replaced(&self) -> bool {
        self.replaced
    }

    /// Where a map is pinned.
    pub fn map(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Where the link of an interface at a hook is pinned.
    pub fn link(&self, interface: u32, hook: &str) -> PathBuf {
        self.folder.join(format!("link-{interface}-{hook}"))
    }

    /// Where the tracepoint's link is pinned.
    pub fn sockets(&self) -> PathBuf {
        self.folder.join("link-sockets")
    }

    /// Where the probe of a file that derives keys is pinned.
    pub fn keys(&self, file: &str) -> PathBuf {
        self.folder.join(format!("keys-{file}"))
    }

    /// Takes probes out of files that `keep` refuses.
    pub fn keep_keys(&self, keep: impl Fn(&str) -> bool) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let file = name.to_str().and_then(|name| name.strip_prefix("keys-"));
            if file.is_some_and(|file| !keep(file)) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Takes programs off where `keep` refuses the interface and hook of a link.
    pub fn unlink(&self, keep: impl Fn(u32, &str) -> bool) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let parts = name
                .to_str()
                .and_then(|name| name.strip_prefix("link-")?.split_once('-'));
            if let Some((interface, hook)) = parts
                && let Ok(interface) = interface.parse()
                && !keep(interface, hook)
            {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Whether a BPF file system is where everything of ours is pinned.
///
/// # Errors
/// When there is no such folder.
pub fn is_mounted() -> io::Result<bool> {
    let root = Path::new(ROOT);
    let mount = root.parent().unwrap_or(root);
    Ok(rustix::fs::statfs(mount)?.f_type as u64 & 0xffff_ffff == BPF_FS_MAGIC)
}

/// Removes everything that is pinned for a ledger. Returns the number of folders.
///
/// # Errors
/// When something cannot be removed.
pub fn remove(ledger: &str) -> io::Result<usize> {
    let folders = of_ledger(ledger)?;
    for folder in &folders {
        fs::remove_dir_all(folder)?;
    }
    // Others may have theirs there.
    let _ = fs::remove_dir(ROOT);
    Ok(folders.len())
}

fn of_ledger(ledger: &str) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(ROOT) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let prefix = format!("{ledger}-");
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(&prefix))
        {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}
