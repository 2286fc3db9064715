//! Puts a backup's rows into a store: a plan is made from the rows and the live target, and then carried out.

mod batches;
mod choose;
mod execute;
mod journal;
mod named;
mod pace;
mod plan;
mod report;
mod rows;

pub use choose::{Choice, Namespaces, is_own_kind};
pub use execute::Execution;
pub use journal::{Done, Identity, Journal, JournalError};
pub use pace::{Clock, Pace, RealClock};
pub use plan::{Counts, OnConflict, Options, Plan, PlanError, plan};
pub use report::{Failure, Failures, Incomplete, Progress, Restored};
pub use rows::{CompiledRows, RowPlace, RowRef, RowSource};
