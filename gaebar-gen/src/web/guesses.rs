//! Tokens that somebody tries. The right one always passes: where wrong ones locked anybody out, they would lock out everybody who has the same
//! address, or all whose addresses are not known.

use std::net::IpAddr;
use std::time::Duration;

use super::limit::Limiter;
use super::problem::Problem;
use super::session::Token;

/// Wrong tokens of one address, in a minute, before answers take their time.
const MOST_OF_ONE: u32 = 10;
/// Those of all addresses together.
const MOST: u32 = 100;
/// What an answer takes then.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts wrong tokens.
#[derive(Debug)]
pub(super) struct Guesses {
    of_one: Limiter,
    of_all: Limiter,
}

impl Default for Guesses {
    fn default() -> Self {
        Self { of_one: Limiter::new(MOST_OF_ONE), of_all: Limiter::new(MOST) }
    }
}

impl Guesses {
    /// Whether a token is ours. After many wrong ones that takes a while for the right one, too: so nobody learns anything by not waiting.
    pub(super) async fn is_right(&self, token: &Token, given: &[u8], address: Option<IpAddr>) -> Result<bool, Problem> {
        let many = self.of_one.is_exceeded(address) || self.of_all.is_exceeded(None);
        if many {
            tokio::time::sleep(PAUSE).await;
        }
        if token.is(given) {
            return Ok(true);
        }
        self.of_one.count(address);
        self.of_all.count(None);
        if many { Err(Problem::too_many("There were too many wrong tokens.")) } else { Ok(false) }
    }
}
