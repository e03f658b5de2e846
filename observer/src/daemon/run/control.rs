//! The control socket: commands talk to the running daemon, one line each way. Only root and the daemon's own user are heard.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::respond::Asked;
use super::watch::Deed;
use super::{Order, looking};
use crate::daemon::responses::order as responses;
use crate::export::State;
use crate::store::Status;
use crate::usage::reconcile::Class;

/// How long a command may take to say what it wants, and the ledger to take a batch.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a request.
const REQUEST: u64 = 4096;
/// How often the ledger's progress is looked at.
const LOOK: Duration = Duration::from_millis(2);

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

/// Answers commands. `status` says how the ledger is doing.
pub async fn serve(
    listener: UnixListener,
    orders: Sender<Order>,
    status: impl Fn() -> Status + Clone + Send + Sync + 'static,
    state: Arc<State>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely: they may come back.
            tokio::time::sleep(PATIENCE).await;
            continue;
        };
        let own = rustix::process::geteuid().as_raw();
        let peer = stream.peer_cred().map(|peer| peer.uid()).ok();
        if let Some(uid) = peer.filter(|uid| *uid == 0 || *uid == own) {
            tokio::spawn(answer(
                stream,
                uid,
                orders.clone(),
                status.clone(),
                Arc::clone(&state),
            ));
        }
    }
}

async fn answer(
    mut stream: UnixStream,
    uid: u32,
    orders: Sender<Order>,
    status: impl Fn() -> Status,
    state: Arc<State>,
) {
    let (reading, mut writing) = stream.split();
    let mut line = String::new();
    let mut reading = tokio::io::AsyncReadExt::take(BufReader::new(reading), REQUEST);
    if !matches!(
        timeout(PATIENCE, reading.read_line(&mut line)).await,
        Ok(Ok(_))
    ) {
        return;
    }
    let said = match carry_out(line.trim(), uid, &orders, &status, &state).await {
        Ok(more) if more.is_empty() => "ok\n".to_owned(),
        Ok(more) => format!("ok {more}\n"),
        Err(why) => format!("failed: {}\n", why.replace('\n', " ")),
    };
    // Whoever asked may have gone.
    let _ = writing.write_all(said.as_bytes()).await;
}

/// Does what a line asks for. Returns what there is to say beyond that it was done.
async fn carry_out(
    request: &str,
    uid: u32,
    orders: &Sender<Order>,
    status: &impl Fn() -> Status,
    state: &State,
) -> Result<String, String> {
    let done = |()| String::new();
    if matches!(request, "commit" | "commit all") {
        return commit(orders, status, request != "commit").await.map(done);
    }
    if let Some((id, deed)) = request.strip_prefix("incident ").and_then(deed) {
        return incident(orders, status, id, deed).await.map(done);
    }
    if let Some(how) = request.strip_prefix("discover ").and_then(looking::parse) {
        return looking::look(orders, state, how).await;
    }
    if let Some(order) = request.strip_prefix("respond ") {
        return respond(orders, status, uid, order).await;
    }
    let (name, counts) = request
        .strip_prefix("reconciled ")
        .and_then(reconciled)
        .ok_or("no such request")?;
    if state.set_reconciliation(name, counts) {
        Ok(String::new())
    } else {
        Err("there are too many names of logs".to_owned())
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
        "ack" => Deed::Acknowledge,
        "close" => Deed::Close,
        "suppress" => Deed::Suppress(words.next()?.parse().ok()?),
        _ => return None,
    };
    Some((id.to_owned(), deed))
}

/// Does something about an incident, and brings that into the ledger.
async fn incident(
    orders: &Sender<Order>,
    status: &impl Fn() -> Status,
    id: String,
    deed: Deed,
) -> Result<(), String> {
    let stopping = || "the daemon is stopping".to_owned();
    let (sender, receiver) = oneshot::channel();
    orders
        .send(Order::Incident(id, deed, sender))
        .map_err(|_| stopping())?;
    if !receiver.await.map_err(|_| stopping())? {
        return Err("no incident of that id is open".to_owned());
    }
    commit(orders, status, false)
        .await
        .map_err(|why| format!("done, but a restart may forget it: {why}"))
}

/// Has something done about somebody, and brings that into the ledger.
async fn respond(
    orders: &Sender<Order>,
    status: &impl Fn() -> Status,
    uid: u32,
    order: &str,
) -> Result<String, String> {
    let stopping = || "the daemon is stopping".to_owned();
    let order: responses::Order =
        serde_json::from_str(order).map_err(|_| "no such request".to_owned())?;
    let looks = matches!(
        order,
        responses::Order::List | responses::Order::Act { dry_run: true, .. }
    );
    let (sender, receiver) = oneshot::channel();
    let asked = Asked {
        order,
        by: user(uid),
        answer: sender,
    };
    orders.send(Order::Respond(asked)).map_err(|_| stopping())?;
    let mut answer = receiver.await.map_err(|_| stopping())??;
    if !looks && let Err(why) = commit(orders, status, false).await {
        answer
            .notes
            .push(format!("done, but a restart may forget it: {why}"));
    }
    serde_json::to_string(&answer).map_err(|error| error.to_string())
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

/// Brings everything that was seen so far into the ledger; with `all`, baselines too.
async fn commit(
    orders: &Sender<Order>,
    status: &impl Fn() -> Status,
    all: bool,
) -> Result<(), String> {
    let (sender, receiver) = oneshot::channel();
    let order = if all {
        Order::CommitAll(sender)
    } else {
        Order::Commit(sender)
    };
    orders
        .send(order)
        .map_err(|_| "the daemon is stopping".to_owned())?;
    let number = receiver
        .await
        .map_err(|_| "the daemon is stopping".to_owned())?
        .map_err(|error| error.to_string())?;
    let taken = async {
        loop {
            let status = status();
            if status.batch >= number {
                return Ok(());
            }
            if let Some(trouble) = status.trouble {
                return Err(trouble);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    timeout(PATIENCE, taken)
        .await
        .unwrap_or_else(|_| Err("the ledger takes long".to_owned()))
}
