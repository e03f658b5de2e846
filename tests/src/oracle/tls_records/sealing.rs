//! Records as a TLS stack seals them (RFC 8446 sections 5.2 and 7, RFC 5246 sections 5 and 6.3, RFC 5288, RFC 7905), written
//! apart from what opens them.

use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::{digest, hkdf, hmac};

/// A suite: its number, and what it is made of.
#[derive(Clone, Copy)]
pub struct Suite {
    pub number: u16,
    pub aead: &'static aead::Algorithm,
    hkdf: hkdf::Algorithm,
}

/// Every suite that is read; the first three are of TLS 1.3.
pub fn suites() -> [Suite; 6] {
    let of = |number, aead, hkdf| Suite { number, aead, hkdf };
    let (short, long) = (hkdf::HKDF_SHA256, hkdf::HKDF_SHA384);
    [
        of(0x1301, &aead::AES_128_GCM, short),
        of(0x1302, &aead::AES_256_GCM, long),
        of(0x1303, &aead::CHACHA20_POLY1305, short),
        of(0xc02f, &aead::AES_128_GCM, short),
        of(0xc030, &aead::AES_256_GCM, long),
        of(0xcca8, &aead::CHACHA20_POLY1305, short),
    ]
}

/// One direction's keys.
pub struct Sealer {
    key: LessSafeKey,
    iv: Vec<u8>,
    is_new: bool,
    pub sequence: u64,
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl Suite {
    pub fn is_new(&self) -> bool {
        self.number >> 8 == 0x13
    }

    pub fn hash(&self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = self.hkdf.hmac_algorithm().digest_algorithm();
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }

    pub fn hash_bytes(&self) -> usize {
        self.hkdf.hmac_algorithm().digest_algorithm().output_len()
    }

    /// HKDF-Expand-Label.
    pub fn expand(&self, secret: &[u8], label: &str, context: &[u8], length: usize) -> Vec<u8> {
        let prk = hkdf::Prk::new_less_safe(self.hkdf, secret);
        let label = [b"tls13 ", label.as_bytes()].concat();
        let info = [
            &(length as u16).to_be_bytes()[..],
            &[label.len() as u8],
            &label,
            &[context.len() as u8],
            context,
        ];
        let mut out = vec![0; length];
        let okm = prk.expand(&info, Length(length)).expect("a length");
        okm.fill(&mut out).expect("the length");
        out
    }

    /// The first traffic secrets of the application from the handshake secret: client, server.
    pub fn application(&self, handshake: &[u8], transcript: &[u8]) -> [Vec<u8>; 2] {
        let size = self.hash_bytes();
        let derived = self.expand(handshake, "derived", &self.hash(b""), size);
        let key = hmac::Key::new(self.hkdf.hmac_algorithm(), &derived);
        let master = hmac::sign(&key, &vec![0; size]);
        ["c ap traffic", "s ap traffic"]
            .map(|label| self.expand(master.as_ref(), label, transcript, size))
    }

    pub fn sealer(&self, secret: &[u8]) -> Sealer {
        let key = self.expand(secret, "key", b"", self.aead.key_len());
        let iv = self.expand(secret, "iv", b"", 12);
        Sealer::new(self, &key, &iv)
    }

    /// Of a master secret of TLS 1.2: client, server.
    pub fn old_sealers(&self, master: &[u8], server: &[u8], client: &[u8]) -> [Sealer; 2] {
        let key_bytes = self.aead.key_len();
        let iv_bytes = if self.number == 0xcca8 { 12 } else { 4 };
        let key = hmac::Key::new(self.hkdf.hmac_algorithm(), master);
        let seed = [b"key expansion", server, client].concat();
        let (mut a, mut block) = (seed.clone(), Vec::new());
        while block.len() < 2 * (key_bytes + iv_bytes) {
            a = hmac::sign(&key, &a).as_ref().to_vec();
            let piece = [&a[..], &seed].concat();
            block.extend_from_slice(hmac::sign(&key, &piece).as_ref());
        }
        let (keys, ivs) = block.split_at(2 * key_bytes);
        [0, 1].map(|side| {
            let key = &keys[side * key_bytes..][..key_bytes];
            Sealer::new(self, key, &ivs[side * iv_bytes..][..iv_bytes])
        })
    }
}

impl Sealer {
    fn new(suite: &Suite, key: &[u8], iv: &[u8]) -> Self {
        Self {
            key: LessSafeKey::new(UnboundKey::new(suite.aead, key).expect("a key")),
            iv: iv.to_vec(),
            is_new: suite.is_new(),
            sequence: 0,
        }
    }

    /// The next record, of content of a kind. `padding`: zeros that TLS 1.3 has after it.
    pub fn seal(&mut self, kind: u8, content: &[u8], padding: usize) -> Vec<u8> {
        let mut body = content.to_vec();
        let counted = self.sequence.to_be_bytes();
        let (mut nonce, mut sent) = ([0; 12], &[][..]);
        nonce[..self.iv.len()].copy_from_slice(&self.iv);
        if self.iv.len() == 4 {
            // Any nonce that never comes again will do.
            nonce[4..].copy_from_slice(&counted);
            nonce[4] ^= 0x5a;
            sent = &nonce[4..];
        } else {
            for (byte, count) in nonce[4..].iter_mut().zip(counted) {
                *byte ^= count;
            }
        }
        let (outside, about) = if self.is_new {
            body.push(kind);
            body.resize(body.len() + padding, 0);
            let length = (body.len() as u16 + 16).to_be_bytes();
            (23, [&[23, 3, 3], &length[..]].concat())
        } else {
            let length = (body.len() as u16).to_be_bytes();
            (kind, [&counted[..], &[kind, 3, 3], &length].concat())
        };
        let unique = Nonce::assume_unique_for_key(nonce);
        self.key
            .seal_in_place_append_tag(unique, Aad::from(about), &mut body)
            .expect("sealing");
        self.sequence += 1;
        let mut record = vec![outside, 3, 3];
        record.extend(((sent.len() + body.len()) as u16).to_be_bytes());
        record.extend_from_slice(sent);
        record.extend(body);
        record
    }
}
