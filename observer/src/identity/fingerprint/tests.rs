use super::*;
use proptest::prelude::*;

fn fingerprinter() -> Fingerprinter {
    Fingerprinter::new(&Pepper::new(&mut [7; PEPPER_BYTES]))
}

#[test]
fn a_fingerprint_is_the_hmac_of_label_and_value_in_base32() {
    let mut mac = Hmac::<Sha256>::new_from_slice(&[7; 32]).unwrap();
    mac.update(b"observer/fp/v1\0sk_live_abc");
    let expected = BASE32_NOPAD
        .encode(&mac.finalize().into_bytes())
        .chars()
        .take(16)
        .collect::<String>();
    assert_eq!(
        fingerprinter().fingerprint(b"sk_live_abc").to_string(),
        format!("k1_{expected}")
    );
}

#[test]
fn the_text_of_the_documentation_is_read_back() {
    let text = "k1_4QX7M2ZC5T6JH3WA";
    assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), text);
}

#[test]
fn what_is_no_fingerprint_is_refused_without_being_repeated() {
    for text in [
        "",
        "k1_",
        "k_4QX7M2ZC5T6JH3WA",
        "k01_4QX7M2ZC5T6JH3WA",
        "k256_4QX7M2ZC5T6JH3WA",
        "k1_4qx7m2zc5t6jh3wa",
        "k1_4QX7M2ZC5T6JH3W0",
        "k1_4QX7M2ZC5T6JH3W",
        "sk_live_0123456789",
    ] {
        let error = text.parse::<Fingerprint>().unwrap_err().to_string();
        assert!(text.len() < 4 || !error.contains(text), "{error}");
    }
}

#[test]
fn a_clear_identity_and_a_key_of_the_same_text_differ() {
    let f = fingerprinter();
    assert_ne!(
        f.identity(Scheme::Basic, "", "alice"),
        f.fingerprint(b"alice")
    );
    assert_ne!(
        f.identity(Scheme::Jwt, "ab", "c"),
        f.identity(Scheme::Jwt, "a", "bc")
    );
}

#[test]
fn taking_the_pepper_over_leaves_zeros_behind() {
    let mut bytes = [9; PEPPER_BYTES];
    let pepper = Pepper::new(&mut bytes);
    assert_eq!(bytes, [0; PEPPER_BYTES]);
    assert_eq!(
        format!("{pepper:?} {:?}", Fingerprinter::new(&pepper)),
        "Pepper(..) Fingerprinter(..)"
    );
}

proptest! {
    #[test]
    fn text_and_fingerprint_convert_both_ways(value: Vec<u8>) {
        let fingerprint = fingerprinter().fingerprint(&value);
        prop_assert_eq!(fingerprint.to_string().parse::<Fingerprint>().unwrap(), fingerprint);
    }

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        if let Ok(fingerprint) = text.parse::<Fingerprint>() {
            prop_assert_eq!(fingerprint.to_string(), text);
        }
    }
}
