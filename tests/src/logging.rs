//! nginx, HAProxy, Apache, Caddy and Envoy with access logs of their own, for the same items.
//!
//! The last digit of an item's number decides its status. Apache closes a connection with 503, and says 404 instead.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::namespace::Namespace;
use crate::nginx;
use crate::process::{Process, wait_for};
use crate::require::find;

/// Ports that they listen on.
pub const NGINX: u16 = 8010;
/// HAProxy, in front of an nginx without a log.
pub const HAPROXY: u16 = 8011;
/// Apache.
pub const APACHE: u16 = 8013;
/// Caddy.
pub const CADDY: u16 = 8014;
/// Envoy, in front of the same nginx.
pub const ENVOY: u16 = 8015;

const NGINX_CONFIG: &str = r#"
  log_format object escape=json '{"msec":"$msec","remote_addr":"$remote_addr","request":"$request","status":"$status","body_bytes_sent":$body_bytes_sent}';
  keepalive_requests 10000000;
  server {
    listen 8010;
    access_log nginx.log combined;
    access_log object.log object;
    location = /big { alias big; }
    location ~ ^/v1/items/\d+[0-6]$ { return 200 "$uri of nginx"; }
    location ~ ^/v1/items/\d+7$ { return 403 "no"; }
    location ~ ^/v1/items/\d+8$ { return 409 "not now"; }
    location ~ ^/v1/items/\d+9$ { return 503 "not at all"; }
  }
  server {
    listen 127.0.0.1:8012;
    location ~ ^/v1/items/\d+[0-6]$ { return 200 "$uri of nginx"; }
    location ~ ^/v1/items/\d+7$ { return 403 "no"; }
    location ~ ^/v1/items/\d+8$ { return 409 "not now"; }
    location ~ ^/v1/items/\d+9$ { return 503 "not at all"; }
  }
"#;

const HAPROXY_CONFIG: &str = "
global
  maxconn 500
  # Of two threads that log to one file at the same time, one drops its line.
  nbthread 1
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 2s
  timeout client 20s
  timeout server 20s
frontend edge
  bind :8011
  default_backend nginx
backend nginx
  http-reuse always
  server one 127.0.0.1:8012
";

const APACHE_CONFIG: &str = r#"
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
ServerName api.example
User nobody
Group nogroup
Listen 8013
PidFile FOLDER/httpd.pid
DocumentRoot FOLDER/www
ErrorLog FOLDER/apache.error
KeepAlive On
MaxKeepAliveRequests 0
LogFormat "%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"" combined
CustomLog FOLDER/apache.log combined
RewriteEngine On
RewriteRule ^/v1/items/\d+[0-6]$ /item [L]
RewriteRule ^/v1/items/\d+7$ - [R=403,L]
RewriteRule ^/v1/items/\d+8$ - [R=409,L]
RewriteRule ^/v1/items/\d+9$ - [R=404,L]
"#;

const CADDY_CONFIG: &str = r#"
{
  admin off
  auto_https off
  persist_config off
}
:8014 {
  log {
    output file FOLDER/caddy.log
    format json
  }
  @no path_regexp ^/v1/items/\d+7$
  @not_now path_regexp ^/v1/items/\d+8$
  @not_at_all path_regexp ^/v1/items/\d+9$
  respond @no "no" 403
  respond @not_now "not now" 409
  respond @not_at_all "not at all" 503
  respond "of Caddy" 200
}
"#;

/// The log has the names that Envoy's documentation gives them.
const ENVOY_CONFIG: &str = r#"
static_resources:
  listeners:
  - address: { socket_address: { address: 0.0.0.0, port_value: 8015 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: edge
          access_log:
          - name: envoy.access_loggers.file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: FOLDER/envoy.log
              log_format:
                json_format:
                  start_time: "%START_TIME%"
                  method: "%REQ(:METHOD)%"
                  path: "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"
                  protocol: "%PROTOCOL%"
                  response_code: "%RESPONSE_CODE%"
                  bytes_sent: "%BYTES_SENT%"
                  duration: "%DURATION%"
                  downstream_remote_address: "%DOWNSTREAM_REMOTE_ADDRESS%"
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: "/" }
                route: { cluster: nginx }
  clusters:
  - name: nginx
    type: STATIC
    load_assignment:
      cluster_name: nginx
      endpoints:
      - lb_endpoints:
        - endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 8012 } } }
"#;

/// All of them, running.
#[derive(Debug)]
pub struct Servers {
    _processes: [Process; 5],
    folder: TempDir,
}

impl Servers {
    /// Starts them.
    ///
    /// # Panics
    /// When one does not start.
    pub fn start(namespace: &Namespace) -> Self {
        let folder = TempDir::new().expect("making a folder");
        // Apache serves as nobody.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))
            .expect("opening the folder");
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).expect("writing a file");
        let place = folder.path().display().to_string();
        write("big", &"x".repeat(16 << 20));
        write("haproxy.cfg", HAPROXY_CONFIG);
        write("apache.conf", &APACHE_CONFIG.replace("FOLDER", &place));
        fs::create_dir(path("www")).expect("making a folder");
        write("www/item", "of Apache");
        let log = fs::File::create(path("haproxy.log")).expect("making a file");
        let quiet = |command: &mut std::process::Command| {
            command.stdin(Stdio::null()).stderr(Stdio::null());
        };
        let mut nginx = nginx::command(namespace, folder.path(), NGINX_CONFIG);
        let mut haproxy = namespace.command("/usr/sbin/haproxy");
        haproxy
            .args(["-db", "-f"])
            .arg(path("haproxy.cfg"))
            .stdout(log);
        quiet(&mut haproxy);
        let mut apache = namespace.command("/usr/sbin/apache2");
        apache
            .arg("-DFOREGROUND")
            .arg("-f")
            .arg(path("apache.conf"));
        quiet(&mut apache);
        write("Caddyfile", &CADDY_CONFIG.replace("FOLDER", &place));
        let found = |name| find(name).expect("an installed program");
        let mut caddy = namespace.command(&found("caddy").display().to_string());
        caddy
            .args(["run", "--config"])
            .arg(path("Caddyfile"))
            .env("HOME", folder.path());
        quiet(&mut caddy);
        write("envoy.yaml", &ENVOY_CONFIG.replace("FOLDER", &place));
        let mut envoy = namespace.command(&found("envoy").display().to_string());
        // It writes its log by the second, not by the ten seconds.
        envoy
            .args([
                "--concurrency",
                "2",
                "--file-flush-interval-msec",
                "1000",
                "-c",
            ])
            .arg(path("envoy.yaml"));
        quiet(&mut envoy);
        let processes = [
            &mut nginx,
            &mut haproxy,
            &mut apache,
            &mut caddy,
            &mut envoy,
        ]
        .map(Process::start);
        for port in [NGINX, HAPROXY, APACHE, CADDY, ENVOY] {
            wait_for(&format!("port {port}"), Duration::from_secs(10), || {
                namespace.inside(|| std::net::TcpStream::connect(("127.0.0.1", port)).ok())
            });
        }
        Self {
            _processes: processes,
            folder,
        }
    }

    /// A log: `nginx.log`, `object.log`, `haproxy.log`, `apache.log`, `caddy.log` or `envoy.log`.
    pub fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}
