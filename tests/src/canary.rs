//! Planted keys, and the search for any piece of them in what is shown or written.

use std::collections::HashMap;

use crate::frames::Random;

/// Characters of the secret part of a key.
const SECRET: usize = 24;
/// Characters of it that nothing may show, in any of its forms. Shorter pieces would be found by chance.
const PIECE: usize = 10;

const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Text as in JWTs (RFC 4648 section 5), without padding.
pub fn base64url(text: &str) -> String {
    let mut encoded = String::new();
    for three in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, place| {
            bits << 8 | u32::from(three.get(place).copied().unwrap_or(0))
        });
        for place in 0..=three.len() as u32 {
            encoded.push(char::from(BASE64[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    encoded
}

/// Text as in Basic authentication (RFC 4648 section 4).
pub fn base64(text: &str) -> String {
    let mut encoded = base64url(text).replace('-', "+").replace('_', "/");
    while !encoded.len().is_multiple_of(4) {
        encoded.push('=');
    }
    encoded
}

/// Keys that no output may show, not even a piece of one.
#[derive(Debug)]
pub struct Canaries {
    keys: Vec<String>,
    /// Which key a piece is of.
    pieces: HashMap<[u8; PIECE], usize>,
}

impl Canaries {
    /// So many different ones, of a seed.
    pub fn new(count: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        let mut canaries = Self {
            keys: Vec::new(),
            pieces: HashMap::new(),
        };
        for number in 0..count {
            let secret: String = (0..SECRET)
                .map(|_| char::from(ALPHABET[random.below(ALPHABET.len())]))
                .collect();
            canaries.note(number, &secret);
            let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
            canaries.note(number, &hexadecimal);
            canaries.note(number, &hexadecimal.to_uppercase());
            for before in 0..3 {
                // At the seams, characters depend on what stands beside it.
                let text = base64url(&format!("{}{secret}", "-".repeat(before)));
                let inner = text.get(4..text.len() - 2).unwrap_or_default();
                canaries.note(number, inner);
            }
            canaries.keys.push(secret);
        }
        canaries
    }

    fn note(&mut self, number: usize, text: &str) {
        for piece in text.as_bytes().windows(PIECE) {
            let piece = piece.try_into().unwrap_or([0; PIECE]);
            self.pieces.insert(piece, number);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// One of them.
    ///
    /// # Panics
    /// When there are not so many.
    pub fn key(&self, number: usize) -> &str {
        &self.keys[number]
    }

    /// Number of the first key of which a piece stands in these bytes, and what stands around it.
    pub fn find(&self, bytes: &[u8]) -> Option<(usize, String)> {
        let at = bytes.windows(PIECE).position(|piece| {
            let piece: [u8; PIECE] = piece.try_into().unwrap_or([0; PIECE]);
            self.pieces.contains_key(&piece)
        })?;
        let number = bytes
            .get(at..at + PIECE)
            .and_then(|piece| self.pieces.get(piece))?;
        let around = bytes.get(at.saturating_sub(60)..bytes.len().min(at + 60));
        let around = String::from_utf8_lossy(around.unwrap_or_default()).into_owned();
        Some((*number, around))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_every_form() {
        let canaries = Canaries::new(1000, 1);
        let key = canaries.key(7);
        for before in ["", "u", "us", "use"] {
            let pair = format!("{before}:{key}");
            for form in [
                pair.clone(),
                base64(&pair),
                base64url(&pair),
                pair.bytes().map(|byte| format!("{byte:02x}")).collect(),
                format!("\"hint\": \"{}\"", &key[..PIECE]),
            ] {
                let text = format!("before {form} after");
                assert_eq!(
                    canaries.find(text.as_bytes()).map(|found| found.0),
                    Some(7),
                    "{form}"
                );
            }
        }
        let other = Canaries::new(1000, 2);
        assert_eq!(canaries.find(other.keys.join(" ").as_bytes()), None);
    }
}
