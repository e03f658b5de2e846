//! Servers that speak HTTP/2, in the clear and over TLS, each with a log of its own: a line a request, with the port that it came to.

mod visitor;

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

pub use visitor::Visitor;

use crate::certificate;
use crate::https::{self, open_to_all};
use crate::namespace::Namespace;
use crate::nginx::{self, Logged};
use crate::process::{Process, wait_for};

/// Where nginx speaks it by prior knowledge.
pub const NGINX: u16 = 9111;
/// Where nginx speaks it over TLS.
pub const NGINX_TLS: u16 = 9112;
/// Where nginx speaks it to HAProxy, on the loopback interface.
pub const BEHIND: u16 = 9113;
/// Where HAProxy speaks it over TLS, in front of [`BEHIND`].
pub const HAPROXY_TLS: u16 = 9114;
/// Where Node speaks it by prior knowledge.
pub const NODE: u16 = 9115;
/// Where Node speaks it over TLS.
pub const NODE_TLS: u16 = 9116;
/// Where Apache speaks it by prior knowledge, or after an upgrade.
pub const APACHE: u16 = 9117;
/// Where Apache speaks it over TLS.
pub const APACHE_TLS: u16 = 9118;
/// Where Go speaks it over its own TLS.
pub const GO_TLS: u16 = 9119;

const NGINX_LINES: &str = r#"
  log_format own "$server_port $request_method $request_uri $status $body_bytes_sent $http_x_api_key";
  keepalive_requests 100000000;
  client_max_body_size 0;
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  server {
    listen NGINX http2;
    listen NGINX_TLS ssl http2;
    listen 127.0.0.1:BEHIND http2;
    access_log own.log own;
    location /v1/things/ { return 200 "of nginx"; }
    location /v1/secret { return 401; }
    location /v1/uploads/ { root stored; dav_methods PUT; create_full_put_path on; }
    # What returns at once reads no content; what passes it on does.
    location = /v1/orders { proxy_pass http://unix:FOLDER/orders; }
  }
  server { listen unix:FOLDER/orders; return 202; }
"#;

const HAPROXY_LINES: &str = r#"
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
  bind :HAPROXY_TLS ssl crt FOLDER/both.pem alpn h2
  http-request capture req.hdr(x-api-key) len 64
  log global
  log-format "%fp %HM %HPO %ST 0 %[capture.req.hdr(0)]"
  default_backend nginx
backend nginx
  server one 127.0.0.1:BEHIND proto h2
"#;

const NODE_LINES: &str = r#"
const fs = require('fs');
const http2 = require('http2');
const [folder, port, tlsPort] = process.argv.slice(2);
const log = fs.openSync(folder + '/own.log', 'a');
const options = { key: fs.readFileSync(folder + '/key.pem'), cert: fs.readFileSync(folder + '/cert.pem') };
const statusOf = (path) => path.startsWith('/v1/things/') ? 200 : path.startsWith('/v1/uploads/') ? 201 : path == '/v1/orders' ? 202 : path.startsWith('/v1/secret') ? 401 : 404;
const serve = (server, port) => server.on('stream', (stream, fields) => {
  stream.resume();
  stream.on('end', () => {
    const status = statusOf(fields[':path']);
    fs.writeSync(log, [port, fields[':method'], fields[':path'], status, 7, fields['x-api-key'] || '-'].join(' ') + '\n');
    const endStream = fields[':method'] == 'HEAD';
    const fill = fields['x-fill'] ? { 'x-fill': fields['x-fill'] } : {};
    stream.respond({ ':status': status, 'content-type': 'text/plain', ...fill }, { endStream });
    if (!endStream) stream.end('of Node');
  });
}).listen(Number(port));
serve(http2.createServer(), port);
serve(http2.createSecureServer(options), tlsPort);
"#;

const APACHE_LINES: &str = r#"
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
ServerName api.example
User nobody
Group nogroup
Listen APACHE
Listen APACHE_TLS https
PidFile FOLDER/httpd.pid
DocumentRoot FOLDER/www
ErrorLog FOLDER/apache.error
MaxKeepAliveRequests 0
Protocols h2 h2c http/1.1
H2Direct on
H2Upgrade on
SSLSessionCache shmcb:FOLDER/sessions(512000)
SSLCertificateFile FOLDER/cert.pem
SSLCertificateKeyFile FOLDER/key.pem
AliasMatch ^/v1/things/ FOLDER/www/item
RedirectMatch 401 ^/v1/secret
LogFormat "%{local}p %m %U %>s 0 %{X-API-Key}i" own
CustomLog FOLDER/own.log own
<VirtualHost *:APACHE_TLS>
SSLEngine on
</VirtualHost>
"#;

const GO_LINES: &str = r#"
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

func main() {
	folder, port := os.Args[1], os.Args[2]
	log, err := os.OpenFile(folder+"/own.log", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	var lock sync.Mutex
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		io.Copy(io.Discard, request.Body)
		status, path, key := 404, request.URL.Path, request.Header.Get("X-API-Key")
		for prefix, its := range map[string]int{"things": 200, "uploads": 201, "orders": 202, "secret": 401} {
			if strings.HasPrefix(path, "/v1/"+prefix) {
				status = its
			}
		}
		if key == "" {
			key = "-"
		}
		lock.Lock()
		fmt.Fprintln(log, port, request.Method, path, status, 0, key)
		lock.Unlock()
		answer.WriteHeader(status)
		fmt.Fprint(answer, "of Go")
	})
	panic(http.ListenAndServeTLS(":"+port, folder+"/cert.pem", folder+"/key.pem", nil))
}
"#;

/// The servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// nginx, on [`NGINX`], [`NGINX_TLS`] and [`BEHIND`].
    Nginx,
    /// HAProxy, on [`HAPROXY_TLS`].
    Haproxy,
    /// Node, on [`NODE`] and [`NODE_TLS`].
    Node,
    /// Apache, on [`APACHE`] and [`APACHE_TLS`].
    Apache,
    /// Go's `net/http`, on [`GO_TLS`].
    Go,
}

/// One of them, running.
#[derive(Debug)]
pub struct Server {
    _process: Process,
    folder: TempDir,
}

impl Server {
    /// Starts it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start(namespace: &Namespace, kind: Kind) -> Self {
        let folder = TempDir::new().expect("making a folder");
        open_to_all(folder.path());
        let (key, cert) = certificate::make(folder.path());
        let read = |path: &Path| fs::read_to_string(path).expect("reading a certificate");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).expect("writing a file");
        write("both.pem", &format!("{}{}", read(&cert), read(&key)));
        let log = File::create(path("own.log")).expect("making a file");
        let (mut command, port) = match kind {
            Kind::Nginx => {
                let lines = filled(NGINX_LINES, folder.path());
                fs::create_dir(path("stored")).expect("making a folder");
                let command = nginx::command(namespace, folder.path(), &lines);
                (command, NGINX_TLS)
            }
            Kind::Haproxy => {
                write("haproxy.cfg", &filled(HAPROXY_LINES, folder.path()));
                let mut command = namespace.command("/usr/sbin/haproxy");
                command.args(["-db", "-f"]).arg(path("haproxy.cfg"));
                command.stdout(log);
                (command, HAPROXY_TLS)
            }
            Kind::Node => {
                write("server.js", NODE_LINES);
                let mut command = namespace.command("node");
                command.arg(path("server.js")).arg(folder.path());
                command.args([NODE, NODE_TLS].map(|port| port.to_string()));
                (command, NODE_TLS)
            }
            Kind::Apache => {
                write("apache.conf", &filled(APACHE_LINES, folder.path()));
                fs::create_dir(path("www")).expect("making a folder");
                write("www/item", "of Apache");
                let mut command = namespace.command("/usr/sbin/apache2");
                let file = path("apache.conf");
                command.arg("-DFOREGROUND").arg("-f").arg(file);
                (command, APACHE_TLS)
            }
            Kind::Go => {
                let program = https::built_by_go(folder.path(), GO_LINES);
                let mut command = namespace.command(&program.display().to_string());
                command.arg(folder.path()).arg(GO_TLS.to_string());
                (command, GO_TLS)
            }
        };
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let process = Process::start(&mut command);
        let limit = Duration::from_secs(20);
        wait_for(&format!("{kind:?} to listen"), limit, || {
            let connect = || std::net::TcpStream::connect(("127.0.0.1", port)).ok();
            namespace.inside(connect)
        });
        Self {
            _process: process,
            folder,
        }
    }

    /// What it answered at a port.
    pub fn log(&self, port: u16) -> Vec<Logged> {
        let text = fs::read_to_string(self.folder.path().join("own.log")).unwrap_or_default();
        text.lines()
            .filter_map(|line| logged(line, &port.to_string()))
            .collect()
    }
}

/// A text with ports and a folder in place of their names.
fn filled(text: &str, folder: &Path) -> String {
    [
        // Those first whose names have another in them.
        ("NGINX_TLS", NGINX_TLS),
        ("HAPROXY_TLS", HAPROXY_TLS),
        ("APACHE_TLS", APACHE_TLS),
        ("APACHE", APACHE),
        ("NGINX", NGINX),
        ("BEHIND", BEHIND),
    ]
    .iter()
    .fold(text.to_owned(), |text, (name, port)| {
        text.replace(name, &port.to_string())
    })
    .replace("FOLDER", &folder.display().to_string())
}

/// Reads a line of a port; one that is not yet whole, or of another port, is none.
fn logged(line: &str, port: &str) -> Option<Logged> {
    let mut words = line.strip_prefix(port)?.strip_prefix(' ')?.split(' ');
    let (method, uri) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (status, body) = (words.next()?.parse().ok(), words.next()?.parse().ok()?);
    let key = words.next()?.to_owned();
    Some(Logged {
        method,
        uri,
        status,
        body,
        key: if key == "-" { String::new() } else { key },
    })
}

/// h2load in a namespace, quietly: `arguments` go to it, with the key, where it is not empty.
pub fn h2load(namespace: &Namespace, key: &str, arguments: &[&str]) -> Command {
    let mut command = with_key(namespace, "h2load", key);
    command.args(arguments).stdout(Stdio::null());
    command
}

/// nghttp in a namespace: it asks for what is added to its arguments on one connection.
pub fn nghttp(namespace: &Namespace, key: &str) -> Command {
    let mut command = with_key(namespace, "nghttp", key);
    command.args(["--null-out", "--timeout=20"]);
    command
}

fn with_key(namespace: &Namespace, program: &str, key: &str) -> Command {
    let mut command = namespace.command(program);
    if !key.is_empty() {
        command.arg(format!("--header=x-api-key: {key}"));
    }
    command
}
