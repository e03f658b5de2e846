//! The way to the running daemon: one order, one answer, over the control socket.
//!
//! Invariant: an answer is bounded, in bytes and in time, whoever listens there.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::order::{Answer, Order};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// A longer answer is none: every action that there may be, and those that are over.
const LENGTH: usize = 32 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Nobody listens there.
    #[error("no daemon answers at {}: {error} (start it: `observer run`)", socket.display())]
    NoDaemon {
        /// The control socket.
        socket: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Only root and the daemon's own user are heard.
    #[error("the daemon hears only root and its own user: {0} (repeat it as root)")]
    NotHeard(io::Error),
    /// The daemon does not want to.
    #[error("{0}")]
    Refused(String),
    /// It began to answer, and did not end.
    #[error("the daemon did not answer: {0} (look at its log)")]
    Broken(io::Error),
    /// What it said is no answer.
    #[error("the daemon's answer cannot be read: {0} (is it of another version? restart it)")]
    Unreadable(serde_json::Error),
}

/// Sends an order to the daemon, and waits for its answer.
///
/// # Errors
/// Why there is none.
pub fn send(socket: &Path, order: &Order) -> Result<Answer, Unanswered> {
    send_within(socket, order, PATIENCE)
}

fn send_within(socket: &Path, order: &Order, patience: Duration) -> Result<Answer, Unanswered> {
    let order = serde_json::to_string(order).map_err(Unanswered::Unreadable)?;
    let answer = say(socket, &format!("respond {order}"), patience, LENGTH)?;
    serde_json::from_str(&answer).map_err(Unanswered::Unreadable)
}

/// Says one line to the daemon, and hears what it has to say to that: so many bytes, within so long.
///
/// # Errors
/// Why there is no answer.
pub fn say(
    socket: &Path,
    request: &str,
    patience: Duration,
    length: usize,
) -> Result<String, Unanswered> {
    let until = Instant::now() + patience;
    let stream = UnixStream::connect(socket).map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => Unanswered::NotHeard(error),
        _ => Unanswered::NoDaemon {
            socket: socket.to_owned(),
            error,
        },
    })?;
    let answer = exchange(stream, request, until, length).map_err(Unanswered::Broken)?;
    let answer = String::from_utf8_lossy(&answer);
    match answer.trim().strip_prefix("ok") {
        Some(more) => Ok(more.trim().to_owned()),
        None => {
            let why = answer.trim().trim_start_matches("failed: ");
            Err(Unanswered::Refused(why.to_owned()))
        }
    }
}

/// Says one line, and hears one.
fn exchange(
    mut stream: UnixStream,
    request: &str,
    until: Instant,
    length: usize,
) -> io::Result<Vec<u8>> {
    let left = |until: Instant| {
        let left = until.saturating_duration_since(Instant::now());
        // A timeout of zero is none at all to the system.
        (!left.is_zero())
            .then_some(left)
            .ok_or_else(|| io::Error::new(io::ErrorKind::TimedOut, "it takes too long"))
    };
    stream.set_write_timeout(Some(left(until)?))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let (mut answer, mut piece) = (Vec::new(), [0; 8_192]);
    loop {
        stream.set_read_timeout(Some(left(until)?))?;
        let read = match stream.read(&mut piece) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // The end of the timeout, whose own words say nothing.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                left(until)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        let piece = piece.get(..read).unwrap_or_default();
        answer.extend_from_slice(piece);
        if answer.len() > length {
            let why = format!("it says more than {length} bytes");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        if piece.contains(&b'\n') {
            return Ok(answer);
        }
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    /// What comes of it where somebody listens who says this.
    fn answered(says: &'static [u8], stays: bool) -> (Result<Answer, Unanswered>, String) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let daemon = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut heard, mut byte) = (Vec::new(), [0]);
            while stream.read_exact(&mut byte).is_ok() && byte != *b"\n" {
                heard.push(byte[0]);
            }
            stream.write_all(says).unwrap();
            if stays {
                thread::sleep(Duration::from_millis(400));
            }
            String::from_utf8(heard).unwrap()
        });
        let answer = send_within(&socket, &Order::Clear, Duration::from_millis(200));
        (answer, daemon.join().unwrap())
    }

    #[test]
    fn an_order_is_a_line_and_so_is_the_answer() {
        let (answer, heard) = answered(
            b"ok {\"actions\":[],\"radius\":null,\"notes\":[\"nothing was\"]}\n",
            false,
        );
        assert_eq!(heard, "respond \"clear\"");
        assert_eq!(answer.unwrap().notes, ["nothing was"]);
        let (answer, _) = answered(b"failed: no such action\n", false);
        assert!(matches!(answer, Err(Unanswered::Refused(why)) if why == "no such action"));
    }

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        for (says, stays) in [
            (&b""[..], true),
            (b"ok {\"actions\":[]", true),
            (b"ok {\"actions\":[]", false),
        ] {
            let (answer, _) = answered(says, stays);
            assert!(matches!(answer, Err(Unanswered::Broken(_))), "{answer:?}");
        }
        let (answer, _) = answered(b"ok nonsense\n", false);
        assert!(matches!(answer, Err(Unanswered::Unreadable(_))));
        let nowhere = send(Path::new("/nonexistent/socket"), &Order::List);
        assert!(matches!(nowhere, Err(Unanswered::NoDaemon { .. })));
    }
}
