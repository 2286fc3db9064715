//! Points in time, to the nanosecond.

use std::fmt::{self, Display};
use std::str::FromStr;

use thiserror::Error;

/// A point in time between year 1 and year 9999 (UTC), to the nanosecond, as `google.protobuf.Timestamp` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

/// Why something is no timestamp.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TimestampError {
    /// Outside of years 1 to 9999, or with a second or more of nanoseconds.
    #[error("{seconds} s and {nanos} ns after 1970 is outside of years 1 to 9999")]
    Range {
        /// Seconds since 1970.
        seconds: i64,
        /// Nanoseconds of that second.
        nanos: i64,
    },
    /// The text is no time, or another spelling of one.
    #[error("`{0}` is no time as Gaebar writes it, such as `2008-12-20T10:00:00.123456Z`")]
    Text(String),
}

impl Timestamp {
    /// 0001-01-01T00:00:00Z.
    const FIRST_SECOND: i64 = -62_135_596_800;
    /// 9999-12-31T23:59:59Z.
    const LAST_SECOND: i64 = 253_402_300_799;

    /// A timestamp from seconds since 1970 (negative before) and the nanoseconds of that second.
    pub fn new(seconds: i64, nanos: u32) -> Result<Self, TimestampError> {
        if (Self::FIRST_SECOND..=Self::LAST_SECOND).contains(&seconds) && nanos < 1_000_000_000 {
            Ok(Self { seconds, nanos })
        } else {
            Err(TimestampError::Range { seconds, nanos: nanos.into() })
        }
    }

    /// Seconds since 1970, negative before.
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds of that second, 0 to 999,999,999.
    pub fn nanos(self) -> u32 {
        self.nanos
    }

    /// The same time without what is below a microsecond, as servers keep it.
    #[must_use]
    pub fn to_micros(self) -> Self {
        Self { nanos: self.nanos / 1000 * 1000, ..self }
    }
}

impl TryFrom<prost_types::Timestamp> for Timestamp {
    type Error = TimestampError;

    fn try_from(time: prost_types::Timestamp) -> Result<Self, TimestampError> {
        u32::try_from(time.nanos)
            .ok()
            .and_then(|nanos| Self::new(time.seconds, nanos).ok())
            .ok_or(TimestampError::Range { seconds: time.seconds, nanos: time.nanos.into() })
    }
}

impl From<Timestamp> for prost_types::Timestamp {
    fn from(time: Timestamp) -> Self {
        Self {
            seconds: time.seconds,
            // Below 1,000,000,000 by construction.
            nanos: time.nanos.cast_signed(),
        }
    }
}

impl Display for Timestamp {
    /// RFC 3339 in UTC, with no, 3, 6 or 9 digits of a second.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        prost_types::Timestamp::from(*self).fmt(f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        text.parse::<prost_types::Timestamp>()
            .ok()
            .and_then(|time| Self::try_from(time).ok())
            .filter(|time| time.to_string() == text)
            .ok_or_else(|| TimestampError::Text(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_one_text() {
        for (seconds, nanos, text) in [
            (Timestamp::FIRST_SECOND, 0, "0001-01-01T00:00:00Z"),
            (Timestamp::LAST_SECOND, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
            (-1, 1_000, "1969-12-31T23:59:59.000001Z"),
            (0, 120_000_000, "1970-01-01T00:00:00.120Z"),
            (1_229_767_200, 123_456_000, "2008-12-20T10:00:00.123456Z"),
        ] {
            let time = Timestamp::new(seconds, nanos).unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
        for text in [
            "",
            "2008-12-20",
            "2008-12-20T10:00:00",
            "2008-12-20T10:00:00.1Z",
            "2008-12-20T12:00:00+02:00",
            "10000-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text} was accepted");
        }
        assert!(Timestamp::new(Timestamp::FIRST_SECOND - 1, 0).is_err());
        assert!(Timestamp::new(0, 1_000_000_000).is_err());
    }
}
