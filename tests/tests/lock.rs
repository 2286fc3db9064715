//! The lock file that every backup gets must be the one that cargo would write.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gaebar_gen::releases::Foundation;
use gaebar_gen::templates::{MODELS_LIBRARY, Packages, Templates, models_library, unlock};

/// Resolves a backup as cargo does, preferring the versions of this workspace, and returns the lock file.
fn resolve(folder: &Path, workspace: &Path, name: &str, volumes: &BTreeSet<String>) -> String {
    let mut files = Templates { name, volumes, coverage: None, foundation: Foundation::present() }.files();
    files.push((MODELS_LIBRARY.to_owned(), models_library([]).into_bytes()));
    for volume in volumes {
        let manifest = Packages::of_backup(name).volume(volume);
        files.push((format!("volumes/{volume}/Cargo.toml"), manifest.into_bytes()));
        files.push((format!("volumes/{volume}/src/lib.rs"), Vec::new()));
    }
    for (file, text) in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::copy(workspace.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let output =
        gaebar_gen::compile::cargo().unwrap().args(["metadata", "--format-version", "1"]).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    fs::read_to_string(folder.join("Cargo.lock")).unwrap()
}

#[test]
fn a_backups_lock_file_is_what_cargo_writes_from_this_workspaces() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let template = workspace.join("gaebar-gen/src/templates/Cargo.lock");

    let folder = tempfile::tempdir().unwrap();
    let resolved = resolve(folder.path(), workspace, "template", &BTreeSet::new());
    if std::env::var_os("GAEBAR_UPDATE").is_some() {
        fs::write(&template, &resolved).unwrap();
        eprintln!("wrote {}; run again to check", template.display());
        return;
    }
    assert!(fs::read_to_string(&template).unwrap() == resolved, "run with GAEBAR_UPDATE=1 after a change of dependencies");

    let folder = tempfile::tempdir().unwrap();
    let (name, volumes) = ("my-app", ["profile_0", "profile_1", "profile_10", "a_b_0", "zebra_0"].map(str::to_owned).into());
    let resolved = resolve(folder.path(), workspace, name, &volumes);
    let templates = Templates { name, volumes: &volumes, coverage: None, foundation: Foundation::present() };
    let written = templates.files().into_iter().find(|(file, _)| file == "Cargo.lock").unwrap().1;
    assert!(written == resolved.as_bytes(), "cargo writes another lock file:\n{resolved}");
    assert!(unlock(name, &resolved) == fs::read_to_string(&template).unwrap(), "the template is found again in a lock file");
}

/// Cargo compiles a crate once for each set of features. So what a backup switches on must be what this workspace does.
#[test]
fn a_backup_switches_on_the_same_features_as_this_workspace() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    resolve(folder.path(), workspace, "template", &BTreeSet::new());
    let tree = |folder: &Path, package: &str| -> BTreeSet<String> {
        let mut command = gaebar_gen::compile::cargo().unwrap();
        command.args(["tree", "--package", package, "--edges", "normal,build", "--prefix", "none", "--format", "{p} [{f}]"]);
        let output = command.current_dir(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines()
            .map(|line| line.replace(" (*)", "").replace(" (proc-macro)", ""))
            .filter(|line| !line.contains('/'))
            .collect()
    };
    let (ours, theirs) = (tree(workspace, "gaebar-gen"), tree(folder.path(), "template"));
    let differing: Vec<_> = theirs.difference(&ours).collect();
    assert!(theirs.len() > 50 && differing.is_empty(), "compiled twice: {differing:#?}");
}
