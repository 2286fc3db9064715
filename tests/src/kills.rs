//! Killing a command at random points, always the same ones, again and again.

use std::env;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How often to kill: `GAEBAR_KILLS`, or enough for every day.
pub fn wanted() -> usize {
    number("GAEBAR_KILLS").unwrap_or(20)
}

/// Entities of the headline set: `GAEBAR_KILL_ROWS`, or enough for every day.
pub fn rows() -> u64 {
    number("GAEBAR_KILL_ROWS").unwrap_or(3_000)
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    env::var(variable).ok()?.parse().ok()
}

/// Begins something, and goes on with it, killed up to six times at points within `time`, until it has been killed as often as is
/// wanted. `ended` looks at what came of it each time, with whether it ended by itself. Returns how often it was resumed.
pub fn kill(time: Duration, begin: impl Fn(), go_on: impl Fn() -> Command, ended: impl Fn(bool)) -> (usize, usize) {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let (mut kills, mut resumed) = (0, 0);
    while kills < wanted() {
        begin();
        let mut is_over = false;
        for _ in 0..6 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut command = go_on();
            resumed += usize::from(command.get_args().any(|argument| argument == "--resume"));
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the command starts");
            std::thread::sleep(time.mul_f64((random >> 40) as f64 / f64::from(1 << 24)));
            if child.try_wait().expect("it is a child").is_none() {
                child.kill().expect("it can be killed");
                kills += 1;
            }
            is_over = child.wait().expect("it is a child").success();
            if is_over || kills >= wanted() {
                break;
            }
        }
        ended(is_over);
    }
    (kills, resumed)
}
