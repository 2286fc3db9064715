//! What git would run of a repository whose folder is the backup's.
//!
//! Such a `.git` may have come with the backup, in an archive. Nothing of what git clones makes git run anything; hooks and settings do, and
//! those are never cloned. Of settings, those are known that `git init`, `git clone` and the usual services write, and that run nothing:
//! which others would is a matter of git's version.

use std::path::Path;

use super::stray::list;
use crate::folder::{self, FolderError, SizeLimit};

/// Settings that run nothing, by section and name.
const HARMLESS: &[(&str, &[&str])] = &[
    (
        "core",
        &[
            "autocrlf",
            "bare",
            "eol",
            "filemode",
            "ignorecase",
            "logallrefupdates",
            "precomposeunicode",
            "quotepath",
            "repositoryformatversion",
            "safecrlf",
            "symlinks",
        ],
    ),
    ("branch", &["merge", "rebase", "remote"]),
    ("extensions", &["objectformat", "refstorage"]),
    ("gc", &["auto"]),
    ("http", &["extraheader"]),
    ("init", &["defaultbranch"]),
    ("pull", &["ff", "rebase"]),
    ("push", &["default"]),
    ("remote", &["fetch", "prune", "pushurl", "tagopt", "url"]),
    ("user", &["email", "name"]),
];

/// What git would act on in its folder: names below it, and what is wrong with each.
pub(super) fn hazards(git: &Path) -> Result<Vec<(String, String)>, FolderError> {
    let mut found = Vec::new();
    for (name, file_type, entry) in list(git)? {
        let path = entry.path();
        // Some file systems ignore case, and so git does there.
        let problem = match name.to_ascii_lowercase().as_str() {
            "config" => {
                let (problems, is_file) = settings(&path)?;
                found.extend(problems.into_iter().map(|(line, problem)| (format!("{name}:{line}"), problem)));
                if is_file { None } else { Some("is no regular file of a usual size") }
            }
            "hooks" if file_type.is_dir() => {
                let hooks = list(&path)?.into_iter().map(|(hook, ..)| hook);
                let hooks = hooks.filter(|hook| Path::new(hook).extension().is_none_or(|extension| extension != "sample"));
                found.extend(hooks.map(|hook| (format!("{name}/{hook}"), "is a hook, which git runs".to_owned())));
                None
            }
            "hooks" => Some("leads git to hooks elsewhere"),
            "commondir" => Some("leads git to settings and hooks elsewhere"),
            "modules" | "worktrees" => Some("has settings and hooks of other repositories, which git acts on, too"),
            "rebase-apply" | "rebase-merge" => {
                Some("is a rebase in progress: `git rebase --continue` may run commands of its list")
            }
            _ => None,
        };
        found.extend(problem.map(|problem| (name, problem.to_owned())));
    }
    Ok(found)
}

/// The lines of git's settings that are not known to be harmless, and whether the file can be read at all.
fn settings(path: &Path) -> Result<(Vec<(usize, String)>, bool), FolderError> {
    let bytes = match folder::read_regular(path, SizeLimit::SETTINGS) {
        Err(error) if error.is_too_large() => None,
        bytes => bytes?,
    };
    let Some(bytes) = bytes else { return Ok((Vec::new(), false)) };
    let text = String::from_utf8_lossy(&bytes);
    let (mut section, mut problems) = (String::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(header) = header(line) {
            section = header;
        } else if !is_harmless(&section, line) {
            let name = line.split('=').next().unwrap_or_default().trim();
            let name: String = name.chars().take(40).collect();
            problems.push((number, format!("sets {section}.{name}, which is not known to run nothing")));
        }
    }
    Ok((problems, true))
}

/// The section that a line like `[remote "origin"]` begins, if it is that and nothing more.
fn header(line: &str) -> Option<String> {
    let inside = line.strip_prefix('[')?.strip_suffix(']')?;
    let (section, rest) = inside.split_once(' ').unwrap_or((inside, "\"\""));
    let name = rest.trim_start().strip_prefix('"')?.strip_suffix('"')?;
    let is_plain = section.bytes().all(|byte| byte.is_ascii_alphanumeric()) && !name.contains(['"', '\\', ']']);
    is_plain.then(|| section.to_ascii_lowercase())
}

/// Whether a line in a section is a setting that runs nothing, to its end.
fn is_harmless(section: &str, line: &str) -> bool {
    let (name, value) = line.split_once('=').unwrap_or((line, ""));
    let name = name.trim_end().to_ascii_lowercase();
    let is_known = HARMLESS.iter().any(|(known, names)| *known == section && names.contains(&name.as_str()));
    // `ext::` and the like name programs, and a backslash at the end goes on in the next line.
    is_known && !value.contains("::") && !value.ends_with('\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(config: &str) -> Vec<(usize, String)> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config"), config).unwrap();
        settings(&folder.path().join("config")).unwrap().0
    }

    #[test]
    fn what_git_itself_writes_is_harmless() {
        let written = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\n# mine\n[remote \"origin\"]\n\
                       \turl = git@example.com:a/b.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n[branch \"main\"]\n\
                       \tremote = origin\n\tmerge = refs/heads/main\n[http \"https://github.com/\"]\n\textraheader = AUTHORIZATION: x\n";
        assert_eq!(problems(written), []);
    }

    #[test]
    fn settings_that_run_something_are_named() {
        for config in [
            "[core]\nfsmonitor = ./evil\n",
            "[core] fsmonitor = ./evil\n",
            "[CORE]\n\tFsMonitor=./evil\n",
            "[core]\nhooksPath = evil\n",
            "[core]\nfilemode = true \\\n",
            "[core]\nfilemode = \\\nfsmonitor = evil\n",
            "[filter \"x\"]\nclean = ./evil\n",
            "[remote \"x\"]\nurl = ext::sh -c evil\n",
            "[remote \"a\\\"]\"]\nvcs = evil\n",
            "[include]\npath = evil\n",
            "[includeIf \"gitdir:/\"]\npath = evil\n",
            "[alias]\nst = !evil\n",
            "[diff]\nexternal = evil\n",
            "[extensions]\nworktreeConfig = true\n",
            "filemode = true\n",
            "\u{feff}[core]\n",
        ] {
            assert!(!problems(config).is_empty(), "{config}");
        }
    }
}
