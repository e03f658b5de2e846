//! What a client is told whose request was refused: problem details (RFC 9457), when to ask again, and that the connection ends.

use aya::maps::MapError;
use observer_ebpf::abi::guard::{ANSWER, Answer, NAME, SECONDS};

use crate::daemon::config::Refuse;
use crate::http::ACTION;
use crate::kernel::guard::Stops;

/// Says what clients are told.
///
/// # Errors
/// When the map cannot be written.
pub fn write(stops: &mut Stops, refuse: Refuse) -> Result<(), MapError> {
    let texts = [
        (
            Answer::BLOCKED,
            "403 Forbidden",
            "Forbidden",
            403,
            "Whoever runs this service has shut this off.",
        ),
        (
            Answer::LIMITED,
            "429 Too Many Requests",
            "Too Many Requests",
            429,
            "Above the limit that whoever runs this service has set.",
        ),
    ];
    for (place, line, title, status, detail) in texts {
        let answer = match refuse {
            Refuse::Answer => answer(line, title, status, detail),
            Refuse::Reset => [0; Answer::SIZE],
        };
        stops.set_answer(place, &answer)?;
    }
    Ok(())
}

/// An answer as its map has it. The kernel side writes the action's name and the seconds over their places.
fn answer(line: &str, title: &str, status: u16, detail: &str) -> [u8; Answer::SIZE] {
    let content = format!(
        "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{status},\"detail\":\"{detail}\"}}\n"
    );
    let mut text = format!("HTTP/1.1 {line}\r\n{ACTION}: ");
    let name = text.len();
    text.push_str(&" ".repeat(NAME));
    text.push_str("\r\nretry-after: ");
    let seconds = text.len();
    text.push_str(&"0".repeat(SECONDS));
    text.push_str(&format!(
        "\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n",
        content.len()
    ));
    let head = text.len();
    text.push_str(&content);
    let mut bytes = [0; Answer::SIZE];
    let numbers = [text.len().min(ANSWER), head, name, seconds];
    let numbers = numbers.map(|number| (number as u32).to_ne_bytes());
    for (to, from) in bytes
        .iter_mut()
        .zip(numbers.iter().flatten().copied().chain(text.bytes()))
    {
        *to = from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_response_with_places_to_fill_in() {
        let bytes = answer(
            "403 Forbidden",
            "Forbidden",
            403,
            "Whoever runs this service has shut this off.",
        );
        let (numbers, text) = bytes.split_at(16);
        let [length, head, name, seconds] = [0, 4, 8, 12].map(|at| {
            let word = numbers.get(at..at + 4).and_then(<[u8]>::first_chunk);
            word.map_or(0, |word| u32::from_ne_bytes(*word) as usize)
        });
        assert!(length < ANSWER && head < length, "{length} {head}");
        // The kernel side takes the low byte of these.
        assert!(name < 256 - NAME && seconds < 256 - SECONDS);
        let text = text.get(..length).unwrap_or_default();
        let mut fields = [httparse::EMPTY_HEADER; 16];
        let mut response = httparse::Response::new(&mut fields);
        let parsed = response.parse(text);
        assert_eq!(parsed, Ok(httparse::Status::Complete(head)));
        assert_eq!(response.code, Some(403));
        let length_said = response
            .headers
            .iter()
            .find(|field| field.name == "content-length")
            .and_then(|field| str::from_utf8(field.value).ok()?.parse().ok());
        assert_eq!(length_said, Some(length - head));
        let content: Result<serde_json::Value, _> =
            serde_json::from_slice(text.get(head..).unwrap_or_default());
        assert!(content.is_ok_and(|content| content["status"] == 403));
    }
}
