//! When to try again, and after how long: exponential backoff with full jitter.

use std::error::Error as _;
use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status};

/// The longest first wait.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait of all.
const LONGEST: Duration = Duration::from_secs(30);
/// How long to keep trying. Google's clients give a Datastore call ten minutes at most; after five, somebody should look.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long to keep trying an emulator that can't be reached: it runs on this machine, and died.
const PATIENCE_WITH_EMULATOR: Duration = Duration::from_secs(5);

/// For how long a call that failed this way may be repeated; `None` if it would fail again.
///
/// All calls here are idempotent, so a broken connection is a reason to repeat them too.
pub(super) fn patience(status: &Status, emulator: bool) -> Option<Duration> {
    if is_broken(status) {
        Some(if emulator { PATIENCE_WITH_EMULATOR } else { PATIENCE })
    } else {
        matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::ResourceExhausted)
            .then_some(PATIENCE)
    }
}

/// Whether the connection broke, rather than the server answered: tonic keeps the cause of its own errors, whose
/// codes vary (`UNKNOWN` where the peer hangs up, `CANCELLED` where its own timer fires).
pub(super) fn is_broken(status: &Status) -> bool {
    status.source().is_some()
}

/// Counts tries.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Calls that failed.
    pub(super) tries: u32,
}

impl Backoff {
    /// How long to wait before the next try; `None` when patience runs out.
    ///
    /// `asked` is what the server asked for, `elapsed` the time since the first try began, `random` any number.
    pub(super) fn next(
        &mut self,
        patience: Duration,
        elapsed: Duration,
        asked: Option<Duration>,
        random: u64,
    ) -> Option<Duration> {
        let ceiling = FIRST.saturating_mul(2_u32.saturating_pow(self.tries)).min(LONGEST);
        self.tries = self.tries.saturating_add(1);
        let nanos = u64::try_from(ceiling.as_nanos()).unwrap_or(u64::MAX);
        let wait = asked.unwrap_or_default() + Duration::from_nanos(random % nanos.saturating_add(1));
        (elapsed + wait <= patience).then_some(wait)
    }
}

/// The `google.rpc.RetryInfo` of a status, if it has one.
pub(super) fn asked_delay(status: &Status) -> Option<Duration> {
    RpcStatus::decode(status.details())
        .ok()?
        .details
        .into_iter()
        .filter(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))
        .find_map(|detail| RetryInfo::decode(detail.value.as_slice()).ok()?.retry_delay?.try_into().ok())
}

/// The part of `google.rpc.Status` that is needed here.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn waits_double_up_to_half_a_minute_and_end_with_patience() {
        let mut backoff = Backoff::default();
        let mut elapsed = Duration::ZERO;
        let mut waits = Vec::new();
        // The longest wait each time.
        while let Some(wait) = backoff.next(PATIENCE, elapsed, None, longest(backoff.tries)) {
            waits.push(wait.as_millis());
            elapsed += wait;
        }
        assert_eq!(waits[..10], [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000]);
        assert!(waits[10..].iter().all(|wait| *wait == 30_000));
        assert!(elapsed <= PATIENCE && elapsed + LONGEST > PATIENCE, "{elapsed:?}");
        assert_eq!(backoff.tries as usize, waits.len() + 1);
    }

    fn longest(tries: u32) -> u64 {
        u64::try_from(FIRST.as_nanos()).unwrap().saturating_mul(1 << tries.min(20)).min(30_000_000_000)
    }

    #[test]
    fn jitter_takes_the_whole_range_and_a_server_is_waited_for() {
        assert_eq!(Backoff::default().next(PATIENCE, Duration::ZERO, None, 0), Some(Duration::ZERO));
        let asked = Some(Duration::from_secs(7));
        assert_eq!(Backoff::default().next(PATIENCE, Duration::ZERO, asked, 0), asked);
        assert_eq!(Backoff::default().next(Duration::from_secs(5), Duration::ZERO, asked, 0), None);
        assert!(Backoff { tries: u32::MAX }.next(PATIENCE, Duration::ZERO, None, u64::MAX).is_some());
    }

    #[test]
    fn only_passing_trouble_is_tried_again() {
        for code in [Code::Unavailable, Code::DeadlineExceeded, Code::Aborted, Code::ResourceExhausted] {
            assert_eq!(patience(&Status::new(code, ""), true), Some(PATIENCE), "{code:?}");
        }
        for code in [Code::InvalidArgument, Code::Unknown, Code::Internal, Code::PermissionDenied, Code::Cancelled] {
            assert_eq!(patience(&Status::new(code, ""), false), None, "{code:?}");
        }
        let mut broken = Status::unknown("transport error");
        broken.set_source(Arc::new(std::io::Error::other("reset")));
        assert_eq!(patience(&broken, false), Some(PATIENCE));
        assert_eq!(patience(&broken, true), Some(PATIENCE_WITH_EMULATOR));
    }

    #[test]
    fn the_delay_that_a_server_asks_for_is_found() {
        let info = RetryInfo { retry_delay: Some(prost_types::Duration { seconds: 3, nanos: 0 }) };
        let any = |name: &str, value| prost_types::Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value };
        let details = RpcStatus { details: vec![any("Help", vec![1, 2]), any("RetryInfo", info.encode_to_vec())] };
        let status = Status::with_details(Code::Unavailable, "", details.encode_to_vec().into());
        assert_eq!(asked_delay(&status), Some(Duration::from_secs(3)));
        assert_eq!(asked_delay(&Status::unavailable("")), None);
        assert_eq!(asked_delay(&Status::with_details(Code::Unavailable, "", vec![0xff].into())), None);
    }
}
