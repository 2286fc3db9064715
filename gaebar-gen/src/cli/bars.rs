//! Progress for people.

use gaebar_gen::backup::Stages;
use gaebar_gen::compile;
use gaebar_gen::progress::Progress;
use gaebar_runtime::cli::Bars;

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

    fn writing(&self, rows: u64) -> Box<dyn Progress + '_> {
        Box::new(Bar(Bars::new("writing", Some(rows))))
    }
}

/// Progress of a build: a line a crate of the backup's own, and one now and then for dependencies.
pub(crate) struct BuildBars(gaebar_runtime::cli::Steps);

impl BuildBars {
    pub(crate) fn new() -> Self {
        Self(gaebar_runtime::cli::Steps::new("compiling"))
    }
}

impl compile::Progress for BuildBars {
    fn compiled(&self, crate_name: &str, own: usize, of: usize) {
        self.0.step(crate_name, own as u64, of as u64);
    }
}

impl Drop for BuildBars {
    fn drop(&mut self) {
        self.0.finish();
    }
}
