//! Names that come again and again (methods, hosts, calls), kept once.

use std::sync::Arc;

use hashbrown::HashSet;

/// Names kept at most; a scan of random ones starts over.
const KEPT: usize = 256;

/// Calls of gRPC that are routes at most.
const CALLS: usize = 1_024;

/// Calls of gRPC that some server has, `package.Service/Method` each. Bias: what a server was never seen to have is none, so that
/// nobody makes routes by asking for them.
#[derive(Debug, Default)]
pub struct GrpcCalls(HashSet<Arc<str>>);

impl GrpcCalls {
    /// The route of a path. `has`: the server has just shown that it has it.
    pub fn route(&mut self, path: &str, has: bool) -> Option<Arc<str>> {
        let name = path.strip_prefix('/')?;
        if let Some(known) = self.0.get(name) {
            return Some(Arc::clone(known));
        }
        let (service, method) = name.split_once('/')?;
        let is_name = |text: &str, dots: bool| {
            let may_be =
                |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (dots && byte == b'.');
            !text.is_empty() && text.bytes().all(may_be)
        };
        if !has || self.0.len() >= CALLS || !is_name(service, true) || !is_name(method, false) {
            return None;
        }
        let name: Arc<str> = Arc::from(name);
        self.0.insert(Arc::clone(&name));
        Some(name)
    }
}

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
