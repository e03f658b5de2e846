//! Names that come again and again (methods, hosts), kept once.

use std::sync::Arc;

use hashbrown::HashSet;

/// Names kept at most; a scan of random ones starts over.
const KEPT: usize = 256;

/// The names.
#[derive(Debug, Default)]
pub struct Names(HashSet<Arc<str>>);

impl Names {
    /// A name, shared with those that had it before.
    pub fn get(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        if self.0.len() >= KEPT {
            self.0.clear();
        }
        let name: Arc<str> = Arc::from(name);
        self.0.insert(Arc::clone(&name));
        name
    }
}
