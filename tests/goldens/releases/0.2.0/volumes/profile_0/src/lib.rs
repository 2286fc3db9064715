//! Rows of one kind.

use gaebar_runtime::rows::Shard;
use gaebar_runtime::shard;
use release_models::Profile;

mod shard_0;

/// The shards.
pub const SHARDS: &[Shard] = &[
    shard!(shard_0, Profile),
];
