//! The README's pictures, made of a replay of seeded traffic: they show what there is to see, and nothing that was drawn by hand.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::compile;
use crate::error::Error;
use crate::place::Place;
use crate::setup;
use crate::step;
use crate::toolchain::Kind;

/// What stands before the page's address in what a replay says.
const ADDRESS: &str = "the replay is on ";

/// A replay that ends with this value.
struct Replay(Child);

impl Drop for Replay {
    fn drop(&mut self) {
        // Asked to, it takes its ledger along.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// Builds, replays, and takes the pictures.
///
/// # Errors
/// When one of these fails.
pub fn take(place: &Place, wanted: Option<Kind>) -> Result<(), Error> {
    compile::all(place, wanted)?;
    setup::test(place)?;
    let own = place.own();
    let scene = own.join("scene");
    let folder = place.root.join("observer/dist/pictures");
    fs::create_dir_all(&folder).map_err(Error::file("making the pictures' folder", &folder))?;
    step::say("making the traffic that is shown");
    let mut bench = step::cargo();
    bench
        .args([
            "run",
            "--locked",
            "--quiet",
            "--release",
            "--package",
            "observer-tests",
        ])
        .args(["--bin", "bench", "--", "scene"])
        .arg(&scene)
        .env_remove("OBSERVER_KERNEL_OBJECT")
        .current_dir(&place.root);
    step::run("making the traffic that is shown", &mut bench)?;

    let config = scene.join("observer.toml");
    step::say("taking the pictures");
    let mut replay = Replay(
        Command::new(place.binary())
            .arg("replay")
            .arg(scene.join("akb.pcap"))
            .arg("--config")
            .arg(&config)
            .args(["--listen", "127.0.0.1:0", "--socket"])
            .arg(scene.join("observer.sock"))
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::file("replaying", &place.binary()))?,
    );
    let said = replay.0.stderr.take().map(BufReader::new);
    let mut lines = said
        .into_iter()
        .flat_map(BufRead::lines)
        .map_while(Result::ok);
    let address = lines.find_map(|line| {
        let (_, rest) = line.split_once(ADDRESS)?;
        Some(rest.split(' ').next()?.trim_end_matches('/').to_owned())
    });
    let Some(address) = address else {
        return Err(Error::Lacking {
            what: "taking the pictures",
            why: "the replay does not say where it is".to_owned(),
            remedy: "run it by hand: observer replay --listen".to_owned(),
        });
    };
    let mut camera = Command::new("node");
    camera
        .arg(place.root.join("tests/browser/pictures.cjs"))
        .args([&address])
        .arg(&folder)
        .arg(place.binary())
        .args(["top", "--config"])
        .arg(&config)
        .env("NODE_PATH", own.join("node/node_modules"));
    step::run("taking the pictures", &mut camera)
}
