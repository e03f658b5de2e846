//! Probes in what derives the keys of TLS connections: one in each libcrypto that some process maps, and in each program that
//! carries OpenSSL, or Go's TLS, itself.
//!
//! A probe belongs to a file, whoever maps it, so that only files have to be looked for, not processes. What it takes stands in
//! a map in the kernel until the connection is over.

mod go;
pub mod mappings;
pub mod symbol;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::programs::UProbe;
use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::uprobe::{UProbeAttachLocation, UProbeAttachPoint, UProbeLink, UProbeScope};
use observer_ebpf::abi::{probe, program};

use super::{KernelError, chain, pins::Pins};
use mappings::{Mapping, Watch};
pub use symbol::Function;
use symbol::Site;

/// Files that were looked at and are not looked at again; past it all are forgotten.
const KNOWN: usize = 1 << 14;

/// A file by device and inode: one file's as long as somebody holds it open.
type FileId = ((u32, u32), u64);

/// A file with a probe in it, or one that refused it.
#[derive(Debug)]
pub struct Target {
    /// Which file.
    pub file: FileId,
    /// What of it is probed.
    pub function: Function,
    /// Its path, in the view of the process that it was found with.
    pub path: PathBuf,
    /// That process's name.
    pub name: String,
    /// What the library says that it is.
    pub version: String,
    /// Whether the kernel carries out the instruction at the probe itself; else each run costs more than ten times as much.
    pub cheap: bool,
    /// Place of [`observer_ebpf::abi::map::PROBES`] with its runs; `Err`: why there is no probe in it.
    pub probe: Result<u32, String>,
    #[expect(dead_code, reason = "held, so that the probe stays")]
    link: Option<Link>,
    /// Held, so that no other file gets the inode.
    handle: File,
}

/// What keeps a probe in its file.
#[derive(Debug)]
enum Link {
    /// As long as the pin.
    Pinned(#[expect(dead_code, reason = "held, so that it stays")] PinnedLink),
    /// As long as this process.
    Own(#[expect(dead_code, reason = "held, so that it stays")] UProbeLink),
}

/// The probes, and what tells of files to put further ones in.
pub struct Probes {
    watch: Watch,
    /// Files that derive no keys, or are no programs, with their inodes' generations.
    known: HashSet<(FileId, u64)>,
    targets: Vec<Target>,
}

impl Probes {
    /// Has the kernel tell of files from now on; nothing is probed yet.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn new() -> Result<Self, KernelError> {
        Ok(Self {
            watch: Watch::start().map_err(KernelError::Mappings)?,
            known: HashSet::new(),
            targets: Vec::new(),
        })
    }

    /// What tells of files.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The files with probes, and those that refused.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Puts probes into files that are mapped already.
    pub fn begin(&mut self, object: &mut Ebpf, pins: Option<&Pins>) {
        for mapping in mappings::all() {
            self.consider(&mapping, object, pins);
        }
        if let Some(pins) = pins {
            pins.keep_keys(|name| {
                let pinned = |target: &Target| {
                    target.probe.is_ok() && pin_name(target.file, target.function) == name
                };
                self.targets.iter().any(pinned)
            });
        }
    }

    /// Puts probes into files that were mapped since. Returns the new targets.
    pub fn follow(&mut self, object: &mut Ebpf, pins: Option<&Pins>) -> &[Target] {
        let mut mapped = Vec::new();
        let whole = self.watch.drain(|mapping| mapped.push(mapping));
        if !whole {
            mapped = mappings::all();
        }
        let mut new = 0;
        for mapping in &mapped {
            new += self.consider(mapping, object, pins);
        }
        if new > 0 {
            self.prune(pins);
        }
        let first = self.targets.len().saturating_sub(new);
        self.targets.get(first..).unwrap_or_default()
    }

    /// Puts probes into a file, if it is one that derives keys. Returns how many.
    fn consider(&mut self, mapping: &Mapping, object: &mut Ebpf, pins: Option<&Pins>) -> usize {
        let id = (mapping.device, mapping.inode);
        let known = (id, mapping.generation);
        let is_library = is_library(&mapping.path);
        if self.targets.iter().any(|target| target.file == id) {
            return 0;
        }
        if !is_library {
            if self.known.contains(&known) {
                return 0;
            }
            match is_program(mapping) {
                Some(true) => {}
                Some(false) => {
                    self.remember(known);
                    return 0;
                }
                None => return 0,
            }
        }
        // The process may be gone; the next one that maps the file tells of it again.
        let Ok(file) = open(mapping) else { return 0 };
        // What is no ELF file derives nothing.
        let sites = symbol::find(&file).unwrap_or_default();
        let before = self.targets.len();
        for site in sites {
            if let Ok(file) = file.try_clone() {
                self.place(mapping, file, site, object, pins);
            }
        }
        if self.targets.len() == before && !is_library {
            self.remember(known);
        }
        self.targets.len() - before
    }

    /// This file is not looked at again.
    fn remember(&mut self, file: (FileId, u64)) {
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(file);
    }

    /// Lets go of files that were removed, and that no process maps any more.
    fn prune(&mut self, pins: Option<&Pins>) {
        let is_removed =
            |target: &Target| target.handle.metadata().is_ok_and(|file| file.nlink() == 0);
        if !self.targets.iter().any(is_removed) {
            return;
        }
        let mapped: HashSet<FileId> = mappings::all()
            .into_iter()
            .map(|mapping| (mapping.device, mapping.inode))
            .collect();
        self.targets.retain(|target| {
            let stays = !is_removed(target) || mapped.contains(&target.file);
            if !stays && let Some(pins) = pins {
                let _ = fs::remove_file(pins.keys(&pin_name(target.file, target.function)));
            }
            stays
        });
    }

    fn place(
        &mut self,
        mapping: &Mapping,
        file: File,
        site: Site,
        object: &mut Ebpf,
        pins: Option<&Pins>,
    ) {
        let id = (mapping.device, mapping.inode);
        let is_free = |number: &u32| {
            !self
                .targets
                .iter()
                .any(|target| target.probe == Ok(*number))
        };
        let placed = if let Some(number) = (0..probe::PLACES).find(is_free) {
            let pin = pins.map(|pins| pins.keys(&pin_name(id, site.function)));
            attach(object, &file, &site, number, pin).map(|link| (number, link))
        } else {
            Err("there are too many such files".to_owned())
        };
        let (probe, link) = match placed {
            Ok((number, link)) => (Ok(number), Some(link)),
            Err(why) => (Err(why), None),
        };
        self.targets.push(Target {
            file: id,
            function: site.function,
            path: mapping.path.clone(),
            name: name_of(mapping.process),
            version: symbol::version(&file, site.function),
            cheap: site.cheap,
            probe,
            link,
            handle: file,
        });
    }
}

/// A file that derives keys, or would in a way that is not read, for who wants to know before anything is probed.
#[derive(Debug)]
pub struct Survey {
    /// Its path.
    pub path: PathBuf,
    /// Names of the processes that map it.
    pub processes: BTreeSet<String>,
    /// What it is: a version, or the name of a library.
    pub library: String,
    /// Whether the kernel carries out the instruction at the probe itself; `None`: it is not read.
    pub cheap: Option<bool>,
}

/// Libraries that derive keys in ways of their own, by what their files' names begin with.
const OTHERS: [(&str, &str); 8] = [
    ("libgnutls.so", "GnuTLS"),
    ("libnss3.so", "NSS"),
    ("libjvm.so", "Java"),
    ("libmbedtls.so", "Mbed TLS"),
    ("libwolfssl.so", "wolfSSL"),
    ("librustls.so", "rustls"),
    ("libcrypto.so.1.", "OpenSSL 1"),
    ("libboringssl.so", "BoringSSL"),
];

/// Looks at what processes map now.
pub fn survey() -> Vec<Survey> {
    let mut files: BTreeMap<FileId, (Mapping, BTreeSet<String>)> = BTreeMap::new();
    mappings::each(|mapping| {
        if other(&mapping.path).is_some()
            || is_library(&mapping.path)
            || is_program(&mapping) == Some(true)
        {
            let name = name_of(mapping.process);
            let id = (mapping.device, mapping.inode);
            let (_, names) = files
                .entry(id)
                .or_insert_with(|| (mapping, BTreeSet::new()));
            names.insert(name);
        }
    });
    let mut found = Vec::new();
    for (mapping, processes) in files.into_values() {
        let mut kinds = Vec::new();
        if let Ok(file) = open(&mapping) {
            let sites = symbol::find(&file).unwrap_or_default().into_iter();
            let version = |site: Site| (symbol::version(&file, site.function), Some(site.cheap));
            kinds.extend(sites.map(version));
        }
        if kinds.is_empty() {
            kinds.extend(other(&mapping.path).map(|library| (library.to_owned(), None)));
        }
        found.extend(kinds.into_iter().map(|(library, cheap)| Survey {
            path: mapping.path.clone(),
            processes: processes.clone(),
            library,
            cheap,
        }));
    }
    found
}

/// The library that a file is, of those that are not read.
fn other(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    OTHERS
        .iter()
        .find(|(begin, _)| name.starts_with(begin))
        .map(|(_, library)| *library)
}

/// Whether a file is OpenSSL's library, by its name.
fn is_library(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("libcrypto"))
}

/// Whether a file is its process's program, which may carry OpenSSL or Go's TLS itself; `None` when the process is gone.
fn is_program(mapping: &Mapping) -> Option<bool> {
    let program = fs::read_link(format!("/proc/{}/exe", mapping.process)).ok()?;
    let program = program.to_string_lossy();
    // Of a file that was removed since, proc(5) says so behind its path.
    let program = program.strip_suffix(" (deleted)").unwrap_or(&program);
    let mapped = mapping.path.to_string_lossy();
    Some(program == mapped.strip_suffix(" (deleted)").unwrap_or(&mapped))
}

/// The name of a process.
pub(super) fn name_of(process: u32) -> String {
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    name.trim().to_owned()
}

/// Opens a mapped file, in the view of its process, or as it is mapped when it was removed or replaced.
fn open(mapping: &Mapping) -> io::Result<File> {
    let Mapping {
        process,
        range: (start, end),
        inode,
        path,
        ..
    } = mapping;
    let inside = path.strip_prefix("/").unwrap_or(path);
    let in_view = Path::new("/proc")
        .join(process.to_string())
        .join("root")
        .join(inside);
    let as_mapped = PathBuf::from(format!("/proc/{process}/map_files/{start:x}-{end:x}"));
    let mut refused = io::Error::from(io::ErrorKind::NotFound);
    for place in [in_view, as_mapped] {
        match File::open(place) {
            Ok(file) if file.metadata()?.ino() == *inode => return Ok(file),
            Ok(_) => {}
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn pin_name(((major, minor), inode): FileId, function: Function) -> String {
    format!("{major}-{minor}-{inode}-{function:?}")
}

fn attach(
    object: &mut Ebpf,
    file: &File,
    site: &Site,
    number: u32,
    pin: Option<PathBuf>,
) -> Result<Link, String> {
    let name = match site.function {
        Function::Openssl => program::KEYS,
        Function::Go => program::GO_KEYS,
    };
    let program = object
        .program_mut(name)
        .ok_or("the kernel object lacks the probe")?;
    let program: &mut UProbe = program.try_into().map_err(|error| chain(&error))?;
    let point = UProbeAttachPoint {
        location: UProbeAttachLocation::AbsoluteOffset(site.offset),
        cookie: Some(u64::from(number)),
    };
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let id = program
        .attach(point, path, UProbeScope::AllProcesses)
        .map_err(|error| chain(&error))?;
    let link = program.take_link(id).map_err(|error| chain(&error))?;
    let Some(pin) = pin else {
        return Ok(Link::Own(link));
    };
    let link = FdLink::try_from(link).map_err(|error| chain(&error))?;
    // Nothing is missed in between: the old probe goes once the new one is there.
    let _ = fs::remove_file(&pin);
    let pinned = link.pin(pin).map_err(|error| chain(&error))?;
    Ok(Link::Pinned(pinned))
}
