//! The page: files as they stand in `dist/page`, shipped inside of the binary.

use std::collections::HashMap;
use std::io::Write;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use include_dir::{Dir, include_dir};
use xxhash_rust::xxh3::xxh3_64;

use super::refusal;

static FILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/dist/page");

/// What the page may do: load from here, and nothing written into it is ever run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// A file as it is sent.
struct File {
    kind: &'static str,
    tag: String,
    plain: &'static [u8],
    packed: Vec<u8>,
}

/// Packed once, when somebody opens the page first.
static SENT: LazyLock<HashMap<&'static str, File>> = LazyLock::new(|| {
    let mut files = HashMap::new();
    let mut folders = vec![&FILES];
    while let Some(folder) = folders.pop() {
        folders.extend(folder.dirs());
        for file in folder.files() {
            let name = file.path().to_str().unwrap_or_default();
            if let Some(kind) = kind(name) {
                files.insert(name, File::new(kind, file.contents()));
            }
        }
    }
    files
});

impl File {
    fn new(kind: &'static str, plain: &'static [u8]) -> Self {
        let mut packer = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to memory does not fail.
        let _ = packer.write_all(plain);
        Self {
            kind,
            tag: format!("\"{:016x}\"", xxh3_64(plain)),
            plain,
            packed: packer.finish().unwrap_or_default(),
        }
    }
}

/// What a file is, by the end of its name; what is none of these is not sent.
fn kind(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "LICENSE" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

/// `GET /`
pub(super) async fn index(fields: HeaderMap) -> Response {
    send("index.html", &fields)
}

/// `GET /page/NAME`
pub(super) async fn file(Path(name): Path<String>, fields: HeaderMap) -> Response {
    send(&name, &fields)
}

fn send(name: &str, fields: &HeaderMap) -> Response {
    let Some(file) = SENT.get(name) else {
        return refusal(StatusCode::NOT_FOUND, "there is no such file");
    };
    let sent = [
        (CONTENT_TYPE, file.kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (ETAG, &file.tag),
        // Asked for again each time: another version of the daemon has other files.
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept-encoding"),
    ];
    let text = |name| fields.get(name).and_then(|value| value.to_str().ok());
    if text(IF_NONE_MATCH).is_some_and(|known| known.contains(&file.tag)) {
        return (StatusCode::NOT_MODIFIED, sent).into_response();
    }
    if text(ACCEPT_ENCODING).is_some_and(|accepted| accepted.contains("gzip")) {
        return (sent, [(CONTENT_ENCODING, "gzip")], file.packed.as_slice()).into_response();
    }
    (sent, file.plain).into_response()
}
