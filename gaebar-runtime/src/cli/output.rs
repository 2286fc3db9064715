//! What people and programs are told: progress and summaries on stderr, JSON lines on stdout.
//!
//! All that this process writes to a terminal leaves through here, where hidden characters of names, files and servers' messages
//! become visible.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use serde::Serialize;

use crate::visible::{is_hidden, json, message, visible};

/// Writes a [`message`](crate::visible::message) for people to standard error, formatted as by `format!`.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => {
        $crate::cli::tell(&::std::format!($($text)*))
    };
}

/// Writes a [`message`] for people to standard error. Where nobody listens any more (`2>&1 | head`), the work goes on.
pub fn tell(text: &str) {
    let _ = io::stderr().write_all(format!("{}\n", message(text)).as_bytes());
}

/// How often progress is written where there is no terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(5);

/// What goes to standard output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

impl Format {
    /// Writes an event as a line of JSON, if JSON was asked for.
    pub fn event(self, event: &impl Serialize) -> io::Result<()> {
        match self {
            Self::Text => Ok(()),
            Self::Json => print(&json(&serde_json::to_string(event)?)),
        }
    }
}

/// Writes a [`message`] to standard output. A pipe that was closed (`| head`) is the reader's decision, and no error.
pub fn print(text: &str) -> io::Result<()> {
    match writeln!(io::stdout(), "{}", message(text)) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Ends the program as clap would: with its help, or with what is wrong with the arguments. If something hides in the arguments,
/// which clap repeats as they are, its colours are lost.
pub fn exit(error: &clap::Error) -> ! {
    let hides = |argument: OsString| argument.to_string_lossy().contains(is_hidden);
    if !std::env::args_os().any(hides) {
        error.exit();
    }
    let text = error.render().to_string();
    if error.use_stderr() {
        tell(&text);
    } else {
        // Nothing else is left to do for this program.
        let _ = print(&text);
    }
    std::process::exit(error.exit_code())
}

/// A writer of lines for people, for what others format: each write is a [`message`].
pub(super) struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        tell(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells of a panic as the standard library would.
pub(super) fn tell_panic(panic: &std::panic::PanicHookInfo) {
    tell(&panic.to_string());
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tell(&backtrace.to_string());
    }
}

/// Progress for people: a bar on a terminal, now and then a plain line elsewhere.
#[derive(Debug)]
pub struct Bars {
    doing: &'static str,
    begun: Instant,
    total: Option<u64>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bar: Option<ProgressBar>,
    done: u64,
    last_line: Instant,
}

impl Bars {
    /// Progress over `total` rows, where their number is known.
    pub fn new(doing: &'static str, total: Option<u64>) -> Self {
        let begun = Instant::now();
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = match total {
                Some(_) => "{prefix} {bar:20} {human_pos} of {human_len} rows, {rate}/s, {eta} left  {wide_msg}",
                None => "{prefix} {spinner} {human_pos} rows, {rate}/s  {wide_msg}",
            };
            // The templates are constants; were one wrong, the default style would do.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                    // Nothing to do about a display that can't be written.
                    let _ = write!(out, "{:.0}", state.per_sec());
                }));
            }
            bar.set_prefix(doing);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { doing, begun, total, state: Mutex::new(State { bar, done: 0, last_line: begun }) }
    }

    /// So many more rows of a kind are done.
    pub fn add(&self, kind: &str, rows: u64) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.done += rows;
        match &state.bar {
            Some(bar) => {
                bar.inc(rows);
                bar.set_message(visible(kind));
            }
            None if state.last_line.elapsed() >= PLAIN_INTERVAL => {
                state.last_line = Instant::now();
                let seconds = self.begun.elapsed().as_secs_f64();
                let total = self.total.map(|total| format!(" of {}", thousands(total))).unwrap_or_default();
                let left =
                    self.total.map(|total| format!(", {} s left", seconds_left(state.done, total, seconds))).unwrap_or_default();
                say!("{}: {}{total} rows, {}{left}, now {kind:?}", self.doing, thousands(state.done), rate(state.done, seconds));
            }
            None => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.state.lock().unwrap_or_else(PoisonError::into_inner).bar {
            bar.finish_and_clear();
        }
    }
}

/// Progress over steps that have names: a line that changes on a terminal, now and then a plain line elsewhere.
#[derive(Debug)]
pub struct Steps {
    doing: &'static str,
    bar: Option<ProgressBar>,
    last_line: Mutex<Instant>,
}

impl Steps {
    /// Steps of doing something.
    pub fn new(doing: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            if let Ok(style) = ProgressStyle::with_template("{prefix} {bar:30} {pos} of {len}  {elapsed}  {wide_msg}") {
                bar.set_style(style);
            }
            bar.set_prefix(doing);
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        Self { doing, bar, last_line: Mutex::new(Instant::now()) }
    }

    /// Step `done` of `of` was the one called `name`.
    pub fn step(&self, name: &str, done: u64, of: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(of);
            bar.set_position(done);
            bar.set_message(format!("done: {}", visible(name)));
            return;
        }
        let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        if last.elapsed() >= PLAIN_INTERVAL {
            *last = Instant::now();
            say!("{}: {done} of {of}, done {}", self.doing, visible(name));
        }
    }

    /// Says something beside the steps.
    pub fn say(&self, what: &str) {
        if let Some(bar) = &self.bar {
            bar.println(message(what));
        } else {
            tell(what);
        }
    }

    /// Takes the line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// `18,969`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 row`, `2 rows`.
pub fn plural(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", thousands(number))
}

/// How long the rest takes at the rate so far.
fn seconds_left(done: u64, total: u64, seconds: f64) -> u64 {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // for people to read
    let left = (total.saturating_sub(done) as f64 * seconds / done.max(1) as f64) as u64;
    left
}

/// `5,900 rows/s`.
pub fn rate(rows: u64, seconds: f64) -> String {
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // for people to read
    let rate = (rows as f64 / seconds.max(0.001)) as u64;
    format!("{} rows/s", thousands(rate))
}
