//! The control socket: commands talk to the running daemon, one line each way. Only root and the daemon's own user are heard.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

use super::desk::{Desk, PATIENCE};
use super::looking;
use crate::export::web::Deed;
use crate::usage::reconcile::Class;

/// What is said to a request that is none.
const NO_SUCH: &str = "no such request";
/// Bytes of a request.
const REQUEST: u64 = 4096;

/// Listens. Fails when another daemon listens there.
///
/// # Errors
/// What the system refuses.
pub fn listen(path: &Path) -> io::Result<std::os::unix::net::UnixListener> {
    if BlockingStream::connect(path).is_ok() {
        return Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another observer is running (stop it, or give this one a [control] socket and a [ledger] of its own)",
        ));
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Answers commands.
pub async fn serve(listener: UnixListener, desk: Desk) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: they may come back.
            tokio::time::sleep(PATIENCE).await;
            continue;
        };
        let own = rustix::process::geteuid().as_raw();
        let peer = stream.peer_cred().map(|peer| peer.uid()).ok();
        if let Some(uid) = peer.filter(|uid| *uid == 0 || *uid == own) {
            tokio::spawn(answer(stream, uid, desk.clone()));
        }
    }
}

async fn answer(mut stream: UnixStream, uid: u32, desk: Desk) {
    let (reading, mut writing) = stream.split();
    let mut line = String::new();
    let mut reading = tokio::io::AsyncReadExt::take(BufReader::new(reading), REQUEST);
    // How long a command may take to say what it wants.
    if !matches!(
        timeout(PATIENCE, reading.read_line(&mut line)).await,
        Ok(Ok(_))
    ) {
        return;
    }
    let said = match carry_out(line.trim(), uid, &desk).await {
        Ok(more) if more.is_empty() => "ok\n".to_owned(),
        Ok(more) => format!("ok {more}\n"),
        Err(why) => format!("failed: {}\n", why.replace('\n', " ")),
    };
    // Whoever asked may have gone.
    let _ = writing.write_all(said.as_bytes()).await;
}

/// Does what a line asks for. Returns what there is to say beyond that it was done.
async fn carry_out(request: &str, uid: u32, desk: &Desk) -> Result<String, String> {
    let done = |()| String::new();
    let (verb, rest) = request.split_once(' ').unwrap_or((request, ""));
    match (verb, rest) {
        ("commit", "" | "all") => desk.commit(rest == "all").await.map(done),
        ("look", look) => desk.look(look).await,
        ("history", question) => desk.history(question).await,
        ("exchanges", filter) => desk.exchanges(filter).await,
        ("respond", order) => desk.respond(user(uid), order).await,
        ("login", "") => desk.login(&user(uid)),
        ("incident", deed) => match self::deed(deed) {
            Some((id, deed)) => desk.incident(&user(uid), id, deed).await.map(done),
            None => Err(NO_SUCH.to_owned()),
        },
        ("discover", how) => match looking::parse(how) {
            Some(how) => looking::look(desk, how).await,
            None => Err(NO_SUCH.to_owned()),
        },
        ("reconciled", counts) => match reconciled(counts) {
            Some((name, counts)) => match desk.state.set_reconciliation(name, counts) {
                true => Ok(String::new()),
                false => Err("there are too many names of logs".to_owned()),
            },
            None => Err(NO_SUCH.to_owned()),
        },
        ("reconciliations", "") => {
            let all = desk.state.reconciliations();
            let all: Vec<_> = all.values().collect();
            serde_json::to_string(&all).map_err(|error| error.to_string())
        }
        _ => Err(NO_SUCH.to_owned()),
    }
}

/// `NAME COUNT...`, a count for each class.
fn reconciled(text: &str) -> Option<(String, [u64; Class::ALL.len()])> {
    let mut words = text.split_ascii_whitespace();
    let name = words.next().filter(|name| is_source(name))?;
    let mut counts = [0; Class::ALL.len()];
    for count in &mut counts {
        *count = words.next()?.parse().ok()?;
    }
    words.next().is_none().then(|| (name.to_owned(), counts))
}

/// Whether a log may bear this name in metrics.
pub fn is_source(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=32).contains(&name.len()) && name.bytes().all(plain)
}

/// `VERB ID [SECONDS]`
fn deed(text: &str) -> Option<(String, Deed)> {
    let mut words = text.split_ascii_whitespace();
    let (verb, id) = (words.next()?, words.next()?);
    let deed = match verb {
        "ack" => Deed::Ack,
        "close" => Deed::Close,
        "suppress" => Deed::Suppress {
            seconds: words.next()?.parse().ok()?,
        },
        _ => return None,
    };
    Some((id.to_owned(), deed))
}

/// The name of a user of this host, or its number.
fn user(uid: u32) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}
