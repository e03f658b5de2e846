//! Classes of errors, what is kept for each of them, and how many there were lately.

use serde::{Deserialize, Serialize};

use super::SECOND;
use super::rules::Rule;
use crate::usage::Outcome;
use crate::usage::window::Window;

/// How many there are.
pub const CLASSES: usize = 4;

/// What kind of error an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// 4xx but 401, 403 and 429, and what is malformed.
    Client,
    /// 401 and 403.
    Auth,
    /// 429.
    Limited,
    /// 5xx, and no response that the server could have given.
    Server,
}

impl Class {
    /// Every one.
    pub const ALL: [Self; CLASSES] = [Self::Client, Self::Auth, Self::Limited, Self::Server];

    /// What an outcome is; `None` for none.
    pub fn of(outcome: Outcome) -> Option<Self> {
        match outcome {
            Outcome::Ok | Outcome::Redirect | Outcome::ClientAbort => None,
            Outcome::AuthMissing | Outcome::AuthRejected | Outcome::Forbidden => Some(Self::Auth),
            Outcome::RateLimited => Some(Self::Limited),
            Outcome::NotFound
            | Outcome::MethodNotAllowed
            | Outcome::ClientError
            | Outcome::Malformed => Some(Self::Client),
            Outcome::ServerError | Outcome::NoResponse | Outcome::ServerReset => Some(Self::Server),
        }
    }

    /// The classes of these bits.
    pub fn of_bits(bits: u8) -> impl Iterator<Item = Self> {
        let all = Self::ALL.into_iter();
        all.filter(move |class| bits & class.bit() != 0)
    }

    /// Its bit.
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// The rule that tells of it.
    pub fn rule(self) -> Rule {
        match self {
            Self::Client => Rule::ErrorRate,
            Self::Auth => Rule::AuthFailures,
            Self::Limited => Rule::RateLimitPressure,
            Self::Server => Rule::ProviderErrors,
        }
    }

    /// In a sentence.
    pub fn words(self) -> &'static str {
        match self {
            Self::Client => "4xx",
            Self::Auth => "401/403",
            Self::Limited => "429",
            Self::Server => "5xx or no response",
        }
    }
}

/// One of something for each class.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ByClass<T>([T; CLASSES]);

impl<T> ByClass<T> {
    /// That of a class.
    pub fn of(&self, class: Class) -> &T {
        let [client, auth, limited, server] = &self.0;
        match class {
            Class::Client => client,
            Class::Auth => auth,
            Class::Limited => limited,
            Class::Server => server,
        }
    }

    /// That of a class.
    pub fn of_mut(&mut self, class: Class) -> &mut T {
        let [client, auth, limited, server] = &mut self.0;
        match class {
            Class::Client => client,
            Class::Auth => auth,
            Class::Limited => limited,
            Class::Server => server,
        }
    }

    /// All, in the order of [`Class::ALL`].
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }
}

/// Requests, and errors of each class, of the last five minutes. Times are nanoseconds since 1970.
#[derive(Clone, Debug)]
pub struct Recent(Window<5, 10>);

impl Default for Recent {
    fn default() -> Self {
        Self(Window::new(30 * SECOND))
    }
}

impl Recent {
    /// Takes one.
    #[inline]
    pub fn add(&mut self, class: Option<Class>, time: u64) {
        let mut counts = [1, 0, 0, 0, 0];
        if let Some(count) = class.and_then(|class| counts.get_mut(class as usize + 1)) {
            *count = 1;
        }
        self.0.add(time, counts);
    }

    /// Requests at `time`.
    pub fn requests(&self, time: u64) -> u64 {
        let [requests, ..] = self.0.sums(time);
        requests
    }

    /// Errors of a class and requests at `time`.
    pub fn of(&self, class: Class, time: u64) -> (u32, u32) {
        let sums = self.0.sums(time);
        let of = |index: usize| {
            sums.get(index)
                .map_or(0, |sum| u32::try_from(*sum).unwrap_or(u32::MAX))
        };
        (of(class as usize + 1), of(0))
    }
}
