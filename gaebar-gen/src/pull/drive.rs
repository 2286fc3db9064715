//! A backup that the remote makes because it is asked to, a step a request. The job is the remote's own, on its disk: whoever asks next,
//! after a kill here or there, goes on with it.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use form_urlencoded::Serializer;
use serde::Deserialize;

use super::{Paused, PullError, Remote, Wanted};
use crate::progress::Progress;
use crate::steps::Stage;

/// Bytes of a job, whose log has some lines, and of all jobs.
const MOST_JOB: u64 = 1 << 20;
const MOST_JOBS: u64 = 16 << 20;
/// Answers in a row that bring it no further, and how often it may begin anew.
const MOST_IDLE: u32 = 100;
const MOST_RESTARTS: u32 = 3;
/// Steps of one pull: five times those of ten million rows.
const MOST_STEPS: u32 = 100_000;
/// Steps in a row that fail.
const MOST_PROBLEMS: u32 = 3;
/// The longest wait for who is at it there. The first is a second.
const LONGEST_WAIT: u32 = 10;

/// A job in the list of them, as far as it matters here.
#[derive(Deserialize)]
struct Listed {
    id: u64,
    stage: Stage,
    work: Work,
}

#[derive(Deserialize)]
struct Work {
    #[serde(rename = "do")]
    what: String,
    #[serde(default)]
    store: Option<String>,
    #[serde(default)]
    backup: String,
}

/// A job after a step.
#[derive(Deserialize)]
struct Step {
    id: u64,
    stage: Stage,
    rows: u32,
    problem: Option<String>,
}

/// Has a store of the remote's backed up there: begins that, or goes on with it, until it is done.
pub(super) fn back_up(
    remote: &Remote,
    store: &str,
    wanted: &Wanted,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<(), PullError> {
    let mut watch = Watch::new(job(remote, store, wanted.backup, stop)?);
    loop {
        let path = format!("api/jobs/{}/step", watch.job);
        match remote.send_form::<Step>(&path, String::new(), MOST_JOB, stop) {
            Ok(told) => {
                let more = watch.count(&told)?;
                if more > 0 {
                    progress.add(store, more.into());
                }
                match (told.stage, told.problem, wanted.budget) {
                    (Stage::Done, ..) => return Ok(()),
                    (Stage::Cancelled, ..) => return Err(PullError::Cancelled(watch.job)),
                    // Whoever takes one step at a time sees to what comes of it.
                    (_, Some(problem), Some(_)) => return Err(PullError::Problem { job: watch.job, problem }),
                    (_, None, Some(_)) => return Err(watch.paused()),
                    (_, Some(_), None) => {}
                    (_, None, None) => continue,
                }
            }
            // A step is under way, whose answer was lost or took too long for somebody on the way.
            Err(PullError::Refused { status: 409 | 502 | 503 | 504, .. } | PullError::Slow { .. }) => watch.wait()?,
            Err(error) => return Err(error),
        }
        remote.wait(Duration::from_secs(watch.idle.clamp(1, LONGEST_WAIT).into()), stop)?;
        if wanted.budget.is_some() {
            return Err(watch.paused());
        }
    }
}

/// The job that has not ended yet, or a new one.
fn job(remote: &Remote, store: &str, backup: &str, stop: &AtomicBool) -> Result<u64, PullError> {
    let jobs: Vec<Listed> = remote.told("api/jobs", MOST_JOBS, stop)?;
    let is_ours = |job: &Listed| !job.stage.has_ended() && job.work.what == "backup" && job.work.backup == backup;
    match jobs.into_iter().find(is_ours) {
        Some(Listed { id, work, .. }) if work.store.as_deref() == Some(store) => Ok(id),
        Some(Listed { id, work, .. }) => {
            Err(PullError::Other { job: id, store: work.store.unwrap_or_default(), backup: work.backup })
        }
        None => {
            let mut form = Serializer::new(String::new());
            form.extend_pairs([("do", "backup"), ("store", store), ("backup", backup)]);
            Ok(remote.send_form::<Step>("api/jobs", form.finish(), MOST_JOB, stop)?.id)
        }
    }
}

/// Sees to it that a job comes to an end.
struct Watch {
    job: u64,
    /// The furthest that it was.
    at: (Stage, u32),
    steps: u32,
    idle: u32,
    restarts: u32,
    problems: u32,
}

impl Watch {
    fn new(job: u64) -> Self {
        Self { job, at: (Stage::Reading, 0), steps: 0, idle: 0, restarts: 0, problems: 0 }
    }

    /// Counts a step. Returns how many more rows were read.
    fn count(&mut self, step: &Step) -> Result<u32, PullError> {
        let (before, now) = (self.at, (step.stage, step.rows));
        self.problems = if step.problem.is_some() { self.problems + 1 } else { 0 };
        if let Some(problem) = step.problem.clone().filter(|_| self.problems >= MOST_PROBLEMS) {
            return Err(PullError::Problem { job: self.job, problem });
        }
        let begins_anew = now < before && self.restarts < MOST_RESTARTS;
        if now > before || begins_anew {
            self.at = now;
            self.idle = 0;
            self.steps += 1;
            self.restarts += u32::from(begins_anew);
        } else {
            self.wait()?;
        }
        if self.steps > MOST_STEPS {
            return Err(self.endless());
        }
        let is_reading = before.0 == Stage::Reading && now.0 == Stage::Reading;
        Ok(if is_reading { now.1.saturating_sub(before.1) } else { 0 })
    }

    /// Counts an answer that brought it no further.
    fn wait(&mut self) -> Result<(), PullError> {
        self.idle += 1;
        self.steps += 1;
        if self.idle > MOST_IDLE { Err(self.endless()) } else { Ok(()) }
    }

    fn paused(&self) -> PullError {
        PullError::Paused(Paused::Reading { rows: self.at.1.into() })
    }

    fn endless(&self) -> PullError {
        PullError::Endless { job: self.job, steps: self.steps, rows: self.at.1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many answers it is given up.
    fn given_up_after(answer: impl Fn(u32) -> Step) -> u32 {
        let mut watch = Watch::new(1);
        (1..=2 * MOST_STEPS).find(|at| watch.count(&answer(*at)).is_err()).unwrap()
    }

    fn step(stage: Stage, rows: u32) -> Step {
        Step { id: 1, stage, rows, problem: None }
    }

    #[test]
    fn what_never_ends_is_given_up_in_whatever_way_it_moves() {
        assert_eq!(given_up_after(|_| step(Stage::Reading, 7)), 1 + MOST_IDLE + 1);
        assert_eq!(given_up_after(|at| step(Stage::Reading, at)), MOST_STEPS + 1);
        assert!(given_up_after(|at| step(Stage::Reading, at % 2)) < 3 * MOST_IDLE);
        let back_and_forth = |at| if at % 2 == 0 { Stage::Reading } else { Stage::Writing };
        assert!(given_up_after(|at| step(back_and_forth(at), at)) <= MOST_STEPS + 1);
        let mut busy = Watch::new(1);
        assert_eq!((1..=2 * MOST_IDLE).find(|_| busy.wait().is_err()), Some(MOST_IDLE + 1));
    }

    #[test]
    fn ten_million_rows_and_a_beginning_anew_are_no_reason_to_give_up() {
        let mut watch = Watch::new(1);
        for rows in (0..=5_000_000).step_by(500).chain((0..=10_000_000).step_by(500)) {
            watch.count(&step(Stage::Reading, rows)).unwrap();
        }
        watch.count(&step(Stage::Writing, 0)).unwrap();
        watch.count(&step(Stage::Done, 10_000_000)).unwrap();
    }

    #[test]
    fn a_problem_is_tried_again_before_it_is_told() {
        let failed = || Step { problem: Some("no".to_owned()), ..step(Stage::Reading, 0) };
        let mut watch = Watch::new(1);
        for _ in 0..10 {
            watch.count(&failed()).unwrap();
            watch.count(&failed()).unwrap();
            watch.count(&step(Stage::Reading, watch.at.1 + 1)).unwrap();
        }
        watch.count(&failed()).unwrap();
        watch.count(&failed()).unwrap();
        assert!(matches!(watch.count(&failed()), Err(PullError::Problem { .. })));
    }
}
