//! How a credential was spelled in a request: what the kernel side finds it by, without knowing the key.

use std::fmt;

use observer_ebpf::spelling;

/// A field of a request that a credential stood in, as it was sent. Never printed.
#[derive(Clone, Copy)]
pub struct Spelled<'a> {
    /// The field's name.
    pub name: &'a str,
    /// Its value, without white space around it.
    pub value: &'a [u8],
}

impl fmt::Debug for Spelled<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spelled({})", self.name)
    }
}

/// The key of the hashes that stand for spellings. A secret: whoever has it can try keys.
#[derive(Clone, Copy, Default)]
pub struct SpellingKey(pub(super) [u64; 2]);

impl SpellingKey {
    /// The halves, for the kernel side.
    pub fn halves(&self) -> [u64; 2] {
        self.0
    }

    /// What stands for a spelling. `None`: the kernel side would not find it.
    pub fn hash(&self, spelled: Spelled<'_>) -> Option<u64> {
        spelling::hash(self.0, spelled.name.as_bytes(), spelled.value)
    }
}

impl fmt::Debug for SpellingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpellingKey(..)")
    }
}
