//! Files that would take memory, or never end, wherever one is read.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use gaebar_tests::command::{binary, clean, folder, run};
use gaebar_tests::http::get;
use gaebar_tests::serve::Serving;
use gaebar_tests::tree::files;

use super::{SHARD, restore_files, small_backup};

/// A file that costs nothing to make.
const HUGE: u64 = 3 << 30;
/// The kilobytes that a command may have in memory at once: the largest file that is read, and as much again, and the program.
const MOST: u64 = 300_000;

/// Runs commands, each to its end, and tells the most kilobytes that one had in memory, and what each ended with and said.
const MEASURE: &str = r"
import json, resource, subprocess, sys
told = []
for arguments in json.loads(sys.argv[2]):
    done = subprocess.run([sys.argv[1], *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    told.append([done.returncode, done.stderr.decode()])
print(json.dumps([resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, told]))
";

fn measure(folder: &Path, commands: &[&[&str]]) -> (u64, Vec<(i32, String)>) {
    let mut python = Command::new("python3");
    let arguments = serde_json::to_string(commands).unwrap();
    clean(&mut python).current_dir(folder).args(["-c", MEASURE]).arg(binary()).arg(arguments).stdin(Stdio::null());
    let (told, _) = run(&mut python, 0);
    serde_json::from_str(&told).unwrap()
}

fn sparse(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let _ = fs::remove_file(path);
    File::create(path).unwrap().set_len(HUGE).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn no_file_of_a_backup_takes_memory_or_time_without_bound() {
    let folder = folder("gate-hostile");
    let backup = small_backup(&folder);
    let good = files(&backup);
    let blob = good.keys().find(|file| file.contains("/blobs/")).unwrap().clone();
    let commands: [&[&str]; 6] = [
        &["verify", "backup"],
        &["list", "backup"],
        &["show", "backup", "Note/1"],
        &["diff", "sqlite:store.db", "backup"],
        &["restore", "backup", "--interpret", "--to", "sqlite:restored.db"],
        &["backup", "sqlite:store.db", "backup"],
    ];
    let build: &[&str] = &["build", "backup"];
    for file in [
        "manifest.json",
        "kinds/note.json",
        "kinds/other.json",
        "models/src/note.rs",
        "models/src/lib.rs",
        SHARD,
        &blob,
        "Cargo.toml",
        "Cargo.lock",
        "src/lib.rs",
        "volumes/note_0/src/lib.rs",
        "gaebar-runtime/src/lib.rs",
        "gaebar-runtime/Cargo.toml",
        ".gitignore",
        ".gitattributes",
        ".git/config",
        ".gaebar/update/commit.json",
        ".gaebar/lock",
        "../gaebar.toml",
    ] {
        // A backup is compiled whatever is in these.
        let is_beside = file.contains(".git") || file == ".gaebar/lock";
        let all: Vec<_> = commands.into_iter().chain((!is_beside).then_some(build)).collect();
        for is_pipe in [false, true] {
            let path = backup.join(file);
            sparse(&path);
            if is_pipe {
                fs::remove_file(&path).unwrap();
                run(Command::new("mkfifo").arg(&path), 0);
            }
            let (kilobytes, told) = measure(&folder, &all);
            assert!(kilobytes < MOST, "{file}, pipe: {is_pipe}: {kilobytes} kB; {told:?}");
            let (code, said) = &told[0];
            // What tools are told is the user's to change; what Gaebar itself left is written over.
            let is_a_file_of_the_users = file == ".gitignore" || file == ".gitattributes" || file == ".gaebar/lock";
            assert!(*code == i32::from(!is_a_file_of_the_users || is_pipe), "{file}, pipe: {is_pipe}: {said}");
            assert!(told.iter().all(|(code, _)| (0..=3).contains(code)), "{file}: {told:?}");
            let _ = fs::remove_file(&path);
            for own in [".gaebar", ".git"] {
                let _ = fs::remove_dir_all(backup.join(own));
            }
            restore_files(&backup, &good);
        }
    }
    // What syn would read into many times as much.
    let shard = String::from_utf8(good[SHARD].clone()).unwrap();
    fs::write(backup.join(SHARD), shard + "a ".repeat(8 << 20).as_str()).unwrap();
    let (kilobytes, told) = measure(&folder, &[commands[0], commands[3]]);
    assert!(
        kilobytes < MOST && told.iter().all(|(code, said)| *code == 1 && said.contains("is not as Gaebar writes it")),
        "{kilobytes} kB; {told:?}"
    );
    restore_files(&backup, &good);
    let (_, told) = measure(&folder, &[&["verify", "backup"]]);
    assert_eq!(told[0].0, 0, "all was put back: {told:?}");

    // The page lists what lies in its folder, and what jobs have left there.
    fs::create_dir(folder.join("backups")).unwrap();
    for name in ["x", "y"] {
        run(Command::new("cp").current_dir(&folder).args(["-r", "backup", &format!("backups/{name}")]), 0);
    }
    for file in ["x/manifest.json", "y/kinds/note.json", ".gaebar/jobs/1.json", ".gaebar/jobs/x.kept"] {
        sparse(&folder.join("backups").join(file));
    }
    let served = Serving::start(&folder, None, &[]);
    for path in ["/", "/jobs", "/api/jobs", "/api/backups", "/backups/x", "/backups/y", "/api/backups/y/files", "/api/jobs/1"] {
        get(served.address, path).send();
    }
    assert!(served.peak() < MOST, "{} kB", served.peak());
}
