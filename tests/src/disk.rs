//! Disks that are full.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use crate::process::run;

/// A file system of its own in memory, so small that it can be filled. Unmounted on drop.
#[derive(Debug)]
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it at a folder that it makes.
    ///
    /// # Panics
    /// When it cannot.
    pub fn mount(at: PathBuf) -> Self {
        fs::create_dir(&at).expect("making a folder");
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(&at));
        Self(at)
    }

    /// Leaves no room.
    ///
    /// # Panics
    /// When it cannot be written at all.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.filler()).expect("making a file");
        while file.write_all(&[b'x'; 4096]).is_ok() {}
    }

    /// Gives the room back.
    ///
    /// # Panics
    /// When it was not filled.
    pub fn empty(&self) {
        fs::remove_file(self.filler()).expect("removing a file");
    }

    /// Leaves no room.
    ///
    /// # Panics
    /// When it cannot be written at all.
    pub fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
