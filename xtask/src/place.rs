//! Where things lie: the workspace, the build folder, and what is built into it.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The folders of one checkout.
pub struct Place {
    /// The workspace's root.
    pub root: PathBuf,
    /// Cargo's target folder: `CARGO_TARGET_DIR`, or `target` in the root.
    pub target: PathBuf,
}

impl Place {
    /// The checkout that this program was built from.
    ///
    /// # Errors
    /// When it was moved away since.
    pub fn find() -> Result<Self, Error> {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .join("..")
            .canonicalize()
            .map_err(Error::file("finding the workspace", &manifest))?;
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |given| root.join(given));
        Ok(Self { root, target })
    }

    /// The compiled kernel programs; observer/build.rs embeds them from here.
    pub fn kernel_object(&self) -> PathBuf {
        self.target.join("bpf/observer-ebpf.o")
    }

    /// The finished daemon.
    pub fn binary(&self) -> PathBuf {
        self.target.join("release/observer")
    }

    /// What only this program uses: its tools and the kernel programs' own build folder.
    pub fn own(&self) -> PathBuf {
        self.target.join("xtask")
    }

    /// A file of the repository.
    pub fn source(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }
}
