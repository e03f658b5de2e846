//! The traffic as files, for whoever wants to hold another system against it, or look at it: a capture, requests, what was planted,
//! and a configuration with which `observer replay` knows the keys.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use observer::identity::{Fingerprinter, Pepper};

use observer_ebpf::track::ORIGIN;
use observer_ebpf::wire::tcp;
use serde_json::json;

use super::labels::Label;
use super::population::Population;
use super::request::{Credential, Request, Way};
use super::wire::{PEPPER, PROXIES};

/// Bytes of a packet's payload: IPv4 takes little more.
const PAYLOAD: u64 = 65_000;
/// Bytes of a packet's headers: Ethernet, IPv4 and TCP without options.
const HEADERS: u32 = 14 + 20 + 20;

/// The files being written.
pub struct Emit {
    capture: BufWriter<File>,
    requests: BufWriter<File>,
    labels: BufWriter<File>,
}

/// Where a segment stands: its ends, the stream offsets of its first byte and of the other direction's next, and when it
/// passes (nanoseconds since 1970).
pub(super) struct Place {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub offset: u64,
    pub acked: u64,
    pub time: u64,
    /// When its connection began: what tells apart two that bear one name.
    pub birth: u64,
}

impl Emit {
    /// Makes `akb.pcap`, `requests.jsonl` and `labels.jsonl` in a folder.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn create(folder: &Path) -> io::Result<Self> {
        let make = |name: &str| File::create(folder.join(name)).map(BufWriter::new);
        let mut capture = make("akb.pcap")?;
        // Nanoseconds, version 2.4, Ethernet (draft-ietf-opsawg-pcap).
        for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 0x0004_0000, 1_u32] {
            capture.write_all(&word.to_le_bytes())?;
        }
        Ok(Self {
            capture,
            requests: make("requests.jsonl")?,
            labels: make("labels.jsonl")?,
        })
    }

    /// A configuration beside them, with the registry and the pepper that it takes.
    ///
    /// # Errors
    /// What the system refuses.
    pub(super) fn configure(folder: &Path, population: &Population) -> io::Result<()> {
        let fingerprinter = Fingerprinter::new(&Pepper::new(&mut { PEPPER }));
        let registry =
            population.registry(|secret| fingerprinter.fingerprint(secret.as_bytes()).to_string());
        let places = folder.join("registry.d");
        fs::create_dir_all(&places)?;
        fs::write(places.join("akb.toml"), registry)?;
        let pepper = folder.join("pepper");
        fs::write(&pepper, PEPPER)?;
        fs::set_permissions(&pepper, fs::Permissions::from_mode(0o600))?;
        let proxies: Vec<String> = PROXIES
            .iter()
            .map(|network| format!("{network:?}"))
            .collect();
        let proxies = proxies.join(", ");
        fs::write(
            folder.join("observer.toml"),
            format!(
                "[http]\ntrusted_proxies = [{proxies}]\n[identity]\ngateways = [{proxies}]\nregistry = {places:?}\n\
                 pepper_file = {pepper:?}\n[ledger]\npath = {:?}\n[control]\nsocket = {:?}\n",
                folder.join("ledger.sqlite"),
                folder.join("observer.sock")
            ),
        )
    }

    /// What was planted.
    pub(super) fn labels(&mut self, labels: &[Label], population: &Population) -> io::Result<()> {
        for label in labels {
            let line = json!({
                "class": format!("{:?}", label.class),
                "strength": format!("{:?}", label.strength),
                "from": label.from,
                "until": label.until,
                "rule": label.class.rule().map(|rule| rule.name()),
                "subject": label.subject(population),
            });
            writeln!(self.labels, "{line}")?;
        }
        Ok(())
    }

    /// One request with its answer.
    pub(super) fn request(&mut self, request: &Request) -> io::Result<()> {
        let key = match &request.credential {
            Credential::Key(key) | Credential::Query(_, key) | Credential::Signed(key, _) => {
                Some(key)
            }
            Credential::Basic(pair) => Some(pair),
            Credential::None => None,
        };
        let line = json!({
            "time": request.time,
            "client": request.client,
            "port": request.port,
            "tls": matches!(request.way, Way::Tls(_)),
            "host": request.host,
            "method": request.method,
            "target": request.target,
            "key": key,
            "status": request.status,
            "request_bytes": request.sent,
            "response_bytes": request.received,
            "duration": request.took,
        });
        writeln!(self.requests, "{line}")
    }

    /// The handshake of a connection.
    pub(super) fn open(
        &mut self,
        client: SocketAddr,
        server: SocketAddr,
        time: u64,
    ) -> io::Result<()> {
        let place = |from, to, offset, acked| Place {
            from,
            to,
            offset,
            acked,
            time,
            birth: time,
        };
        let before = ORIGIN - 1;
        self.packet(&place(client, server, before, 0), tcp::SYN, &[], 0)?;
        self.packet(
            &place(server, client, before, ORIGIN),
            tcp::SYN | tcp::ACK,
            &[],
            0,
        )?;
        self.packet(&place(client, server, ORIGIN, ORIGIN), tcp::ACK, &[], 0)
    }

    /// Bytes of one direction, of which only the first are there.
    pub(super) fn bytes(&mut self, place: &Place, start: &[u8], length: u64) -> io::Result<()> {
        let mut done = 0;
        while done < length {
            let part = (length - done).min(PAYLOAD);
            let start = if done == 0 { start } else { &[] };
            let at = Place {
                offset: place.offset + done,
                ..*place
            };
            self.packet(&at, tcp::ACK, start, part as u32)?;
            done += part;
        }
        Ok(())
    }

    fn packet(&mut self, place: &Place, flags: u8, start: &[u8], length: u32) -> io::Result<()> {
        let captured = HEADERS + start.len() as u32;
        let out = &mut self.capture;
        for word in [
            (place.time / 1_000_000_000) as u32,
            (place.time % 1_000_000_000) as u32,
            captured,
            HEADERS + length,
        ] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&[2; 12])?;
        out.write_all(&[8, 0, 0x45, 0])?;
        out.write_all(&((40 + length) as u16).to_be_bytes())?;
        out.write_all(&[0, 0, 0x40, 0, 64, 6, 0, 0])?;
        for end in [place.from, place.to] {
            let IpAddr::V4(address) = end.ip() else {
                return Err(io::ErrorKind::Unsupported.into());
            };
            out.write_all(&address.octets())?;
        }
        for end in [place.from, place.to] {
            out.write_all(&end.port().to_be_bytes())?;
        }
        out.write_all(&number(place.offset, place.birth))?;
        out.write_all(&number(place.acked, place.birth))?;
        out.write_all(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0])?;
        out.write_all(start)
    }

    /// Brings everything to the files.
    ///
    /// # Errors
    /// What the system refuses.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.capture.flush()?;
        self.requests.flush()?;
        self.labels.flush()
    }
}

/// The sequence number of a stream offset.
fn number(offset: u64, birth: u64) -> [u8; 4] {
    let first = (birth >> 20) as u32;
    (offset.wrapping_sub(ORIGIN) as u32)
        .wrapping_add(first)
        .to_be_bytes()
}
