//! Whether a folder holds only what its user put there.
//!
//! A folder in a checkout comes with the checkout if git tracks files in it. And as `sshd` does with a user's keys, a folder is trusted only
//! if nobody but its user and root can write to it, nor replace it or a folder above it.

use std::io;
use std::path::Path;
use std::process::Command;

use thiserror::Error;

use crate::folder::FolderError;

/// Variables by which git finds another repository than the one a folder is in, as it sets them for hooks.
const REPOSITORY: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
    "GIT_CEILING_DIRECTORIES",
];

/// Why a folder is not trusted.
#[derive(Debug, Error)]
enum Distrust {
    #[error("git tracks {0:?} in it, so it holds what came with the repository")]
    Tracked(String),
    #[error("it is in a git repository, and git can't list which of its files are tracked: {0}")]
    Git(String),
    #[cfg(unix)]
    #[error("{path} belongs to user {owner}, who can change what is in it", path = .path.display())]
    Owner { path: std::path::PathBuf, owner: u32 },
    #[cfg(unix)]
    #[error("others can write to {path} (`chmod go-w {path}` ends that)", path = .path.display())]
    Writable { path: std::path::PathBuf },
}

/// Refuses a folder that others could have written to. `variable` is the one that sets another folder.
pub fn check(folder: &Path, variable: &str) -> Result<(), FolderError> {
    let reason = match reason(folder) {
        Ok(None) => return Ok(()),
        Ok(Some(distrust)) => io::Error::other(format!("{distrust}; set {variable} to a folder of your own elsewhere")),
        Err(error) => error,
    };
    Err(FolderError::at("use the folder", folder)(reason))
}

/// Why a folder is not trusted, if it is not. A folder that is missing holds nothing.
fn reason(folder: &Path) -> io::Result<Option<Distrust>> {
    let folder = match folder.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        folder => folder?,
    };
    #[cfg(unix)]
    if let Some(distrust) = unix::reason(&folder)? {
        return Ok(Some(distrust));
    }
    Ok(tracked(&folder))
}

/// A file in a folder that git tracks. Git is asked only where a repository is in sight, and runs nothing that the repository names.
fn tracked(folder: &Path) -> Option<Distrust> {
    if !folder.ancestors().any(|parent| parent.join(".git").symlink_metadata().is_ok()) {
        return None;
    }
    let mut git = Command::new("git");
    git.args(["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "safe.bareRepository=explicit", "-C"]).arg(folder);
    git.args(["ls-files", "-z"]).env("GIT_NO_LAZY_FETCH", "1");
    for variable in REPOSITORY {
        git.env_remove(variable);
    }
    let output = match git.output() {
        Ok(output) => output,
        Err(error) => return Some(Distrust::Git(error.to_string())),
    };
    if !output.status.success() {
        return Some(Distrust::Git(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let file = output.stdout.split(|byte| *byte == 0).next().filter(|file| !file.is_empty())?;
    Some(Distrust::Tracked(String::from_utf8_lossy(file).into_owned()))
}

#[cfg(unix)]
mod unix {
    use std::fs::{self, Metadata};
    use std::io;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

    use super::Distrust;

    const ROOT: u32 = 0;
    /// Others can remove or rename nothing in a folder with this bit, such as `/tmp`.
    const STICKY: u32 = 0o1000;
    const GROUP_WRITES: u32 = 0o020;
    const OTHERS_WRITE: u32 = 0o002;
    /// The owner of whatever belongs to users outside of a user namespace.
    const OUTSIDE: u32 = 65534;

    /// Looks at a folder, at what is in it, and at the folders above it.
    pub(super) fn reason(folder: &Path) -> io::Result<Option<Distrust>> {
        let user = rustix::process::geteuid().as_raw();
        let mut inside = Vec::new();
        for entry in fs::read_dir(folder)? {
            inside.push(entry?.path());
        }
        let above = folder.ancestors().skip(1).map(|path| (path, true));
        for (path, is_above) in inside.iter().map(|path| (path.as_path(), false)).chain([(folder, false)]).chain(above) {
            let metadata = match path.symlink_metadata() {
                // Another process removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            let owner = metadata.uid();
            let is_trusted = [user, ROOT].contains(&owner) || is_above && owner == OUTSIDE && is_namespace();
            if !is_trusted {
                return Ok(Some(Distrust::Owner { path: path.to_owned(), owner }));
            }
            let is_sticky = is_above && metadata.mode() & STICKY != 0;
            if !metadata.is_symlink() && !is_sticky && others_write(&metadata) {
                return Ok(Some(Distrust::Writable { path: path.to_owned() }));
            }
        }
        Ok(None)
    }

    fn others_write(metadata: &Metadata) -> bool {
        let mode = metadata.mode();
        mode & OTHERS_WRITE != 0
            || mode & GROUP_WRITES != 0 && metadata.gid() != ROOT && !is_alone(metadata.uid(), metadata.gid())
    }

    /// Whether a group is one user's alone, by the files that list users, as where each user has a group of the same name. A user or group
    /// that is listed elsewhere is taken for one of many.
    fn is_alone(user: u32, group: u32) -> bool {
        let list = |file: &str| fs::read_to_string(file).unwrap_or_default();
        is_alone_in(&list("/etc/passwd"), &list("/etc/group"), user, group)
    }

    fn is_alone_in(users: &str, groups: &str, user: u32, group: u32) -> bool {
        let (user, group) = (user.to_string(), group.to_string());
        let fields = |line: &'_ str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
        let users: Vec<_> = users.lines().map(fields).filter(|line| line.len() >= 4).collect();
        let Some(name) = users.iter().find(|line| line[2] == user).map(|line| &line[0]) else { return false };
        let members = groups.lines().map(fields).find(|line| line.len() >= 4 && line[2] == group);
        members.is_some_and(|line| line[3].split(',').all(|member| member.is_empty() || member == name))
            && users.iter().all(|line| line[3] != group || line[2] == user)
    }

    /// Whether this process knows only some of the machine's users. What belongs to the others, root among them, is out of reach for those
    /// that it knows.
    fn is_namespace() -> bool {
        let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let all = u32::MAX.to_string();
        !map.is_empty() && map.split_whitespace().ne(["0", "0", &all])
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_group_of_one_is_no_group_of_others() {
            let users = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\nbob:x:1001:100::/home/bob:/bin/sh\n";
            let groups = "root:x:0:\nann:x:1000:\nusers:x:100:\nteam:x:200:ann,bob\nanns:x:300:ann\n";
            let is_alone = |user, group| is_alone_in(users, groups, user, group);
            assert!(is_alone(1000, 1000) && is_alone(1000, 300));
            assert!(is_alone(1001, 100) && !is_alone(1000, 100), "it is somebody's first group");
            assert!(!is_alone(1000, 200) && !is_alone(1000, 4711) && !is_alone(4711, 1000));
            assert!(!is_alone_in("", "", 0, 0));
        }
    }
}
