//! Servers of every kind that speak TLS through OpenSSL or Go, each with a count of its own: a line a request, with its key and status.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::certificate;
use crate::namespace::Namespace;
use crate::nginx;
use crate::process::{Process, run, wait_for};
use crate::require::{find, target};

const NGINX: &str = r#"
  log_format own "$http_x_api_key $status";
  keepalive_requests 1000000;
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  ssl_protocols TLSv1.2 TLSv1.3;
  server { listen PORT ssl; access_log own.log own; location / { return 200 "of nginx"; } }
"#;

const APACHE: &str = r#"
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
ServerName api.example
User nobody
Group nogroup
Listen PORT
PidFile FOLDER/httpd.pid
DocumentRoot FOLDER/www
ErrorLog FOLDER/apache.error
KeepAlive On
MaxKeepAliveRequests 0
SSLEngine on
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLSessionCache shmcb:FOLDER/sessions(512000)
SSLCertificateFile FOLDER/cert.pem
SSLCertificateKeyFile FOLDER/key.pem
AliasMatch ^/ FOLDER/www/item
LogFormat "%{X-API-Key}i %>s" own
CustomLog FOLDER/own.log own
"#;

const HAPROXY: &str = r#"
global
  maxconn 500
  # Of two threads that log to one file at the same time, one drops its line.
  nbthread 1
  log stdout format raw local0
defaults
  mode http
  timeout connect 2s
  timeout client 20s
  timeout server 20s
frontend edge
  bind :PORT ssl crt FOLDER/both.pem ssl-min-ver TLSv1.2
  http-request capture req.hdr(x-api-key) len 64
  log global
  log-format "%[capture.req.hdr(0)] %ST"
  http-request return status 200 content-type text/plain string "of HAProxy"
"#;

const NODE: &str = r#"
const fs = require('fs');
const https = require('https');
const [port, folder] = process.argv.slice(2);
const log = fs.openSync(folder + '/own.log', 'a');
const options = { key: fs.readFileSync(folder + '/key.pem'), cert: fs.readFileSync(folder + '/cert.pem'), keepAliveTimeout: 60000 };
https.createServer(options, (request, response) => {
  fs.writeSync(log, request.headers['x-api-key'] + ' 200\n');
  response.end('of Node');
}).listen(Number(port));
"#;

const PYTHON: &str = r#"
import http.server, ssl, sys
port, folder = sys.argv[1:]
log = open(folder + '/own.log', 'a', buffering=1)
class Own(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    # Head and body together: sent apart, they would wait for each other's acknowledgement.
    wbufsize = 65536
    def do_GET(self):
        log.write(self.headers['x-api-key'] + ' 200\n')
        body = b'of Python'
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
    def log_message(self, *_):
        pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + '/cert.pem', folder + '/key.pem')
class Server(http.server.ThreadingHTTPServer):
    # Handshakes are made by the connection's own thread.
    def get_request(self):
        plain, address = self.socket.accept()
        return context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False), address
Server.request_queue_size = 128
Server(('', int(port)), Own).serve_forever()
"#;

const GO: &str = r#"
package main

import (
	"fmt"
	"net/http"
	"os"
	"sync"
)

func main() {
	folder := os.Args[2]
	log, err := os.OpenFile(folder+"/own.log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	var lock sync.Mutex
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		lock.Lock()
		fmt.Fprintf(log, "%s 200\n", request.Header.Get("X-API-Key"))
		lock.Unlock()
		fmt.Fprint(answer, "of Go")
	})
	panic(http.ListenAndServeTLS(":"+os.Args[1], folder+"/cert.pem", folder+"/key.pem", nil))
}
"#;

/// The servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// nginx.
    Nginx,
    /// Apache.
    Apache,
    /// HAProxy.
    Haproxy,
    /// Node, with the OpenSSL that it carries.
    Node,
    /// Python's `http.server`.
    Python,
    /// Go's `net/http`, of a program without symbols.
    Go,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Nginx,
        Self::Apache,
        Self::Haproxy,
        Self::Node,
        Self::Python,
        Self::Go,
    ];

    /// The port that it listens on.
    pub fn port(self) -> u16 {
        match self {
            Self::Nginx => 9101,
            Self::Apache => 9102,
            Self::Haproxy => 9103,
            Self::Node => 9104,
            Self::Python => 9105,
            Self::Go => 9106,
        }
    }
}

/// One of them, running.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    process: Process,
    folder: TempDir,
}

impl Server {
    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(namespace: &Namespace, kind: Kind) -> Self {
        Self::start_with(namespace, kind, None)
    }

    /// Starts it on the libraries of a folder, where it has what it needs.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with(namespace: &Namespace, kind: Kind, libraries: Option<&Path>) -> Self {
        let folder = TempDir::new().expect("making a folder");
        open_to_all(folder.path());
        let (key, cert) = certificate::make(folder.path());
        let read = |path: &Path| fs::read_to_string(path).expect("reading a certificate");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).expect("writing a file");
        write("both.pem", &format!("{}{}", read(&cert), read(&key)));
        let place = folder.path().display().to_string();
        let port = kind.port().to_string();
        let filled = |text: &str| text.replace("PORT", &port).replace("FOLDER", &place);
        let script = |program: &str, name: &str, text: &str| {
            write(name, text);
            let mut command = namespace.command(program);
            command.arg(path(name)).args([&port, &place]);
            command
        };
        let mut command = match kind {
            Kind::Nginx => nginx::command(namespace, folder.path(), &filled(NGINX)),
            Kind::Apache => {
                write("apache.conf", &filled(APACHE));
                fs::create_dir(path("www")).expect("making a folder");
                write("www/item", "of Apache");
                let mut command = namespace.command("/usr/sbin/apache2");
                command
                    .arg("-DFOREGROUND")
                    .arg("-f")
                    .arg(path("apache.conf"));
                command
            }
            Kind::Haproxy => {
                write("haproxy.cfg", &filled(HAPROXY));
                let mut command = namespace.command("/usr/sbin/haproxy");
                command.args(["-db", "-f"]).arg(path("haproxy.cfg"));
                command.stdout(File::create(path("own.log")).expect("making a file"));
                command
            }
            Kind::Node => script("node", "server.js", NODE),
            Kind::Python => script("python3", "server.py", PYTHON),
            Kind::Go => {
                let program = built_by_go(folder.path(), GO);
                let mut command = namespace.command(&program.display().to_string());
                command.args([&port, &place]);
                command
            }
        };
        if let Some(libraries) = libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(&mut command);
        let server = Self {
            kind,
            process,
            folder,
        };
        wait_for(
            &format!("{kind:?} to listen"),
            Duration::from_secs(20),
            || {
                let address = ("127.0.0.1", kind.port());
                namespace.inside(|| std::net::TcpStream::connect(address).ok())
            },
        );
        server
    }

    /// Which one it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Requests that it answered, by their key.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        let text = fs::read_to_string(self.folder.path().join("own.log")).unwrap_or_default();
        let mut counts = BTreeMap::new();
        for key in text.lines().filter_map(|line| line.strip_suffix(" 200")) {
            *counts.entry(key.to_owned()).or_default() += 1;
        }
        counts
    }
}

/// Compiles a program of Go in a folder, without symbols.
///
/// # Panics
/// When it cannot be compiled.
pub(crate) fn built_by_go(folder: &Path, text: &str) -> PathBuf {
    let [program, source] = ["server", "server.go"].map(|name| folder.join(name));
    fs::write(&source, text).expect("writing a file");
    run(Command::new("go")
        .args(["build", "-ldflags=-s -w", "-o"])
        .args([&program, &source])
        .env("GO111MODULE", "off")
        .env("GOFLAGS", "")
        .env("GOCACHE", target().join("xtask/go-cache"))
        .env("HOME", folder));
    program
}

/// Workers that run as nobody read their files.
pub(crate) fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("opening the folder");
}

/// A configuration of OpenSSL that allows no version above 1.2, for clients that have no such option.
///
/// # Panics
/// When it cannot be written.
pub fn at_most_1_2(folder: &Path) -> PathBuf {
    let place = folder.join("openssl.cnf");
    let text = "openssl_conf = all\n[all]\nssl_conf = ssl\n[ssl]\nsystem_default = versions\n[versions]\nMaxProtocol = TLSv1.2\n";
    fs::write(&place, text).expect("writing a configuration");
    place
}

/// The name of processes of [`python_client`].
pub const ASKER: &str = "asker";

/// What keeps secrets of clients, which run on the same host, out of it: servers are to be read by their own.
pub fn servers_only() -> String {
    format!("[tls]\nexcept = [\"curl\", \"wrk\", \"h2load\", \"nghttp\", \"{ASKER}\"]\n")
}

/// A client in Python that asks so many times on one connection, under a name of its own.
///
/// # Panics
/// When it cannot be given that.
pub fn python_client(
    namespace: &Namespace,
    folder: &Path,
    port: u16,
    key: &str,
    (count, version): (usize, &str),
) -> Command {
    let script = format!(
        "import http.client, ssl\n\
         context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)\n\
         context.check_hostname = False\n\
         context.verify_mode = ssl.CERT_NONE\n\
         context.maximum_version = ssl.TLSVersion.{version}\n\
         connection = http.client.HTTPSConnection('10.77.0.1', {port}, context=context)\n\
         for number in range({count}):\n    \
             connection.request('GET', '/v1/things/%d' % number, headers={{'X-API-Key': '{key}'}})\n    \
             connection.getresponse().read()\n"
    );
    let asker = folder.join(ASKER);
    if !asker.exists() {
        let python = find("python3").and_then(|path| path.canonicalize().ok());
        std::os::unix::fs::symlink(python.expect("Python"), &asker).expect("making a link");
    }
    let mut command = namespace.command(&asker.display().to_string());
    command.args(["-c", &script]);
    command
}

/// Copies the libraries of OpenSSL into a folder, in place of what is there, as an upgrade does.
///
/// # Panics
/// When there are none.
pub fn upgrade(folder: &Path) {
    let places = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"];
    for name in ["libcrypto.so.3", "libssl.so.3"] {
        let library = places
            .iter()
            .map(|place| Path::new(place).join(name))
            .find(|path| path.exists());
        let fresh = folder.join(format!("{name}.new"));
        fs::copy(library.expect("OpenSSL"), &fresh).expect("copying a library");
        fs::rename(fresh, folder.join(name)).expect("moving a library");
    }
}
