//! From entities and kinds to source text: one function a construct, laid out as prettyplease would.

mod kind;
mod layout;
mod notation;
mod row;
mod shard;
mod text;
mod value;

pub use kind::kind;
pub use notation::{notation, notations};
pub use row::{Row, row};
pub use shard::{ROW, head, rows, shard};
pub use text::{bytes_literal, one_line_literal, string_literal};

/// A blob past so many bytes stands in a file of its own: nobody reads it, and rustc needs 4 bytes of memory a byte.
pub const INLINE_BLOB: usize = 2048;

/// A blob that stands in a file of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sidecar {
    /// The SHA-256 of its bytes in hexadecimal, and its file's name below `blobs/`.
    pub sha256: String,
    /// The bytes.
    pub bytes: Vec<u8>,
}
