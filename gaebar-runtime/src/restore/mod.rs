//! Puts a backup's rows into a store: a plan is made from the rows and the live target, and then carried out.

mod batches;
mod choose;
mod coverage;
mod execute;
mod hidden;
mod journal;
mod named;
mod noticed;
mod pace;
mod plan;
mod report;
mod rows;
mod zeros;

pub use choose::{Choice, Namespaces, is_own_kind};
pub use coverage::{Chosen, Cover, Coverage, Extent};
pub use execute::Execution;
pub use journal::{Done, Identity, Journal, JournalError};
pub use noticed::{HiddenKeys, Noticed};
pub use pace::{Clock, Pace, RealClock};
pub use plan::{Counts, OnConflict, Options, Plan, PlanError, plan};
pub use report::{Failure, Failures, Incomplete, Progress, Restored};
pub use rows::{CompiledRows, RowPlace, RowRef, RowSource};
