//! Every command of the README runs.

use std::fs;
use std::process::Command;

use gaebar_tests::command::{binary, clean, folder, run, workspace};
use gaebar_tests::emulator::{Emulator, Flavour};

/// The code blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(workspace().join("README.md")).unwrap();
    let fence = format!("```{language}\n");
    readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn every_command_of_the_readme_runs() {
    let folder = folder("readme");
    let (cargo, gaebar): (Vec<_>, Vec<_>) = blocks("sh").into_iter().partition(|block| block.starts_with("cargo "));

    // Those compile this workspace anew, so CI runs them, as they stand.
    let ci = fs::read_to_string(workspace().join(".ci/run")).unwrap();
    for command in cargo.iter().flat_map(|block| block.lines()) {
        assert!(ci.contains(command), "CI does not run `{command}`");
    }

    let Some(emulator) = Emulator::shared(Flavour::Datastore) else { return };
    // The settings come with the last chapter: they name the only targets there are from then on.
    let with_settings = |block: &String| {
        let copies = if block.contains("gaebar backup production ") { "cp settings.toml gaebar.toml\n" } else { "" };
        format!("{copies}{block}")
    };
    let script = gaebar.iter().map(with_settings).collect::<Vec<_>>().join("\n").replace("localhost:8081", &emulator.host());
    // A reader ends it with Ctrl-C.
    let script = script.replace("gaebar serve", "timeout --preserve-status --signal INT 2 gaebar serve");
    assert!(script.matches("gaebar ").count() >= 8, "the commands were not found:\n{script}");
    let settings = blocks("toml").into_iter().find(|block| block.starts_with("[stores]")).unwrap();
    fs::write(folder.join("settings.toml"), settings).unwrap();
    // A project of its own, in which there is something, and a repository to commit to.
    let prelude = "set -eux\ngit init --quiet .\ngit config user.name Reader\ngit config user.email reader@example.com\n\
        git commit --quiet --allow-empty --message 'Nothing yet'\ngit branch their-backup\n\
        DATASTORE_EMULATOR_HOST=$EMULATOR gaebar seed suite --to datastore://my-app\n";
    let path = std::env::join_paths(
        std::iter::once(binary().parent().unwrap().to_owned()).chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("sh");
    clean(&mut shell)
        .args(["-c", &format!("{prelude}{script}")])
        .current_dir(&folder)
        .env("PATH", path.unwrap())
        .env("EMULATOR", emulator.host());
    run(&mut shell, 0);
    for made in ["backups/demo/manifest.json", "backups/production/manifest.json", "production-restore", "local.db"] {
        assert!(folder.join(made).exists(), "{made} was not made");
    }
}

#[test]
fn the_library_example_runs() {
    let folder = folder("library-example");
    let mut command = gaebar_gen::compile::cargo().unwrap();
    command.args(["run", "--quiet", "-p", "gaebar-examples", "--bin", "backup-from-code", "--"]).arg(folder.join("books"));
    let (code, _) = run(command.current_dir(workspace()), 0);
    assert!(code.contains("author: Key(\"Author/'le-guin'\")"), "{code}");
}
