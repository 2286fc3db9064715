//! Where the journal of a restore is kept.

use std::io;
use std::path::PathBuf;

use etcetera::BaseStrategy as _;

use crate::store::Place;

/// The longest name of a file, without its extension. What differs beyond is told by the journal's head.
const LONGEST: usize = 200;

/// The variable that names the folder of journals.
pub const STATE_VARIABLE: &str = "GAEBAR_STATE_DIR";

/// The folder of journals: `GAEBAR_STATE_DIR`, or `gaebar` in the user's state folder.
pub fn state_folder() -> io::Result<PathBuf> {
    if let Some(folder) = std::env::var_os(STATE_VARIABLE).filter(|folder| !folder.is_empty()) {
        return Ok(PathBuf::from(folder));
    }
    let strategy = etcetera::choose_base_strategy().map_err(io::Error::other)?;
    Ok(strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("gaebar"))
}

/// The journal of a target.
pub(super) fn journal(place: &Place) -> io::Result<PathBuf> {
    let folder = state_folder()?;
    let target = place.identity();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: Vec<char> = target.chars().map(plain).collect();
    // The end of a path tells more than its beginning.
    let name: String = name[name.len().saturating_sub(LONGEST)..].iter().collect();
    Ok(folder.join(format!("{name}.journal")))
}
