use observer_ebpf::abi::{Endpoint, EventHeader, FlowKey};

use super::{Bounds, Piece, Rest, Stream};
use crate::flow::{Reader, Seen};
use crate::segment::Segment;

const BOUNDS: Bounds = Bounds {
    held_bytes: 16 << 10,
    held_time: u64::MAX,
    compared_bytes: 0,
};

/// Adds up what it is given.
#[derive(Default)]
struct Sum {
    data: u64,
    holes: u64,
}

impl Reader for Sum {
    fn data(&mut self, _: bool, _: Seen, _: u64, bytes: &[u8]) {
        self.data += bytes.len() as u64;
    }
    fn hole(&mut self, _: bool, _: Seen, _: u64, length: u64) {
        self.holes += length;
    }
    fn conflict(&mut self, _: bool) {}
    fn fin(&mut self, _: bool, _: Seen) {}
    fn needless_until(&self, _: bool) -> Option<u64> {
        None
    }
    fn is_idle(&self) -> bool {
        false
    }
}

/// Small pieces with gaps between them, then large ones: one that comes takes the place of many.
#[test]
fn large_pieces_do_not_add_up_behind_small_ones() {
    let server = Endpoint::v4([192, 0, 2, 1], 80);
    let (flow, _) = FlowKey::new(server, Endpoint::v4([192, 0, 2, 2], 9));
    let (mut stream, mut sum) = (Stream::restored(1, false), Sum::default());
    let small = (0..300).map(|number| (2 + 2 * number, 1));
    let large = (0..64).map(|number| (1_000 + 9_000 * number, 8_192));
    let most = size_of::<Rest>() + BOUNDS.held_bytes;
    for (offset, length) in small.chain(large) {
        let header = EventHeader {
            offset,
            length,
            copied: length,
            flow,
            ..EventHeader::default()
        };
        let payload = vec![b'x'; length as usize];
        let segment = Segment {
            header,
            payload: &payload,
        };
        stream.segment(&segment, 1, &BOUNDS, &mut sum);
        let heap = stream.heap_bytes();
        assert!(
            heap <= most,
            "{heap} bytes after {offset}; a piece is {}",
            size_of::<Piece>()
        );
    }
    let end = stream.next();
    assert_eq!(
        sum.data + sum.holes,
        end - 1,
        "every byte once, as data or in a hole"
    );
}
