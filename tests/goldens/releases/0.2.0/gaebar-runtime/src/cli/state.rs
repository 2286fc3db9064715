//! Where the journal of a restore is kept.

use std::io;
use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use crate::store::Place;

/// The longest name of a file, without its extension. What differs beyond is told by the journal's head.
const LONGEST: usize = 200;

/// The journal of a target: `GAEBAR_STATE_DIR`, or `gaebar` in the user's state folder.
pub(super) fn journal(place: &Place) -> io::Result<PathBuf> {
    let folder = if let Some(folder) = std::env::var_os("GAEBAR_STATE_DIR").filter(|folder| !folder.is_empty()) {
        PathBuf::from(folder)
    } else {
        let strategy = etcetera::choose_base_strategy().map_err(io::Error::other)?;
        strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("gaebar")
    };
    let target = place.identity();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: Vec<char> = target.chars().map(plain).collect();
    // The end of a path tells more than its beginning.
    let name: String = name[name.len().saturating_sub(LONGEST)..].iter().collect();
    Ok(folder.join(format!("{name}.journal")))
}
