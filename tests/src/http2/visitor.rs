//! A client that holds connections and asks when it is told to: what comes before and after something is known for sure.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use crate::namespace::Namespace;

const SCRIPT: &str = r#"
const http2 = require('http2');
const [base, count] = process.argv.slice(1);
const sessions = Array.from({ length: Number(count) }, () => http2.connect(base, { rejectUnauthorized: false }));
const ask = (session, fields) => new Promise((done, failed) => {
  const stream = session.request(fields);
  stream.on('error', failed).on('end', done).resume().end();
});
require('readline').createInterface({ input: process.stdin }).on('line', async (line) => {
  const [path, first, last, fill, key] = line.split(' ');
  const asked = [];
  for (let number = Number(first); number < Number(last); number++) {
    const fields = { ':path': path + number };
    if (key) fields['x-api-key'] = key;
    if (fill == 'fill') fields['x-fill'] = String(number).repeat(30);
    asked.push(ask(sessions[number % sessions.length], fields));
  }
  await Promise.all(asked);
  console.log('done');
});
"#;

/// A client of Node with connections that it keeps.
#[derive(Debug)]
pub struct Visitor {
    child: Child,
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
}

impl Visitor {
    /// Opens so many connections to a server, such as `http://10.77.0.1:80`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(namespace: &Namespace, base: &str, connections: usize) -> Self {
        let mut command = namespace.command("node");
        command.args(["-e", SCRIPT, base, &connections.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starting Node");
        let orders = child.stdin.take().expect("its input");
        let reports = BufReader::new(child.stdout.take().expect("its output"));
        Self {
            child,
            orders,
            reports,
        }
    }

    /// Asks for a path with each of these numbers at its end, all at once, over its connections in turn, and waits for the answers.
    /// `fill`: with a field that is another each time.
    ///
    /// # Panics
    /// When an answer does not come.
    pub fn ask(&mut self, key: &str, path: &str, numbers: std::ops::Range<u64>, fill: bool) {
        let fill = if fill { "fill" } else { "plain" };
        let (first, last) = (numbers.start, numbers.end);
        writeln!(self.orders, "{path} {first} {last} {fill} {key}").expect("telling Node");
        let mut report = String::new();
        self.reports.read_line(&mut report).expect("hearing Node");
        assert_eq!(report, "done\n");
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
