//! Bytes that may be secret: wiped before their memory is given up.

use zeroize::zeroize_bytes;

/// Bytes that are wiped when they are dropped, and leave no copy behind when they grow.
#[derive(Default)]
pub(super) struct Wiped(Vec<u8>);

impl Wiped {
    pub fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Adds bytes. The memory is moved by hand: a growing `Vec` would leave copies behind.
    pub fn extend(&mut self, bytes: &[u8]) {
        let needed = self.0.len() + bytes.len();
        if needed > self.0.capacity() {
            let mut larger = Vec::with_capacity(needed.max(2 * self.0.capacity()));
            larger.extend_from_slice(&self.0);
            zeroize_bytes(&mut self.0);
            self.0 = larger;
        }
        self.0.extend_from_slice(bytes);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        zeroize_bytes(&mut self.0);
    }
}
