//! Messages as they are found in the field, and bytes that are none.

use arbitrary::{Result, Unstructured};

/// Some bytes of one side: a message, part of one, or anything.
pub fn piece(input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let kind: u8 = input.arbitrary()?;
    Ok(match kind {
        0..0x40 => request(kind, input)?,
        0x40..0x80 => response(kind, input)?,
        0x80..0xc0 => {
            let mut whole = request(kind, input)?;
            whole.truncate(input.arbitrary::<u8>()?.into());
            whole
        }
        0xc0.. => {
            let length = usize::from(kind & 0x3f).min(input.len());
            input.bytes(length)?.to_vec()
        }
    })
}

/// A request, its kind by the low bits of `kind`.
pub fn request(kind: u8, input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let size = usize::from(input.arbitrary::<u8>()?);
    let target = size % 7;
    Ok(match kind & 15 {
        0 => format!("HEAD /{target} HTTP/1.1\r\n\r\n"),
        1 => format!("\r\nGET /{target} HTTP/1.1\r\nHost: a\r\n\r\n"),
        2..5 => format!(
            "POST /{target} HTTP/1.1\r\nContent-Length: {size}\r\n\r\n{}",
            content(size)
        ),
        5..8 => format!(
            "POST /{target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            chunked(size)
        ),
        8 => format!("CONNECT a:{target} HTTP/1.1\r\n\r\n"),
        9 => format!("GET /{target} HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"),
        10 => format!("GET http://a/{target} HTTP/1.0\r\nX-API-Key: {size}\r\n\r\n"),
        11 => format!("PROXY TCP4 192.0.2.{target} 192.0.2.9 {size} 80\r\n"),
        12 => format!("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {size}\r\n\r\n"),
        13 => "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned() + &trailers(size),
        _ => format!("GET /{target} HTTP/1.1\r\nHost: a\r\n\r\n"),
    }
    .into_bytes())
}

/// A response, its kind by the low bits of `kind`.
pub fn response(kind: u8, input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let size = usize::from(input.arbitrary::<u8>()?);
    Ok(match kind & 15 {
        0 => "HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(),
        1 => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        2 => "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".to_owned(),
        3 => "HTTP/1.1 101 Switching Protocols\r\n\r\n".to_owned(),
        4 => format!("HTTP/1.0 200 OK\r\n\r\n{}", content(size)),
        5 => format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"),
        6..9 => format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}",
            chunked(size)
        ),
        9 => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned() + &trailers(size),
        _ => format!(
            "HTTP/1.1 {} x\r\nContent-Length: {size}\r\n\r\n{}",
            200 + size,
            content(size)
        ),
    }
    .into_bytes())
}

/// Content that looks like messages.
pub fn content(size: usize) -> String {
    let messages = "GET /none HTTP/1.1\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    messages.chars().cycle().take(size).collect()
}

/// As [`content`], in chunks.
pub fn chunked(size: usize) -> String {
    let content = content(size);
    let mut text = String::new();
    let (mut rest, mut length) = (content.as_str(), 1);
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at(length.min(rest.len()));
        text += &format!("{:x};e=\"1\"\r\n{chunk}\r\n", chunk.len());
        (rest, length) = (after, length * 5);
    }
    text + "0\r\nTrailer: x\r\n\r\n"
}

/// The end of a chunked body with trailers around the bound of a head.
fn trailers(size: usize) -> String {
    format!("0\r\nTrailer: {}\r\n\r\n", "x".repeat(2 * size + 100))
}
