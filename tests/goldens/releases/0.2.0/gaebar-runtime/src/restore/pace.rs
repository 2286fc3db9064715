//! How fast to write. Datastore asks that traffic to a project begins at 500 writes a second, and grows by half every five minutes
//! (its page "Best practices", "Ramping up traffic").

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::batches::lock;

/// Writes a second at first.
const FIRST_RATE: f64 = 500.0;
/// By how much the rate grows.
const GROWTH: f64 = 1.5;
/// How often it grows.
const STEP: Duration = Duration::from_mins(5);
/// How long to sleep before looking whether somebody asked to stop.
const NAP: Duration = Duration::from_millis(100);

/// What the time is.
pub trait Clock: Send + Sync {
    /// The time since the clock was made.
    fn now(&self) -> Duration;

    /// Waits.
    fn sleep(&self, time: Duration);
}

/// The machine's clock.
#[derive(Debug)]
pub struct RealClock(Instant);

impl Default for RealClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Lets writes pass at a rate.
pub struct Pace {
    ramp: bool,
    most: Option<u32>,
    clock: Box<dyn Clock>,
    /// When the next write may begin.
    due: Mutex<Duration>,
}

impl Pace {
    /// At most so many writes a second, if there is a limit; with the ramp, fewer at first.
    pub fn new(ramp: bool, most: Option<u32>) -> Self {
        Self::with_clock(ramp, most, Box::new(RealClock::default()))
    }

    /// The same, by another clock.
    pub fn with_clock(ramp: bool, most: Option<u32>, clock: Box<dyn Clock>) -> Self {
        Self { ramp, most, clock, due: Mutex::default() }
    }

    /// Writes a second at a time, if they are limited.
    fn rate(&self, time: Duration) -> Option<f64> {
        let steps = i32::try_from(time.as_secs() / STEP.as_secs()).unwrap_or(i32::MAX);
        let ramp = self.ramp.then(|| FIRST_RATE * GROWTH.powi(steps));
        let most = self.most.map(f64::from);
        match (ramp, most) {
            (Some(ramp), Some(most)) => Some(ramp.min(most)),
            (limit, None) | (None, limit) => limit,
        }
    }

    /// How many writes should go together: not more than pass in a second.
    pub(super) fn batch(&self) -> usize {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count that is bounded from both sides
        self.rate(self.clock.now()).map_or(usize::MAX, |rate| rate.clamp(1.0, 1e6) as usize)
    }

    /// Waits until so many writes may pass; `false` if somebody asked to stop meanwhile.
    pub(super) fn pass(&self, writes: usize, stop: &AtomicBool) -> bool {
        let now = self.clock.now();
        let Some(rate) = self.rate(now) else { return !stop.load(Ordering::Relaxed) };
        #[allow(clippy::cast_precision_loss)] // at most a batch
        let takes = Duration::from_secs_f64(writes as f64 / rate);
        let begin = {
            let mut due = lock(&self.due);
            let begin = (*due).max(now);
            *due = begin + takes;
            begin
        };
        loop {
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            match begin.checked_sub(self.clock.now()) {
                None | Some(Duration::ZERO) => return true,
                Some(left) => self.clock.sleep(left.min(NAP)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;

    use super::*;

    /// Time that passes only while somebody sleeps.
    #[derive(Clone, Default)]
    struct Virtual(Arc<AtomicU64>);

    impl Clock for Virtual {
        fn now(&self) -> Duration {
            Duration::from_nanos(self.0.load(Ordering::Relaxed))
        }

        fn sleep(&self, time: Duration) {
            self.0.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
        }
    }

    /// Writes that pass in each of so many stretches of time.
    fn passed(pace: &Pace, clock: &Virtual, stretch: Duration, stretches: u32) -> Vec<u64> {
        let mut passed = vec![0; stretches as usize];
        let stop = AtomicBool::new(false);
        loop {
            let batch = pace.batch().min(500);
            assert!(pace.pass(batch, &stop));
            let at = usize::try_from(clock.now().as_nanos() / stretch.as_nanos()).unwrap();
            match passed.get_mut(at) {
                Some(count) => *count += batch as u64,
                None => return passed,
            }
        }
    }

    #[test]
    fn traffic_begins_at_500_writes_a_second_and_grows_by_half_every_five_minutes() {
        let clock = Virtual::default();
        let pace = Pace::with_clock(true, None, Box::new(clock.clone()));
        let passed = passed(&pace, &clock, STEP, 4);
        for (count, rate) in passed.iter().zip([500.0, 750.0, 1125.0, 1687.5]) {
            #[allow(clippy::cast_precision_loss)]
            let share = *count as f64 / (rate * 300.0);
            assert!((0.99..1.01).contains(&share), "{passed:?}");
        }
    }

    #[test]
    fn the_most_is_never_passed() {
        let clock = Virtual::default();
        let pace = Pace::with_clock(true, Some(20), Box::new(clock.clone()));
        assert!(passed(&pace, &clock, Duration::from_secs(10), 30).iter().all(|count| (180..=220).contains(count)));
    }

    #[test]
    fn without_a_limit_nobody_waits_and_stopping_ends_a_wait() {
        let clock = Virtual::default();
        let pace = Pace::with_clock(false, None, Box::new(clock.clone()));
        assert!((0..1000).all(|_| pace.pass(500, &AtomicBool::new(false))));
        assert_eq!(clock.now(), Duration::ZERO);
        assert!(!Pace::new(true, None).pass(500, &AtomicBool::new(true)));
    }
}
