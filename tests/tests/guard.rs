//! The program that refuses requests, run on packets of ours by `BPF_PROG_TEST_RUN`; it is attached to nothing.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops with what went wrong"
)]

use aya::programs::{SchedClassifier, Xdp};
use observer::identity::spelling::SpellingKey;
use observer::kernel::object::{self, Settings};
use observer_ebpf::abi::program;
use observer_tests::require::require;

#[test]
fn loads() {
    if !require(&[]) {
        return;
    }
    let settings = Settings {
        ring_bytes: 1 << 16,
        ports: Vec::new(),
        tls: false,
        tls_ports: Vec::new(),
        spelling: SpellingKey::default(),
        log: false,
    };
    let (mut object, _rings) = object::load(&settings, None).expect("loading the object");
    for name in [program::GUARD, program::GUARD_IP] {
        let classifier: &mut SchedClassifier = object
            .program_mut(name)
            .expect("a classifier")
            .try_into()
            .expect("a classifier");
        if let Err(error) = classifier.load() {
            panic!("{name}: {error:?}");
        }
    }
    for name in [program::SHIELD, program::SHIELD_GENERIC] {
        let xdp: &mut Xdp = object
            .program_mut(name)
            .expect("a program for XDP")
            .try_into()
            .expect("XDP");
        xdp.load().expect("loading XDP");
    }
}
