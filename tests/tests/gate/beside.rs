//! What stands beside a backup in its folder: tools would act on some of it, and Gaebar compiles a copy without it.

use std::fs;
use std::path::Path;

use gaebar_tests::command::{folder, gaebar, run};

use super::{small_backup, verify};

/// Puts a file below the backup, and its folders.
fn put(backup: &Path, file: &str, text: &str) {
    let path = backup.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Removes whatever is at the top of the backup that a path leads through.
fn remove(backup: &Path, file: &str) {
    let top = backup.join(file.split('/').next().unwrap());
    if top.symlink_metadata().unwrap().is_dir() { fs::remove_dir_all(top).unwrap() } else { fs::remove_file(top).unwrap() }
}

#[cfg(unix)]
#[test]
fn what_cargo_built_there_is_named_and_does_not_run() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder("gate-target");
    let backup = small_backup(&folder);
    fs::create_dir(backup.join("target")).unwrap();
    assert_eq!(verify(&folder).0, 0, "an empty folder is no danger");
    let script = format!("#!/bin/sh\ntouch {}\n", folder.join("was-here").display());
    for binary in ["target/debug/backup-restore", "target/debug/deps/backup_restore-0123456789abcdef"] {
        put(&backup, binary, &script);
        fs::set_permissions(backup.join(binary), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (code, said) = verify(&folder);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("target: cargo would run what lies there") && said.contains("rm -r backup/target"), "{said}");
    assert!(!said.contains("exactly what was backed up"), "{said}");
    // What reads rows, or compiles a copy, need not mind.
    for command in [
        &["diff", "sqlite:store.db", "backup"][..],
        &["show", "backup", "Note/1"],
        &["backup", "sqlite:store.db", "backup"],
        &["restore", "backup", "--to", "sqlite:restored.db"],
    ] {
        run(&mut gaebar(&folder, command), 0);
    }
    assert!(!folder.join("was-here").exists());
    run(&mut gaebar(&folder, &["diff", "sqlite:store.db", "sqlite:restored.db"]), 0);
    remove(&backup, "target");
    assert_eq!(verify(&folder).0, 0);
}

#[test]
fn what_tools_would_act_on_is_named_by_verify() {
    let folder = folder("gate-beside");
    let backup = small_backup(&folder);
    // In a repository of the backup's own nothing runs but what git itself has put there.
    put(&backup, ".git/HEAD", "ref: refs/heads/main\n");
    let config = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n[remote \"origin\"]\n\turl = ../x\n";
    put(&backup, ".git/config", config);
    put(&backup, ".git/hooks/pre-commit.sample", "#!/bin/sh\n");
    for harmless in ["README.md", "notes.txt", ".gitkeep"] {
        put(&backup, harmless, "mine");
    }
    let (code, said) = verify(&folder);
    assert_eq!(code, 0, "{said}");
    let git = [
        (".git/hooks/post-checkout", "#!/bin/sh\n", ".git/hooks/post-checkout: is a hook"),
        (".git/config", "[core]\n\tfsmonitor = ./evil\n", ".git/config:2: sets core.fsmonitor"),
        (".git/config", "[filter \"x\"]\n\tclean = ./evil\n", ".git/config:2: sets filter.clean"),
        (".git/config", "[include]\n\tpath = ../evil\n", ".git/config:2: sets include.path"),
        (".git/commondir", "../evil\n", ".git/commondir: leads git"),
        (".git/modules/x/config", "[core]\n", ".git/modules: has settings"),
        (".git/rebase-merge/git-rebase-todo", "exec ./evil\n", ".git/rebase-merge: is a rebase"),
        (".gitmodules", "[submodule \"x\"]\n", ".gitmodules: git acts on"),
        (".gitconfig", "[core]\n", ".gitconfig: git acts on"),
        (".github/workflows/ci.yml", "on: push\n", ".github: git acts on"),
    ];
    remove(&backup, ".git");
    for (file, text, part) in git {
        put(&backup, file, text);
        let (code, said) = verify(&folder);
        assert!(code == 1 && said.contains(part) && said.contains("--trust-git"), "{file}: {said}");
        run(&mut gaebar(&folder, &["verify", "backup", "--trust-git"]), 0);
        run(&mut gaebar(&folder, &["diff", "sqlite:store.db", "backup"]), 0);
        remove(&backup, file);
    }
    put(&backup, ".git", "gitdir: ../evil\n");
    assert!(verify(&folder).1.contains(".git: leads git to a repository elsewhere"));
    remove(&backup, ".git");
    for (file, part) in
        [(".gaebar/Cargo.toml", ".gaebar/Cargo.toml: is nothing that Gaebar puts there"), ("target", "target: cargo")]
    {
        put(&backup, file, "x");
        let (code, said) = verify(&folder);
        assert!(code == 1 && said.contains(part) && !said.contains("--trust-git"), "{file}: {said}");
        remove(&backup, file);
    }
    // Nobody may take these for a part of the backup, whatever they are called.
    for file in [
        "Target/debug/x",
        "TARGET",
        ".GIT/config",
        ".Cargo/config.toml",
        ".cargo/config",
        "rust-toolchain",
        "Rust-Toolchain.toml",
        "clippy.toml",
        ".clippy.toml",
        ".rustfmt.toml",
        "Build.rs",
        "README/Cargo.toml",
        "notes.txt/Cargo.toml",
        "notes.md/.cargo/config.toml",
        ".gitkeep/x",
        "volumes/.gitattributes",
        "volumes/note_0/.git/config",
        "volumes/note_0/target/x",
        "models/rust-toolchain.toml",
        "gaebar-runtime/build.rs",
        "gaebar-runtime/src/.cargo/config.toml",
    ] {
        // Of the user's own notes, some are called like this.
        for own in ["README.md", "notes.txt", ".gitkeep"] {
            let _ = fs::remove_file(backup.join(own));
        }
        put(&backup, file, "x");
        let (code, said) = verify(&folder);
        assert!(code == 1 && said.contains("is no part of the backup; move it elsewhere"), "{file}: {said}");
        let path = backup.join(file.strip_suffix("/x").unwrap_or(file));
        if !["volumes/", "models/", "gaebar-runtime/"].iter().any(|top| file.starts_with(top)) {
            remove(&backup, file);
        } else if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        for emptied in ["volumes/note_0/.git", "gaebar-runtime/src/.cargo"] {
            let _ = fs::remove_dir(backup.join(emptied));
        }
    }
    #[cfg(unix)]
    for (link, part) in [
        ("README", "is no part"),
        ("notes.md", "is no part"),
        (".gitignore", "is no part"),
        ("target", "target: cargo"),
        (".gaebar", ".gaebar: must be a folder"),
    ] {
        let own = fs::read(backup.join(link)).ok();
        if own.is_some() || backup.join(link).exists() {
            remove(&backup, link);
        }
        std::os::unix::fs::symlink("/tmp", backup.join(link)).unwrap();
        let (code, said) = verify(&folder);
        assert!(code == 1 && said.contains(part), "{link}: {said}");
        fs::remove_file(backup.join(link)).unwrap();
        own.into_iter().for_each(|own| fs::write(backup.join(link), own).unwrap());
    }
    assert_eq!(verify(&folder).0, 0, "all was put back");
}
