//! Which toolchain is taken, by what is there.

use super::*;

fn debian() -> Probe {
    Probe {
        debian: Some("rustc 1.96.0".to_owned()),
        ..Probe::default()
    }
}

fn nightly() -> Probe {
    Probe {
        nightly: Some("rustc 1.97.0-nightly".to_owned()),
        nightly_source: true,
        rustup: true,
        ..Probe::default()
    }
}

fn with_linker(probe: Probe) -> Probe {
    Probe {
        linker: Some(PathBuf::from("/usr/bin/bpf-linker")),
        ..probe
    }
}

fn both() -> Probe {
    Probe {
        debian: debian().debian,
        ..nightly()
    }
}

fn taken(probe: &Probe) -> Option<(Kind, Vec<Part>)> {
    choose(probe, None).map(|choice| (choice.kind, choice.missing))
}

#[test]
fn what_is_complete_is_taken_as_it_is() {
    assert_eq!(taken(&with_linker(debian())), Some((Kind::Debian, vec![])));
    assert_eq!(
        taken(&with_linker(nightly())),
        Some((Kind::Nightly, vec![]))
    );
    assert_eq!(taken(&with_linker(both())), Some((Kind::Debian, vec![])));
}

#[test]
fn a_complete_nightly_goes_before_packages_that_would_have_to_be_installed() {
    let probe = Probe {
        debian_offered: true,
        ..with_linker(nightly())
    };
    assert_eq!(taken(&probe), Some((Kind::Nightly, vec![])));
}

#[test]
fn a_nightly_without_its_source_does_not_count() {
    let probe = Probe {
        nightly_source: false,
        ..with_linker(both())
    };
    assert_eq!(taken(&probe), Some((Kind::Debian, vec![])));
    let probe = Probe {
        nightly_source: false,
        debian_offered: true,
        ..with_linker(nightly())
    };
    assert_eq!(
        taken(&probe),
        Some((Kind::Debian, vec![Part::DebianCompiler]))
    );
}

#[test]
fn a_fresh_debian_installs_everything() {
    let probe = Probe {
        debian_offered: true,
        rustup: true,
        ..Probe::default()
    };
    assert_eq!(
        taken(&probe),
        Some((Kind::Debian, vec![Part::DebianCompiler, Part::Linker]))
    );
}

#[test]
fn elsewhere_rustup_brings_the_compiler() {
    let probe = Probe {
        rustup: true,
        ..Probe::default()
    };
    assert_eq!(
        taken(&probe),
        Some((Kind::Nightly, vec![Part::NightlySource, Part::Linker]))
    );
}

#[test]
fn with_neither_there_is_no_choice() {
    assert_eq!(choose(&Probe::default(), None), None);
    assert_eq!(choose(&with_linker(Probe::default()), None), None);
}

#[test]
fn what_was_asked_for_is_taken_and_completed() {
    let choice = choose(&with_linker(debian()), Some(Kind::Nightly));
    assert_eq!(
        choice,
        Some(Choice {
            kind: Kind::Nightly,
            reason: "as asked for".to_owned(),
            missing: vec![Part::NightlySource]
        })
    );
}

#[test]
fn the_host_toolchains_libraries_are_left_out_and_others_kept() {
    let path = OsString::from("/root/.rustup/toolchains/stable/lib:/opt/llvm/lib:");
    assert_eq!(
        foreign_libraries(&path),
        Some(OsString::from("/opt/llvm/lib"))
    );
    assert_eq!(
        foreign_libraries(&OsString::from("/root/.rustup/toolchains/stable/lib")),
        None
    );
}
