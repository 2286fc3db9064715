//! A backup that the remote makes because it is asked to, a step a request. The job is the remote's own, on its disk: whoever asks next,
//! after a kill here or there, goes on with it.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use form_urlencoded::Serializer;
use serde::{Deserialize, Serialize};

use super::begun::Begun;
use super::{Earlier, Paused, Pull, PullError, Reach, Remote};
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
/// How often it tries to begin a job where others begin one.
const MOST_BEGINNINGS: u32 = 10;
/// The longest wait for who is at it there. The first is a second.
const LONGEST_WAIT: u32 = 10;

/// A job, as far as it matters here.
#[derive(Deserialize)]
struct Listed {
    id: u64,
    stage: Stage,
    work: Work,
}

/// One of all jobs.
#[derive(Deserialize)]
#[serde(untagged)]
enum OneOfAll {
    Job(Listed),
    /// One that can't be read there; nobody can go on with it.
    Damaged {
        #[serde(rename = "problem")]
        _why: String,
    },
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

impl Work {
    /// Whether it backs a store up into a backup.
    fn is(&self, store: &str, backup: &str) -> bool {
        self.what == "backup" && self.store.as_deref() == Some(store) && self.backup == backup
    }
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
pub(super) fn back_up(pull: &Pull, store: &str, begun: &Begun) -> Result<(), PullError> {
    let known = match pull.reach {
        Reach::End => begun.job()?,
        Reach::Step { watch, .. } => watch.map(|watch| watch.job),
    };
    let looked = known.map(|job| look(pull.remote, store, pull.backup, job, pull.stop)).transpose()?;
    let job = match looked {
        Some(Known::Made(job)) => {
            (pull.hear)(Earlier::Made(job));
            return Ok(());
        }
        Some(Known::UnderWay(job)) => job,
        Some(Known::Gone(job)) => {
            (pull.hear)(Earlier::Gone(job));
            begin(pull, store, begun)?
        }
        None => begin(pull, store, begun)?,
    };
    drive(pull, store, job)
}

/// What the remote tells of a job that was begun before.
enum Known {
    Made(u64),
    UnderWay(u64),
    Gone(u64),
}

/// Asks what became of a job.
fn look(remote: &Remote, store: &str, backup: &str, job: u64, stop: &AtomicBool) -> Result<Known, PullError> {
    let is_gone = |error: &PullError| matches!(error, PullError::Refused { status: 404, .. });
    let listed: Listed = match remote.told(&format!("api/jobs/{job}"), MOST_JOB, stop) {
        Err(error) if is_gone(&error) => return Ok(Known::Gone(job)),
        listed => listed?,
    };
    if !listed.work.is(store, backup) || listed.stage == Stage::Cancelled {
        return Ok(Known::Gone(job));
    }
    if listed.stage != Stage::Done {
        return Ok(Known::UnderWay(job));
    }
    // Somebody may have removed the backup since.
    match remote.files(backup, stop) {
        Err(error) if is_gone(&error) => Ok(Known::Gone(job)),
        there => there.map(|_| Known::Made(job)),
    }
}

/// Begins a job, or takes up one that has not ended yet, and sees to it that its number is known from now on.
fn begin(pull: &Pull, store: &str, begun: &Begun) -> Result<u64, PullError> {
    let mut tries = 1;
    let job = loop {
        // An answer may have been lost.
        if let Some(job) = under_way(pull.remote, store, pull.backup, pull.stop)? {
            break job;
        }
        let mut form = Serializer::new(String::new());
        form.extend_pairs([("do", "backup"), ("store", store), ("backup", pull.backup)]);
        if pull.another_source {
            form.append_pair("another_source", "yes");
        }
        match pull.remote.send_form::<Step>("api/jobs", form.finish(), MOST_JOB, pull.stop) {
            // Others are just beginning a job there, or somebody on the way has given up.
            Err(PullError::Refused { status: 409 | 502 | 503 | 504, .. }) if tries < MOST_BEGINNINGS => {}
            begun => break begun?.id,
        }
        pull.remote.wait(Duration::from_secs(1), pull.stop)?;
        tries += 1;
    };
    match pull.reach {
        Reach::End => begun.keep(job)?,
        // It is for whoever takes steps to write it down, before more is done.
        Reach::Step { .. } => return Err(Watch::new(job).paused()),
    }
    Ok(job)
}

/// The remote's job that backs a store up into a backup, and has not ended.
fn under_way(remote: &Remote, store: &str, backup: &str, stop: &AtomicBool) -> Result<Option<u64>, PullError> {
    let jobs: Vec<OneOfAll> = remote.told("api/jobs", MOST_JOBS, stop)?;
    let mut jobs = jobs.into_iter().filter_map(|job| if let OneOfAll::Job(job) = job { Some(job) } else { None });
    let writes_it = |job: &Listed| !job.stage.has_ended() && job.work.what == "backup" && job.work.backup == backup;
    match jobs.find(writes_it) {
        Some(Listed { id, work, .. }) if work.is(store, backup) => Ok(Some(id)),
        Some(Listed { id, work, .. }) => {
            Err(PullError::Other { job: id, store: work.store.unwrap_or_default(), backup: work.backup })
        }
        None => Ok(None),
    }
}

/// Takes steps of a job there, until it has ended.
fn drive(pull: &Pull, store: &str, job: u64) -> Result<(), PullError> {
    let takes_one = matches!(pull.reach, Reach::Step { .. });
    let progress = pull.stages.reading();
    let kept = if let Reach::Step { watch, .. } = pull.reach { watch } else { None };
    let mut watch = kept.filter(|watch| watch.job == job).unwrap_or(Watch::new(job));
    loop {
        let path = format!("api/jobs/{job}/step");
        match pull.remote.send_form::<Step>(&path, String::new(), MOST_JOB, pull.stop) {
            Ok(told) => {
                let more = watch.count(&told)?;
                if more > 0 {
                    progress.add(store, more.into());
                }
                match (told.stage, told.problem) {
                    (Stage::Done, _) => return Ok(()),
                    (Stage::Cancelled, _) => return Err(PullError::Cancelled(job)),
                    // Whoever takes one step at a time sees to what comes of it.
                    (_, Some(problem)) if takes_one => return Err(PullError::Problem { job, problem }),
                    (_, None) if takes_one => return Err(watch.paused()),
                    (_, Some(_)) => {}
                    (_, None) => continue,
                }
            }
            // A step is under way, whose answer was lost or took too long for somebody on the way.
            Err(PullError::Refused { status: 409 | 502 | 503 | 504, .. } | PullError::Slow { .. }) => watch.wait()?,
            Err(error) => return Err(error),
        }
        pull.remote.wait(Duration::from_secs(watch.idle.clamp(1, LONGEST_WAIT).into()), pull.stop)?;
        if takes_one {
            return Err(watch.paused());
        }
    }
}

/// Has the remote cancel its job that backs a store up into a backup. Without its number, one is looked for that has not ended.
pub fn cancel(remote: &Remote, job: Option<u64>, store: &str, backup: &str) -> Result<Ended, PullError> {
    let stop = &AtomicBool::new(false);
    let job = match job {
        // By its number there may be another by now.
        Some(job) => match look(remote, store, backup, job, stop)? {
            Known::UnderWay(job) => Some(job),
            Known::Made(job) => return Ok(Ended::Made(job)),
            Known::Gone(_) => None,
        },
        None => under_way(remote, store, backup, stop)?,
    };
    let Some(job) = job else { return Ok(Ended::Gone) };
    match remote.delete::<Step>(&format!("api/jobs/{job}"), MOST_JOB) {
        Ok(Step { stage: Stage::Done, .. }) => Ok(Ended::Made(job)),
        Ok(_) => Ok(Ended::Cancelled(job)),
        Err(PullError::Refused { status: 404, .. }) => Ok(Ended::Gone),
        Err(error) => Err(error),
    }
}

/// How the remote's job has ended that was to be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is cancelled.
    Cancelled(u64),
    /// It had made the backup before.
    Made(u64),
    /// There is none.
    Gone,
}

/// Sees to it that a job comes to an end, over all steps of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The remote's job.
    pub job: u64,
    /// The furthest that it was.
    at: (Stage, u32),
    steps: u32,
    idle: u32,
    restarts: u32,
    problems: u32,
}

impl Watch {
    /// Of a job that has only begun.
    pub fn new(job: u64) -> Self {
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

    /// How many rows were read.
    pub fn rows(&self) -> u64 {
        self.at.1.into()
    }

    fn paused(&self) -> PullError {
        PullError::Paused(Paused::Reading(*self))
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
