//! gRPC as it is in use: its own client and server, from PyPI, and nginx and HAProxy in front of them over TLS.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::certificate;
use crate::daemon::{KEYS, STRANGER};
use crate::https::open_to_all;
use crate::namespace::Namespace;
use crate::nginx;
use crate::process::{Process, run, wait_for};
use crate::require::interpreter;
use crate::tally::consumer;

/// Where the server speaks in the clear.
pub const PLAIN: u16 = 9121;
/// Where it speaks TLS itself, by a library that nobody can look into.
pub const OWN_TLS: u16 = 9122;
/// Where nginx speaks TLS in front of [`PLAIN`].
pub const NGINX: u16 = 9123;
/// Where HAProxy does.
pub const HAPROXY: u16 = 9124;

const SERVER: &str = r#"
import grpc, sys
from concurrent import futures

folder, plain, tls = sys.argv[1:]
log = open(folder + '/own.log', 'a', buffering=1)
codes = {code.value[0]: code for code in grpc.StatusCode}

# A line a call, when it is over: its port at the edge, key, method, code and messages each way. In one piece: print writes several.
def note(*words):
    log.write(' '.join(map(str, words)) + '\n')

class Call:
    def __init__(self, method, context):
        fields = dict(context.invocation_metadata())
        self.port, self.key = fields['x-port'], fields.get('x-api-key', '-')
        self.method, self.context = method, context
        self.code, self.asked, self.said = '-', 0, 0
        context.add_callback(self.note)

    def note(self):
        note(self.port, self.key, self.method, self.code, self.asked, self.said)

    def abort(self, code):
        self.code = code
        self.context.abort(codes[code], 'as told')

    def read(self, requests):
        for request in requests:
            self.asked += 1
            yield request

def unary(request, context):
    call = Call('Unary', context)
    call.asked = 1
    if call.key == '-':
        call.abort(16)
    call.said, call.code = 1, 0
    return request

def fail(request, context):
    call = Call('Fail', context)
    call.asked = 1
    call.abort(int(request))

def collect(requests, context):
    call = Call('Collect', context)
    count = sum(1 for _ in call.read(requests))
    call.said, call.code = 1, 0
    return b'%d' % count

def spread(request, context):
    call = Call('Spread', context)
    call.asked = 1
    for number in range(int(request)):
        call.said += 1
        yield b'x' * (number * 1000)
    call.code = 0

def chat(requests, context):
    call = Call('Chat', context)
    for request in call.read(requests):
        call.said += 1
        yield request
    call.code = 0

# As chat, and after more than one message the client gives it up: what a proxy makes of that is its own.
def leave(requests, context):
    call = Call('Leave', context)
    for request in call.read(requests):
        call.said += 1
        yield request
    if call.asked == 1:
        call.code = 0

class Absent(grpc.ServerInterceptor):
    def intercept_service(self, proceed, details):
        handler = proceed(details)
        if handler is None:
            fields = dict(details.invocation_metadata)
            # Whether the client's message comes before it is told is its own affair.
            note(fields['x-port'], fields.get('x-api-key', '-'), '-', 12, '-', 0)
        return handler

server = grpc.server(futures.ThreadPoolExecutor(64), interceptors=[Absent()])
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler('demo.Echo', {
    'Unary': grpc.unary_unary_rpc_method_handler(unary),
    'Fail': grpc.unary_unary_rpc_method_handler(fail),
    'Collect': grpc.stream_unary_rpc_method_handler(collect),
    'Spread': grpc.unary_stream_rpc_method_handler(spread),
    'Chat': grpc.stream_stream_rpc_method_handler(chat),
    'Leave': grpc.stream_stream_rpc_method_handler(leave),
}),))
read = lambda name: open(folder + '/' + name, 'rb').read()
server.add_insecure_port('0.0.0.0:' + plain)
server.add_secure_port('0.0.0.0:' + tls, grpc.ssl_server_credentials([(read('key.pem'), read('cert.pem'))]))
server.start()
server.wait_for_termination()
"#;

const CLIENT: &str = r#"
import grpc, sys, threading

port, certificate, *keys = sys.argv[1:]
address = '10.77.0.1:' + port
if certificate:
    trusted = grpc.ssl_channel_credentials(open(certificate, 'rb').read())
    channel = grpc.secure_channel(address, trusted, [('grpc.ssl_target_name_override', 'api.example')])
else:
    channel = grpc.insecure_channel(address)
ask = lambda kind, method: getattr(channel, kind)('/demo.Echo/' + method)
unary, fail, absent = (ask('unary_unary', method) for method in ('Unary', 'Fail', 'Absent'))
collect, spread = ask('stream_unary', 'Collect'), ask('unary_stream', 'Spread')
chat, leave = (ask('stream_stream', method) for method in ('Chat', 'Leave'))

def code_of(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code().value[0]
    return 0

def expect(code, call):
    got = code_of(call)
    assert got == code, (got, code)

for key in keys:
    own = dict(metadata=[('x-port', port)] + ([('x-api-key', key)] if key else []), timeout=20)
    allowed = 0 if key else 16
    for size in (0, 1, 100, 40_000, 200_000):
        expect(allowed, lambda: unary(b'x' * size, **own))
    expect(allowed, lambda: unary(b'x' * 5_000, compression=grpc.Compression.Gzip, **own))
    for code in range(1, 17):
        expect(code, lambda: fail(b'%d' % code, **own))
    expect(12, lambda: absent(b'', **own))
    for count in (0, 1, 7, 300):
        assert collect((b'x' * number for number in range(count)), **own) == b'%d' % count
        assert len(list(spread(b'%d' % min(count, 50), **own))) == min(count, 50)
        assert len(list(chat((b'x' * number for number in range(count)), **own))) == count
    # Given up after three messages each way; but before, so that the method is known to be there, one that is whole.
    assert list(leave(iter([b'one']), **own)) == [b'one']
    over = threading.Event()
    def three():
        yield from (b'one', b'two', b'three')
        over.wait()
    call = leave(three(), **own)
    assert [next(call) for _ in range(3)] == [b'one', b'two', b'three']
    call.cancel()
    over.set()

# Many at once on one connection, of every key in turn.
calls = []
for number in range(700):
    key = keys[number % len(keys)]
    fields = [('x-port', port)] + ([('x-api-key', key)] if key else [])
    calls.append((0 if key else 16, unary.future(b'x' * number, metadata=fields, timeout=20)))
for code, call in calls:
    expect(code, call.result)
channel.close()
"#;

const NGINX_LINES: &str = r#"
  client_max_body_size 0;
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  # So that it says goodbye once, in the midst of calls, which go to the next connection then.
  keepalive_requests 500;
  server { listen NGINX ssl http2; location / { grpc_pass grpc://127.0.0.1:PLAIN; } }
"#;

const HAPROXY_LINES: &str = r#"
global
  maxconn 500
defaults
  mode http
  timeout connect 2s
  timeout client 20s
  timeout server 20s
frontend edge
  bind :HAPROXY ssl crt FOLDER/both.pem alpn h2
  default_backend grpc
backend grpc
  server one 127.0.0.1:PLAIN proto h2
"#;

/// The route of what the client gives up.
pub const LEFT: &str = "demo.Echo/Leave";

/// A call, as its server or its record has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Call {
    /// Whose it is.
    pub consumer: String,
    /// `service/method`, or that there is none.
    pub route: String,
    /// `grpc-status`; `None`: the client gave it up.
    pub code: Option<u64>,
    /// Messages of the client; `None`: how many does not matter.
    pub asked: Option<u64>,
    /// Messages of the server.
    pub said: Option<u64>,
}

/// The server with the proxies in front of it.
#[derive(Debug)]
pub struct Server {
    _processes: [Process; 3],
    folder: TempDir,
}

impl Server {
    /// Starts them.
    ///
    /// # Panics
    /// When one does not start.
    pub fn start(namespace: &Namespace) -> Self {
        let folder = TempDir::new().expect("making a folder");
        open_to_all(folder.path());
        let (key, cert) = certificate::make(folder.path());
        let read = |path: &Path| fs::read_to_string(path).expect("reading a certificate");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).expect("writing a file");
        let filled = |text: &str| {
            let ports = [("PLAIN", PLAIN), ("NGINX", NGINX), ("HAPROXY", HAPROXY)];
            let text = ports.iter().fold(text.to_owned(), |text, (name, port)| {
                text.replace(name, &port.to_string())
            });
            text.replace("FOLDER", &folder.path().display().to_string())
        };
        write("both.pem", &format!("{}{}", read(&cert), read(&key)));
        write("server.py", SERVER);
        write("haproxy.cfg", &filled(HAPROXY_LINES));
        let mut server = namespace.command(&interpreter().display().to_string());
        server.arg(path("server.py")).arg(folder.path());
        server.args([PLAIN, OWN_TLS].map(|port| port.to_string()));
        let nginx = nginx::command(namespace, folder.path(), &filled(NGINX_LINES));
        let mut haproxy = namespace.command("/usr/sbin/haproxy");
        haproxy.args(["-db", "-f"]).arg(path("haproxy.cfg"));
        let errors = File::create(path("errors")).expect("making a file");
        let processes = [server, nginx, haproxy].map(|mut command| {
            let errors = errors.try_clone().expect("sharing a file");
            Process::start(
                command
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(errors),
            )
        });
        for port in [PLAIN, OWN_TLS, NGINX, HAPROXY] {
            let connect = || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
            wait_for(&format!("port {port}"), Duration::from_secs(20), || {
                namespace.inside(connect)
            });
        }
        Self {
            _processes: processes,
            folder,
        }
    }

    /// Makes calls of every kind to a port, with every key and none.
    ///
    /// # Panics
    /// When one does not end as it should.
    pub fn ask(&self, namespace: &Namespace, port: u16) {
        let mut command: Command = namespace.command(&interpreter().display().to_string());
        command.args(["-c", CLIENT, &port.to_string()]);
        if port == PLAIN {
            command.arg("");
        } else {
            command.arg(self.folder.path().join("cert.pem"));
        }
        command.args(KEYS.map(|(key, _)| key));
        run(command.args([STRANGER, ""]));
    }

    /// The calls that came in at a port.
    pub fn calls(&self, port: u16) -> Vec<Call> {
        let text = fs::read_to_string(self.folder.path().join("own.log")).unwrap_or_default();
        let port = port.to_string();
        text.lines()
            .filter_map(|line| logged(line, &port))
            .collect()
    }
}

/// Reads a line of a port; one that is not yet whole, or of another port, is none.
fn logged(line: &str, port: &str) -> Option<Call> {
    let words: Vec<&str> = line.split(' ').collect();
    let [of_port, key, method, code, asked, said] = *words.as_slice() else {
        return None;
    };
    (of_port == port).then(|| Call {
        consumer: consumer(if key == "-" { "" } else { key }).to_owned(),
        route: match method {
            "-" => "__other__".to_owned(),
            method => format!("demo.Echo/{method}"),
        },
        code: code.parse().ok(),
        asked: asked.parse().ok(),
        said: said.parse().ok(),
    })
}
