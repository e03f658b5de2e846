//! What is shut off or limited: what userspace says, and what the programs that stop traffic keep.

/// Who a spelling of a credential belongs to, and what is done about it. As a value of the map, one word: `consumer` low.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// A number that all credentials of one consumer have in common; zero: nobody's.
    pub consumer: u32,
    /// Place in [`super::map::ACTIONS`]; zero: nothing.
    pub action: u32,
}

/// The number of somebody whose credential is not known.
pub const SOMEBODY: u32 = ALLOWED - 1;
/// The number of everybody whose credential is known and not registered.
pub const STRANGER: u32 = ALLOWED - 2;

/// Whether a number says that it is nobody's who is known to be a consumer.
#[inline(always)]
pub const fn is_vague(consumer: u32) -> bool {
    matches!(consumer, 0 | SOMEBODY | STRANGER)
}

/// Set in [`Holder::consumer`] of those who are never stopped, whatever network they come from.
pub const ALLOWED: u32 = 1 << 31;

impl Holder {
    /// The value of the map.
    #[inline(always)]
    pub const fn to_word(self) -> u64 {
        (self.action as u64) << 32 | self.consumer as u64
    }

    /// The holder of a value of the map.
    #[inline(always)]
    pub const fn of_word(word: u64) -> Self {
        Self {
            consumer: word as u32,
            action: (word >> 32) as u32,
        }
    }
}

/// What is done about the requests of a holder, or of a network. Times in nanoseconds of the monotonic clock.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// When it ends; zero: there is none.
    pub until: u64,
    /// Between two requests of a limit; zero: none passes.
    pub interval: u64,
    /// What a limit's bucket holds: `interval` for each request.
    pub capacity: u64,
    /// Its name, as the answer tells it.
    pub name: [u8; NAME],
}

/// Bytes of an action's name in an answer.
pub const NAME: usize = 10;

impl Action {
    /// Bytes of the value in a map.
    pub const SIZE: usize = 40;

    /// The bytes of the value in a map.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let words = [self.until, self.interval, self.capacity];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        for (place, byte) in bytes.iter_mut().skip(24).zip(self.name) {
            *place = byte;
        }
        bytes
    }

    /// The name in the bytes of a value in a map.
    pub fn name_of(bytes: &[u8; Self::SIZE]) -> [u8; NAME] {
        let mut name = [0; NAME];
        for (to, from) in name.iter_mut().zip(bytes.iter().skip(24)) {
            *to = *from;
        }
        name
    }
}

/// What is sent to a client instead of its request being passed on. As bytes: the four numbers, then the text.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Answer {
    /// Bytes of the text; zero: the connection is reset without a word.
    pub length: u32,
    /// Bytes of it that are head: all that answers HEAD.
    pub head: u32,
    /// Where in it the [`NAME`] bytes of the action's name stand.
    pub name: u32,
    /// Where in it the [`SECONDS`] digits of `Retry-After` stand.
    pub seconds: u32,
    /// The response.
    pub text: [u8; ANSWER],
}

/// Most bytes of an answer.
pub const ANSWER: usize = 496;
/// Digits of the seconds in an answer: a day has 86,400.
pub const SECONDS: usize = 5;

impl Answer {
    /// Bytes of the value in a map.
    pub const SIZE: usize = 16 + ANSWER;
    /// Place of the answer to what is blocked.
    pub const BLOCKED: u32 = 0;
    /// Place of the answer to what is above its limit.
    pub const LIMITED: u32 = 1;
    /// Number of places.
    pub const PLACES: u32 = 2;
}

/// What is known of a connection of which a request was looked at.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Guarded {
    /// The consumer that it carried; zero: none that is known.
    pub consumer: u32,
    /// See the constants of [`guarded`].
    pub state: u32,
    /// Where in the stream the last request began that was decided on: the low half of its offset.
    pub decided: u32,
    /// The next sequence number of the client, after a refusal.
    pub client: u32,
    /// The next sequence number of the server, after a refusal.
    pub server: u32,
    /// Place of the action that refused.
    pub action: u32,
}

impl Guarded {
    /// Bytes of the value in a map.
    pub const SIZE: usize = 24;

    /// The bytes of the value in a map.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let words = [
            self.consumer,
            self.state,
            self.decided,
            self.client,
            self.server,
            self.action,
        ];
        for (place, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        bytes
    }

    /// The value whose bytes these are.
    pub fn from_bytes(bytes: &[u8; Self::SIZE]) -> Self {
        let mut words = [0; Self::SIZE / 4];
        for (word, part) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u32::from_ne_bytes(*part);
        }
        let [consumer, state, decided, client, server, action] = words;
        Self {
            consumer,
            state,
            decided,
            client,
            server,
            action,
        }
    }
}

/// Bits of [`Guarded::state`].
pub mod guarded {
    /// It carried a second consumer: nothing on it is answered or reset.
    pub const SHARED: u32 = 1;
    /// A request on it was refused: the server's end is closed, and the client's is seen off.
    pub const REFUSED: u32 = 2;
    /// With `REFUSED`: the client is the high end.
    pub const CLIENT_HIGH: u32 = 4;
    /// Userspace wants it reset with its next segment.
    pub const RESET: u32 = 8;
    /// [`super::Guarded::decided`](super::Guarded) is known.
    pub const DECIDED: u32 = 16;
    /// It carried one credential that is known and one that is not: whether both were accepted, only userspace can tell.
    pub const UNSURE: u32 = 32;
}

/// Places of [`super::map::GUARD`].
pub mod place {
    /// Nanoseconds of the monotonic clock after which nothing is stopped: the last deadline.
    pub const UNTIL: u32 = 0;
    /// When a request was refused last, as the programs have it.
    pub const REFUSED: u32 = 1;
    /// 1: some network has an entry that forbids.
    pub const NETWORKS: u32 = 2;
    /// Number of places.
    pub const PLACES: u32 = 4;
}

/// Places of one action in [`super::map::HITS`].
pub mod hit {
    /// Requests that were refused.
    pub const REFUSED: usize = 0;
    /// Requests that a limit let pass.
    pub const PASSED: usize = 1;
    /// Requests on shared connections.
    pub const SHARED: usize = 2;
    /// Packets that were dropped.
    pub const PACKETS: usize = 3;
    /// Number of places.
    pub const PLACES: usize = 4;
}

/// Values of [`super::map::NETWORKS`] that are no place of an action.
pub mod network {
    /// Whoever comes from there is never stopped.
    pub const ALLOW: u32 = u32::MAX;
    /// Who comes from there speaks for others: userspace decides.
    pub const SPEAKS: u32 = u32::MAX - 1;
}

/// Places of [`super::map::ACTIONS`]; the first one is nobody's.
pub const ACTIONS: u32 = 1 << 14;

/// How long the client of a refused request is seen off. Nanoseconds.
pub const LINGER: u64 = 30_000_000_000;

/// Takes one request from a bucket. `arrival`: the bucket as kept, the time at which it is full again (the theoretical arrival
/// time of the generic cell rate algorithm, ITU-T I.371); `None`: it is empty, and stays as it is.
#[inline(always)]
pub fn take(arrival: u64, now: u64, action: &Action) -> Option<u64> {
    let from = if arrival > now { arrival } else { now };
    let full = from.wrapping_add(action.interval);
    if full.wrapping_sub(now) <= action.capacity {
        Some(full)
    } else {
        None
    }
}

const _: () = {
    assert!(size_of::<Action>() == Action::SIZE);
    assert!(size_of::<Answer>() == Answer::SIZE);
    assert!(size_of::<Guarded>() == Guarded::SIZE);
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_lets_a_bucket_pass_and_then_its_rate() {
        let second = 1_000_000_000_u64;
        let limit = Action {
            until: u64::MAX,
            interval: second / 10,
            capacity: second,
            ..Action::default()
        };
        let (mut arrival, mut passed) = (0, std::vec::Vec::new());
        // A thousand requests a second for three seconds.
        for step in 0..3000 {
            let now = 5 * second + step * 1_000_000;
            if let Some(next) = take(arrival, now, &limit) {
                arrival = next;
                passed.push(step);
            }
        }
        assert_eq!(passed.iter().filter(|step| **step < 10).count(), 10);
        assert_eq!(passed.len(), 10 + 29);
        // At rest it fills up to one bucket, and no further.
        let later = 100 * second;
        let again = (0..100).filter(|_| match take(arrival, later, &limit) {
            Some(next) => {
                arrival = next;
                true
            }
            None => false,
        });
        assert_eq!(again.count(), 10);
    }

    #[test]
    fn what_crosses_the_border_comes_back() {
        let holder = Holder {
            consumer: ALLOWED | 7,
            action: 9,
        };
        assert_eq!(Holder::of_word(holder.to_word()), holder);
        let guarded = Guarded {
            consumer: 1,
            state: guarded::REFUSED,
            decided: 3,
            client: 4,
            server: 5,
            action: 6,
        };
        assert_eq!(Guarded::from_bytes(&guarded.to_bytes()), guarded);
    }
}
