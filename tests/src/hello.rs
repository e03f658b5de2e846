//! What a TLS server says first, built by hand.

use observer::tls::{Hello, Version};

/// A ServerHello with its header (RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3). `session`: bytes of the session's id.
pub fn server_hello(hello: &Hello, random: [u8; 32], session: u8) -> Vec<u8> {
    let number = 0x0300
        + Version::ALL
            .iter()
            .position(|it| *it == hello.version)
            .unwrap_or(0) as u16;
    let is_new = hello.version == Version::Tls13;
    let mut body = (if is_new { 0x0303 } else { number })
        .to_be_bytes()
        .to_vec();
    body.extend(random);
    body.push(session);
    body.resize(body.len() + usize::from(session), 5);
    body.extend(hello.cipher.to_be_bytes());
    body.push(0);
    if is_new {
        body.extend([0, 10, 0xff, 1, 0, 0, 0, 43, 0, 2, 3, 4]);
    }
    let mut message = vec![2, 0, 0, body.len() as u8];
    message.extend(body);
    message
}
