//! Keeping the daemon's own CPU time under its limit: pauses first, then less work in a stated order.
//!
//! Order: copied payload that begins no message, then new connections, a quarter of them at a time. What still comes is lost
//! when a ring is full. All of it is counted, and taken back step by step once there is room.

use std::time::Duration;

use observer_ebpf::abi::shed;

/// The time over which the limit holds.
const WINDOW: Duration = Duration::from_millis(100);
/// How often more is shed while the limit is reached and a ring fills up.
const WORSE: Duration = Duration::from_millis(300);
/// How long there must have been room before less is shed.
const BETTER: Duration = Duration::from_millis(1_000);
/// Steps: nothing, payload, then connections by quarters.
const STEPS: u32 = 5;

/// The daemon's load.
#[derive(Debug)]
pub struct Load {
    /// Share of one core.
    limit: f64,
    begun: Duration,
    used: Duration,
    step: u32,
    /// When the last step was taken, either way, or the limit was last reached.
    since: Duration,
}

impl Load {
    /// No load yet. `limit`: share of one core.
    pub fn new(limit: f64) -> Self {
        Self {
            limit,
            begun: Duration::ZERO,
            used: Duration::ZERO,
            step: 0,
            since: Duration::ZERO,
        }
    }

    /// How long to pause now. `now`: any monotonic time; `used`: CPU time of the process; `filling`: a ring is more than half
    /// full.
    pub fn pause(&mut self, now: Duration, used: Duration, filling: bool) -> Option<Duration> {
        let passed = now.saturating_sub(self.begun);
        let allowed = WINDOW.mul_f64(self.limit);
        if used.saturating_sub(self.used) < allowed {
            if passed >= WINDOW {
                (self.begun, self.used) = (now, used);
                if self.step > 0 && now.saturating_sub(self.since) >= BETTER {
                    self.step -= 1;
                    self.since = now;
                }
            }
            return None;
        }
        if filling && self.step < STEPS && now.saturating_sub(self.since) >= WORSE {
            self.step += 1;
            self.since = now;
        } else if filling {
            // Still too much: nothing is taken back yet.
            self.since = self.since.max(now.saturating_sub(WORSE));
        }
        // What was used beyond the share is paid for by a longer pause.
        let over = used.saturating_sub(self.used);
        let pause = Duration::from_secs_f64(over.as_secs_f64() / self.limit).saturating_sub(passed);
        (self.begun, self.used) = (now + pause, used);
        (!pause.is_zero()).then_some(pause)
    }

    /// What is to be shed: payload, and so many of [`shed::ALL`] new connections.
    pub fn shed(&self) -> (bool, u64) {
        let quarters = u64::from(self.step.saturating_sub(1));
        (self.step > 0, quarters * shed::ALL / u64::from(STEPS - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs for so long with work that takes `work` of each millisecond, pauses left out. Returns the share of the time used.
    fn run(load: &mut Load, from: Duration, time: Duration, work: f64, filling: bool) -> f64 {
        let tick = Duration::from_millis(1);
        let (mut now, mut used) = (from, from.mul_f64(0.01));
        let before = used;
        while now < from + time {
            now += tick;
            used += tick.mul_f64(work);
            if let Some(pause) = load.pause(now, used, filling) {
                now += pause;
            }
        }
        (used - before).as_secs_f64() / (now - from).as_secs_f64()
    }

    #[test]
    fn the_limit_holds_and_shedding_comes_in_order_and_goes() {
        let mut load = Load::new(0.25);
        let second = Duration::from_secs(1);
        assert!(run(&mut load, second, second, 0.1, false) < 0.11);
        assert_eq!(load.shed(), (false, 0));
        let share = run(&mut load, second * 2, second * 10, 1.0, true);
        assert!((0.2..0.27).contains(&share), "{share}");
        assert_eq!(load.shed(), (true, shed::ALL));
        run(&mut load, second * 20, second * 10, 0.1, false);
        assert_eq!(load.shed(), (false, 0));
    }
}
