use super::files::pepper_from;
use super::*;
use crate::identity::Pepper;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const SHIPPED: &str = include_str!("../../../dist/observer.toml");

fn fault(text: &str) -> String {
    Config::parse(text).unwrap_err().to_string()
}

#[test]
fn an_empty_file_and_the_shipped_file_are_the_defaults() {
    assert_eq!(Config::parse("").unwrap(), Config::default());
    assert_eq!(Config::parse(SHIPPED).unwrap(), Config::default());
}

#[test]
fn every_line_of_the_shipped_file_is_valid_when_uncommented_and_shows_the_default() {
    let setting = |line: &str| {
        line.starts_with('[')
            || line
                .split_once(" = ")
                .is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    };
    let lines = SHIPPED.lines().map(|line| {
        line.strip_prefix("# ")
            .filter(|line| setting(line))
            .unwrap_or(line)
    });
    let mut config = Config::parse(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(
        (
            config.api.len(),
            config.identity.credential.len(),
            config.seller.country.as_deref()
        ),
        (1, 6, Some("DE"))
    );
    config.api.clear();
    config.identity.credential.clear();
    config.seller = Seller::default();
    assert!(config.incidents.webhook.is_some() && config.incidents.alertmanager.is_some());
    config.incidents = Incidents::default();
    assert_eq!(config, Config::default());
}

#[test]
fn what_is_shown_is_read_back_and_names_every_default() {
    let text = r#"
        [capture]
        interfaces = ["eth0"]
        mode = "xdp-generic"
        ring_bytes = 4097
        [http]
        trusted_proxies = ["10.0.0.0/8", "2001:db8::1"]
        [[api]]
        name = "orders"
        hosts = ["API.example", "[2001:db8::1]"]
        base_path = "/v1/"
        public = ["GET /v1/status"]
        [[identity.credential]]
        path = "/bot{key}/"
        [records]
        keep = "36h"
        [response]
        allow = ["acme", "192.0.2.0/24"]
    "#;
    let config = Config::parse(text).unwrap();
    assert_eq!(
        (&*config.api[0].hosts[0], &*config.api[0].base_path),
        ("api.example", "/v1")
    );
    assert_eq!(Config::parse(&config.show()).unwrap().show(), config.show());
    let shown = Config::default().show();
    for line in [
        "ring_bytes = \"64MiB\"",
        "listen = \"127.0.0.1:9464\"",
        "keep = \"7d\"",
        "max_bytes = \"4GiB\"",
        "file_bytes = \"256MiB\"",
        "targets = \"path\"",
        "cpu_limit = 0.5",
        "mode = \"observe\"",
        "refuse = \"answer\"",
        "on_stop = \"keep\"",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
}

#[test]
fn an_error_names_file_line_and_the_nearest_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("observer.toml");
    fs::write(&file, "# mine\n[capture]\ninterface = [\"eth0\"]\n").unwrap();
    let error = Config::load(Some(&file)).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{}: line 3: unknown name `interface` in [capture] (did you mean `interfaces`?)",
            file.display()
        )
    );
    let missing = folder.path().join("none.toml");
    assert!(
        Config::load(Some(&missing))
            .unwrap_err()
            .to_string()
            .starts_with(&format!("{}: cannot be read: ", missing.display()))
    );
}

#[test]
fn every_value_is_checked_on_its_line() {
    for (text, start) in [
        (
            "[capture]\nmode = \"xpd\"",
            "line 2: unknown value `xpd` (did you mean `xdp`?)",
        ),
        (
            "[capture]\ninterfaces = [\"a/b\"]",
            "line 2: `a/b` is no name of an interface",
        ),
        ("[capture]\nports = [80, 70000]", "line 2: 70000 is no port"),
        (
            "[capture]\nring_bytes = \"64MB\"",
            "line 2: `64MB` is no size",
        ),
        (
            "[capture]\nring_bytes = 1",
            "line 2: 1B is out of range: 4KiB to 8GiB",
        ),
        (
            "[capture]\nring_bytes = \"99999999999GiB\"",
            "line 2: `99999999999GiB` is no size",
        ),
        ("[capture]\ncpu_limit = nan", "line 2: NaN is out of range"),
        ("[capture]\ncpu_limit = 0", "line 2: "),
        ("[http]\nmax_head_bytes = 3", "line 2: 3B is out of range"),
        (
            "[http]\ntrusted_proxies = [\n\"10.0.0.0/8\",\n\"10.0.0.1/8\"]",
            "line 2: `10.0.0.1/8` has bits set outside its mask: did you mean 10.0.0.0/8?",
        ),
        (
            "[http]\ntrusted_proxies = [\"proxy\"]",
            "line 2: `proxy` is no network",
        ),
        (
            "[metrics]\nlisten = \"9464\"",
            "line 2: `9464` is no address with a port",
        ),
        ("[metrics]\nmax_series = -1", "line 2: -1 is out of range"),
        (
            "[privacy]\ntargets = \"all\"",
            "line 2: unknown value `all`",
        ),
        (
            "[records]\nkeep = \"7 days\"",
            "line 2: `7 days` is no length of time",
        ),
        (
            "[seller]\ncurrency = \"euro\"",
            "line 2: `euro` is not a currency",
        ),
        (
            "[response]\nallow = [\"Not An Id\"]",
            "line 2: `Not An Id` is neither a network",
        ),
        (
            "[response]\nrefuse = \"teapot\"",
            "line 2: unknown value `teapot` (valid: `answer`, `reset`)",
        ),
        (
            "[response]\non_stop = \"end\"",
            "line 2: unknown value `end` (valid: `keep`, `clear`)",
        ),
        ("[control]\nsocket = \"\"", "line 2: `` is no path"),
        (
            "[[api]]\nname = \"__other__\"",
            "line 2: the id `__other__` is reserved",
        ),
        ("[[api]]\nhosts = []", "line 1: missing field `name`"),
        (
            "[[api]]\nname = \"a\"\nhosts = [\"http://a\"]",
            "line 3: `http://a` is no host",
        ),
        (
            "[[api]]\nname = \"a\"\nbase_path = \"v1\"",
            "line 3: `v1` is no base_path",
        ),
        (
            "[[api]]\nname = \"a\"\npublic = [\"/status\"]",
            "line 3: `/status` is no operation",
        ),
        (
            "[[api]]\nname = \"a\"\n[[api]]\nname = \"a\"",
            "line 4: a second [[api]] named `a`",
        ),
        (
            "[[api]]\nname = \"a\"\n[[api]]\nname = \"b\"",
            "line 4: [[api]] `b` has a host and base_path of `a`",
        ),
        (
            "[[identity.credential]]\nheader = \"a b\"",
            "line 1: `a b` is no name of a header field",
        ),
        (
            "[[identity.credential]]",
            "line 1: [[identity.credential]] needs exactly one of",
        ),
        (
            "[[identity.credential]]\nheader = \"a\"\nquery = \"b\"",
            "line 1: [[identity.credential]] needs exactly one of",
        ),
        (
            "[[identity.credential]]\npath = \"/bot/\"",
            "line 1: path pattern `/bot/` needs {key} exactly once",
        ),
        (
            "[[identity.credential]]\nheadr = \"a\"",
            "line 2: unknown name `headr` in [identity.credential] (did you mean `header`?)",
        ),
        ("[identity]\nregistry = 3", "line 2: invalid type"),
    ] {
        assert!(fault(text).starts_with(start), "{text:?}: {}", fault(text));
    }
}

#[test]
fn a_registry_folder_is_read_in_name_order_and_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    assert!(
        load_registry(&folder.path().join("none"))
            .unwrap()
            .accounts()
            .is_empty()
    );
    fs::write(folder.path().join("20-b.toml"), "[[account]]\nid = \"b\"\n").unwrap();
    fs::write(folder.path().join("10-a.toml"), "[[account]]\nid = \"a\"\n").unwrap();
    fs::write(folder.path().join(".30-c.toml"), "not toml").unwrap();
    fs::write(folder.path().join("README"), "not toml").unwrap();
    let registry = load_registry(folder.path()).unwrap();
    assert_eq!(
        registry
            .accounts()
            .iter()
            .map(|account| &*account.id)
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    fs::write(
        folder.path().join("30-c.toml"),
        "\n[[account]]\nid = \"a\"\n",
    )
    .unwrap();
    let error = load_registry(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("30-c.toml: line 3: account id `a` is already at ")
            && error.ends_with("10-a.toml: line 2"),
        "{error}"
    );
}

#[test]
fn a_pepper_is_made_once_readable_by_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state/pepper");
    let fingerprint =
        |pepper: Pepper| crate::identity::Fingerprinter::new(&pepper).fingerprint(b"key");
    let left_behind = file.with_file_name(format!(".pepper.{}", std::process::id()));
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(left_behind, "half").unwrap();
    let first = fingerprint(pepper_from(None, &file).unwrap());
    assert_eq!(first, fingerprint(pepper_from(None, &file).unwrap()));
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!(
        (metadata.permissions().mode() & 0o7777, metadata.len()),
        (0o600, 32)
    );
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_pepper_that_others_can_read_or_of_another_length_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pepper");
    for mode in [0o640, 0o604, 0o660] {
        fs::write(&file, [7; 32]).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        assert!(
            matches!(pepper_from(None, &file), Err(FileError::Readable { .. })),
            "{mode:o}"
        );
    }
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(pepper_from(None, &file).is_ok());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    for length in [0, 31, 33, 4096] {
        fs::write(&file, vec![7; length]).unwrap();
        assert!(
            matches!(pepper_from(None, &file), Err(FileError::Length { .. })),
            "{length}"
        );
    }
}

#[test]
fn the_systemd_credential_goes_before_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(folder.path().join("pepper"), [9; 32]).unwrap();
    let fingerprint =
        |pepper: Pepper| crate::identity::Fingerprinter::new(&pepper).fingerprint(b"key");
    let read = pepper_from(Some(folder.path()), &file).unwrap();
    assert_eq!(fingerprint(read), fingerprint(Pepper::new(&mut [9; 32])));
    assert!(!file.exists());
    assert!(pepper_from(Some(&folder.path().join("none")), &file).is_ok() && file.exists());
}

proptest::proptest! {
    #[test]
    fn any_text_is_a_configuration_or_an_error_with_a_line(text: String) {
        if let Err(error) = Config::parse(&text) {
            proptest::prop_assert!(error.to_string().starts_with("line "));
        }
    }
}

#[test]
fn what_is_never_acted_against_is_networks_addresses_and_accounts() {
    let text = r#"
        [response]
        mode = "propose"
        allow = ["acme", "192.0.2.0/24", "2001:db8::1", "192.0.2.7", "10", "face"]
        refuse = "reset"
        on_stop = "clear"
    "#;
    let response = Config::parse(text).unwrap().response;
    assert_eq!(
        (response.refuse, response.on_stop),
        (Refuse::Reset, OnStop::Clear)
    );
    let own = vec!["198.51.100.1".parse().unwrap()];
    let settings = response.settings(own.clone());
    let networks: Vec<_> = settings.networks.iter().map(ToString::to_string).collect();
    assert_eq!(
        networks,
        ["192.0.2.0/24", "2001:db8::1/128", "192.0.2.7/32"]
    );
    // An id that is a number or looks like a part of an address is an id.
    let consumers: Vec<_> = settings.consumers.iter().map(|id| &**id).collect();
    assert_eq!(consumers, ["acme", "10", "face"]);
    assert_eq!(
        (settings.mode, settings.own),
        (crate::response::Mode::Propose, own)
    );
    let defaults = Response::default().settings(Vec::new());
    assert_eq!(defaults, crate::response::Settings::default());
}
