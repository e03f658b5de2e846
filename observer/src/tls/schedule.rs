//! From a handshake's secrets to the keys of records: RFC 8446 section 7, RFC 5246 sections 5 and 6.3.

use ring::hmac;
use zeroize::Zeroizing;

use super::Version;
use super::protection::Keys;
use super::secrets::Secret;
use super::suite::{Aead, Hash, Suite};

/// The longest block of keys: two of 32 bytes and two IVs of 12.
const KEY_BLOCK: usize = 2 * (32 + 12);

/// Secrets of both directions.
#[derive(Clone, Debug)]
pub(super) struct Traffic {
    pub client: Secret,
    pub server: Secret,
}

/// Keys of both directions.
pub(super) struct KeyPair {
    pub client: Keys,
    pub server: Keys,
}

/// HKDF-Expand-Label (RFC 8446 section 7.1); `out` is no longer than the hash.
fn expand_label(hash: Hash, secret: &[u8], label: &[u8], context: &[u8], out: &mut [u8]) {
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hash.hmac(), secret));
    mac.update(&(out.len() as u16).to_be_bytes());
    mac.update(&[6 + label.len() as u8]);
    mac.update(b"tls13 ");
    mac.update(label);
    mac.update(&[context.len() as u8]);
    mac.update(context);
    mac.update(&[1]);
    for (byte, value) in out.iter_mut().zip(mac.sign().as_ref()) {
        *byte = *value;
    }
}

/// Derive-Secret for a transcript's hash.
fn derive(hash: Hash, secret: &[u8], label: &[u8], transcript: &[u8]) -> Option<Secret> {
    let mut out = Zeroizing::new([0; 48]);
    let out = out.get_mut(..hash.bytes())?;
    expand_label(hash, secret, label, transcript, out);
    Secret::new(out)
}

/// The traffic secrets of the handshake, from the handshake secret and the hash of the hellos.
pub(super) fn handshake(hash: Hash, secret: &Secret, hellos: &[u8]) -> Option<Traffic> {
    Some(Traffic {
        client: derive(hash, secret.bytes(), b"c hs traffic", hellos)?,
        server: derive(hash, secret.bytes(), b"s hs traffic", hellos)?,
    })
}

/// The first traffic secrets of the application, from the handshake secret and the hash up to the server's Finished.
pub(super) fn application(hash: Hash, secret: &Secret, transcript: &[u8]) -> Option<Traffic> {
    let salt = derive(hash, secret.bytes(), b"derived", hash.of(&[]).as_ref())?;
    let zeros = [0; 48];
    let key = hmac::Key::new(hash.hmac(), salt.bytes());
    let master = Secret::new(hmac::sign(&key, zeros.get(..hash.bytes())?).as_ref())?;
    Some(Traffic {
        client: derive(hash, master.bytes(), b"c ap traffic", transcript)?,
        server: derive(hash, master.bytes(), b"s ap traffic", transcript)?,
    })
}

/// The traffic secret after a key update (RFC 8446 section 7.2).
pub(super) fn update(hash: Hash, secret: &Secret) -> Option<Secret> {
    derive(hash, secret.bytes(), b"traffic upd", &[])
}

/// The keys of a traffic secret (RFC 8446 section 7.3).
pub(super) fn keys(suite: Suite, secret: &Secret) -> Option<Keys> {
    let mut key = Zeroizing::new([0; 32]);
    let key = key.get_mut(..suite.aead.key_bytes())?;
    expand_label(suite.hash, secret.bytes(), b"key", &[], key);
    let mut iv = [0; 12];
    expand_label(suite.hash, secret.bytes(), b"iv", &[], &mut iv);
    Keys::new(Version::Tls13, suite.aead, key, &iv)
}

/// The keys of a master secret of TLS 1.2 (RFC 5246 section 6.3).
pub(super) fn expand_master(
    suite: Suite,
    master: &Secret,
    server_random: &[u8; 32],
    client_random: &[u8; 32],
) -> Option<KeyPair> {
    let seed = [
        b"key expansion".as_slice(),
        server_random.as_slice(),
        client_random.as_slice(),
    ]
    .concat();
    let (key_bytes, iv_bytes) = match suite.aead {
        Aead::ChaCha20Poly1305 => (32, 12),
        aead @ (Aead::Aes128Gcm | Aead::Aes256Gcm) => (aead.key_bytes(), 4),
    };
    let mut block = Zeroizing::new([0; KEY_BLOCK]);
    let block = block.get_mut(..2 * (key_bytes + iv_bytes))?;
    p_hash(suite.hash, master.bytes(), &seed, block);
    let (client_key, rest) = block.split_at_checked(key_bytes)?;
    let (server_key, rest) = rest.split_at_checked(key_bytes)?;
    let (client_iv, server_iv) = rest.split_at_checked(iv_bytes)?;
    Some(KeyPair {
        client: Keys::new(Version::Tls12, suite.aead, client_key, client_iv)?,
        server: Keys::new(Version::Tls12, suite.aead, server_key, server_iv)?,
    })
}

/// P_hash of RFC 5246 section 5.
fn p_hash(hash: Hash, secret: &[u8], seed: &[u8], out: &mut [u8]) {
    let key = hmac::Key::new(hash.hmac(), secret);
    let mut a = hmac::sign(&key, seed);
    for piece in out.chunks_mut(hash.bytes()) {
        let mut mac = hmac::Context::with_key(&key);
        mac.update(a.as_ref());
        mac.update(seed);
        for (byte, value) in piece.iter_mut().zip(mac.sign().as_ref()) {
            *byte = *value;
        }
        a = hmac::sign(&key, a.as_ref());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    fn bytes(hex: &str) -> Vec<u8> {
        HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    /// RFC 8448 section 3: the handshake secret, the hashes, and what follows from them.
    #[test]
    fn the_example_of_rfc_8448() {
        let hash = Hash::Sha256;
        let secret = bytes("1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac");
        let secret = Secret::new(&secret).unwrap();
        let hellos = bytes("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8");
        let traffic = handshake(hash, &secret, &hellos).unwrap();
        assert_eq!(
            traffic.client.bytes(),
            bytes("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21")
        );
        assert_eq!(
            traffic.server.bytes(),
            bytes("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")
        );
        let transcript = bytes("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13");
        let traffic = application(hash, &secret, &transcript).unwrap();
        assert_eq!(
            traffic.client.bytes(),
            bytes("9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5")
        );
        assert_eq!(
            traffic.server.bytes(),
            bytes("a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643")
        );
    }
}
