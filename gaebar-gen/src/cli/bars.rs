//! Progress for people.

use std::sync::atomic::{AtomicU64, Ordering};

use gaebar_gen::compile;
use gaebar_gen::progress::Progress;
use gaebar_gen::stage::Stages;
use gaebar_runtime::cli::{Bars, Steps};

/// About how many crates a backup depends on, so that the bar has an end.
const DEPENDENCIES: u64 = 150;

/// Progress of a backup: one bar a stage.
pub(crate) struct BackupBars;

struct Bar(Bars);

impl Progress for Bar {
    fn add(&self, kind: &str, rows: u64) {
        self.0.add(kind, rows);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Stages for BackupBars {
    fn reading(&self) -> Box<dyn Progress + '_> {
        Box::new(Bar(Bars::new("reading", None)))
    }

    fn downloading(&self, files: u64) -> Box<dyn Progress + '_> {
        Box::new(Downloads { steps: Steps::new("downloading"), came: AtomicU64::new(0), files })
    }

    fn verifying(&self, rows: u64) -> Box<dyn Progress + '_> {
        Box::new(Bar(Bars::new("verifying", Some(rows))))
    }

    fn writing(&self, rows: u64) -> Box<dyn Progress + '_> {
        Box::new(Bar(Bars::new("writing", Some(rows))))
    }
}

/// Progress of a download, by files.
struct Downloads {
    steps: Steps,
    came: AtomicU64,
    files: u64,
}

impl Progress for Downloads {
    fn add(&self, file: &str, files: u64) {
        let before = self.came.fetch_add(files, Ordering::Relaxed);
        self.steps.step(file, before + files, self.files);
    }
}

impl Drop for Downloads {
    fn drop(&mut self) {
        self.steps.finish();
    }
}

/// Progress of a build: first the dependencies, if they have to be compiled, then the backup's own crates.
pub(crate) struct BuildBars(Steps);

impl BuildBars {
    pub(crate) fn new() -> Self {
        Self(Steps::new("compiling"))
    }
}

impl compile::Progress for BuildBars {
    fn compiled(&self, crate_name: &str, own: usize, of: usize) {
        self.0.step(crate_name, own as u64, of as u64);
    }

    fn dependency(&self, crate_name: &str, compiled: usize) {
        if compiled == 1 {
            self.0.say("Compiling dependencies, which is needed once and takes some minutes");
        }
        self.0.step(crate_name, compiled as u64, (compiled as u64).max(DEPENDENCIES));
    }

    fn says(&self, what: &str) {
        self.0.say(what);
    }
}

impl Drop for BuildBars {
    fn drop(&mut self) {
        self.0.finish();
    }
}
