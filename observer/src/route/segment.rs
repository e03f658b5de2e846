//! What one segment of a path is: an identifier, a date, an email address, or a name that the API gave it.
//!
//! Bias: prefers keeping a name to taking it for an identifier. What is missed here collapses by its number.

/// Longest text that can be a name; a longer segment is data.
const MAX_NAME: usize = 64;

/// Deepest path that can have a template.
pub(super) const MAX_DEPTH: usize = 16;

/// The kind of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name of the API, to be kept.
    Literal,
    /// Integer, UUID, hexadecimal, ULID, base64url, or a text too long for a name.
    Id,
    /// A calendar date, with or without time.
    Date,
    /// An email address.
    Email,
}

/// Segments of a path without their parameters (RFC 3986 section 3.3: `;` and what follows).
pub(super) fn segments(path: &str) -> Segments<'_> {
    Segments {
        rest: Some(path.strip_prefix('/').unwrap_or(path)),
        parameters: memchr::memchr(b';', path.as_bytes()).is_some(),
    }
}

/// Iterator of [`segments`].
pub(super) struct Segments<'a> {
    rest: Option<&'a str>,
    /// Whether there are any parameters to cut.
    parameters: bool,
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        let end = memchr::memchr(b'/', rest.as_bytes());
        self.rest = end.and_then(|end| rest.get(end + 1..));
        let segment = rest.get(..end.unwrap_or(rest.len()))?;
        if self.parameters {
            return segment.split(';').next();
        }
        Some(segment)
    }
}

/// Whether a template or a pattern, in which `{x}` is any one segment, matches the whole path.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let mut wanted = segments(pattern);
    let mut found = segments(path);
    loop {
        match (wanted.next(), found.next()) {
            (None, None) => return true,
            (Some(wanted), Some(found)) => {
                let any = wanted.starts_with('{') && wanted.ends_with('}') && !found.is_empty();
                if !any && wanted != found {
                    return false;
                }
            }
            _ => return false,
        }
    }
}

/// The kind of this segment.
pub(super) fn kind(segment: &str) -> Kind {
    if segment.len() > MAX_NAME {
        return Kind::Id;
    }
    let shape = Shape::of(segment.as_bytes());
    if shape.digits == 0 && shape.letters() == segment.len() && segment.len() < 16 {
        return Kind::Literal;
    }
    if (shape.symbols > 0 || shape.others > 0) && is_email(segment) {
        return Kind::Email;
    }
    if is_date(segment.as_bytes()) {
        return Kind::Date;
    }
    if shape.is_id(segment) {
        Kind::Id
    } else {
        Kind::Literal
    }
}

/// Whether the segment is a language tag such as `de` or `pt-BR` (RFC 5646): kept however many there are.
pub(super) fn is_locale(segment: &str) -> bool {
    let mut parts = segment.splitn(2, ['-', '_']);
    let language = parts.next().unwrap_or_default();
    let lower = language.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.next() {
        None => lower && language.len() == 2,
        Some(region) => {
            lower
                && matches!(language.len(), 2 | 3)
                && (region.len() == 2 && region.bytes().all(|byte| byte.is_ascii_uppercase())
                    || region.len() == 3 && region.bytes().all(|byte| byte.is_ascii_digit())
                    || matches!(region, "Hans" | "Hant" | "Latn" | "Cyrl" | "Arab"))
        }
    }
}

/// Counts of a segment's characters.
#[derive(Clone, Copy, Debug)]
struct Shape {
    digits: usize,
    /// Maximal runs of digits.
    groups: usize,
    lower: usize,
    upper: usize,
    hex: usize,
    /// `-`, `_`
    joints: usize,
    /// `@`, `:`, `=` and `+`
    symbols: usize,
    others: usize,
}

/// Classes of characters as shifts into a packed sum of eight counts.
const DIGIT: u8 = 0;
const LOWER_HEX: u8 = 8;
const LOWER: u8 = 16;
const UPPER_HEX: u8 = 24;
const UPPER: u8 = 32;
const JOINT: u8 = 40;
const SYMBOL: u8 = 48;
const OTHER: u8 = 56;

const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = match byte as u8 {
            b'0'..=b'9' => DIGIT,
            b'a'..=b'f' => LOWER_HEX,
            b'g'..=b'z' => LOWER,
            b'A'..=b'F' => UPPER_HEX,
            b'G'..=b'Z' => UPPER,
            b'-' | b'_' => JOINT,
            b'@' | b':' | b'=' | b'+' => SYMBOL,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};

impl Shape {
    /// Of at most [`MAX_NAME`] bytes, so that no count overflows its eight bits.
    fn of(bytes: &[u8]) -> Self {
        let (mut packed, mut groups, mut in_digits) = (0u64, 0, false);
        for byte in bytes {
            let class = CLASSES[usize::from(*byte)];
            packed += 1 << class;
            groups += usize::from(class == DIGIT && !in_digits);
            in_digits = class == DIGIT;
        }
        let count = |class: u8| (packed >> class & 0xff) as usize;
        Self {
            digits: count(DIGIT),
            groups,
            lower: count(LOWER) + count(LOWER_HEX),
            upper: count(UPPER) + count(UPPER_HEX),
            hex: count(DIGIT) + count(LOWER_HEX) + count(UPPER_HEX),
            joints: count(JOINT),
            symbols: count(SYMBOL),
            others: count(OTHER),
        }
    }

    fn letters(&self) -> usize {
        self.lower + self.upper
    }

    fn is_id(&self, segment: &str) -> bool {
        let length = segment.len();
        // Integers, and numbers in groups such as 978-3-16-148410-0.
        if self.digits > 0 && self.digits + self.joints == length {
            return true;
        }
        if self.hex >= 16 && self.hex + self.joints == length && self.is_hex_or_uuid(segment) {
            return true;
        }
        if is_ulid(segment.as_bytes()) {
            return true;
        }
        // Addresses have a dot or a colon.
        if self.others + self.symbols > 1 && segment.parse::<std::net::IpAddr>().is_ok() {
            return true;
        }
        // A JSON Web Token starts like this (RFC 7519 with RFC 7515: base64url of `{"`).
        if segment.starts_with("eyJ") && length >= 16 {
            return true;
        }
        length >= 16 && self.others == 0 && self.looks_random()
    }

    fn is_hex_or_uuid(&self, segment: &str) -> bool {
        let hyphen = |place: usize| segment.as_bytes().get(place) == Some(&b'-');
        self.joints == 0
            || self.joints == 4
                && segment.len() == 36
                && hyphen(8)
                && hyphen(13)
                && hyphen(18)
                && hyphen(23)
    }

    /// Sixteen and more base64url characters: names are words, and words have few digits and few capitals.
    fn looks_random(&self) -> bool {
        let letters = self.letters().max(1);
        let mixed = self.upper * 4 >= letters && self.lower * 4 >= letters;
        match (self.upper > 0 && self.lower > 0, self.digits) {
            (true, 0) => mixed,
            (true, _) => mixed || self.groups >= 2,
            (false, digits) => digits >= 4 || self.groups >= 3,
        }
    }
}

/// 26 characters of Crockford's base32, the first at most 7 (128 bits).
fn is_ulid(bytes: &[u8]) -> bool {
    bytes.len() == 26
        && matches!(bytes.first(), Some(b'0'..=b'7'))
        && bytes.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                && !matches!(byte.to_ascii_uppercase(), b'I' | b'L' | b'O' | b'U')
        })
}

/// `2026-11`, `2026-11-22`, and a date with a time (RFC 3339 section 5.6).
fn is_date(bytes: &[u8]) -> bool {
    let number = |range: std::ops::Range<usize>, least: u32, most: u32| {
        let digits = bytes.get(range)?;
        let value = digits.iter().try_fold(0u32, |value, byte| {
            byte.is_ascii_digit()
                .then(|| value * 10 + u32::from(byte - b'0'))
        })?;
        (least..=most).contains(&value).then_some(())
    };
    let month = number(0..4, 1000, 2999).is_some()
        && bytes.get(4) == Some(&b'-')
        && number(5..7, 1, 12).is_some();
    let day = || bytes.get(7) == Some(&b'-') && number(8..10, 1, 31).is_some();
    month
        && match bytes.len() {
            7 => true,
            10 => day(),
            11.. => day() && matches!(bytes.get(10), Some(b'T' | b't' | b' ' | b'%')),
            _ => false,
        }
}

fn is_email(segment: &str) -> bool {
    let parts = segment
        .split_once('@')
        .or_else(|| segment.split_once("%40"));
    let Some((local, domain)) = parts else {
        return false;
    };
    let mut labels = domain.rsplit('.');
    let top = labels.next().unwrap_or_default();
    !local.is_empty()
        && top.len() >= 2
        && top.bytes().all(|byte| byte.is_ascii_alphabetic())
        && labels.clone().next().is_some()
        && labels.all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}
