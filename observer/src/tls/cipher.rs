//! Cipher suites by their number in IANA's registry: what they are called, and what is wrong with some.

use std::borrow::Cow;

use tls_parser::{TlsCipherAu, TlsCipherEnc, TlsCipherKx, TlsCipherSuite};

/// Bits of a key below which it is within reach (RFC 9325 section 4.1).
const SHORT: u16 = 112;

/// The name of a suite; its number where it has none.
pub fn name(number: u16) -> Cow<'static, str> {
    TlsCipherSuite::from_id(number).map_or_else(
        || format!("cipher suite {number:#06x}").into(),
        |suite| suite.name.into(),
    )
}

/// What must not be used of a suite. Of what is not registered nothing is known.
pub fn weakness(number: u16) -> Option<&'static str> {
    let suite = TlsCipherSuite::from_id(number)?;
    let anonymous = matches!(suite.kx, TlsCipherKx::Null | TlsCipherKx::Aecdh)
        || (suite.au == TlsCipherAu::Null && suite.kx != TlsCipherKx::Tls13);
    match suite.enc {
        TlsCipherEnc::Null => Some("no encryption"),
        _ if anonymous => Some("a server that does not prove who it is"),
        TlsCipherEnc::Rc4 => Some("RC4"),
        TlsCipherEnc::Rc2 | TlsCipherEnc::Des => Some("a cipher that can be broken"),
        // Blocks of 64 bits (Sweet32, CVE-2016-2183).
        TlsCipherEnc::TripleDes | TlsCipherEnc::Idea => Some("a cipher with short blocks"),
        _ if suite.enc_size < SHORT => Some("a short key"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Option<&'static str> {
        let suite = TlsCipherSuite::from_name(name).expect(name);
        weakness(suite.id.0)
    }

    #[test]
    fn what_must_not_be_used_is_told_from_what_may() {
        for weak in [
            "TLS_RSA_WITH_NULL_SHA256",
            "TLS_RSA_EXPORT_WITH_RC4_40_MD5",
            "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA",
            "TLS_RSA_WITH_RC4_128_SHA",
            "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
            "TLS_RSA_WITH_DES_CBC_SHA",
            "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
            "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
            "TLS_RSA_WITH_IDEA_CBC_SHA",
            "TLS_DH_anon_WITH_AES_128_GCM_SHA256",
            "TLS_ECDH_anon_WITH_AES_256_CBC_SHA",
            "TLS_ECDHE_ECDSA_WITH_NULL_SHA",
            "TLS_NULL_WITH_NULL_NULL",
        ] {
            assert!(of(weak).is_some(), "{weak}");
        }
        for fine in [
            "TLS_AES_128_GCM_SHA256",
            "TLS_AES_256_GCM_SHA384",
            "TLS_CHACHA20_POLY1305_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
            "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256",
            "TLS_RSA_WITH_AES_128_CBC_SHA",
            "TLS_PSK_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
        ] {
            assert_eq!(of(fine), None, "{fine}");
        }
        assert_eq!(weakness(0xfefe), None);
        assert_eq!(name(0xfefe), "cipher suite 0xfefe");
        assert_eq!(name(0x1301), "TLS_AES_128_GCM_SHA256");
    }
}
