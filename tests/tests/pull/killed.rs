//! A pull whose server is killed on the way, really and twice. To see it with the headline set:
//!
//! ```sh
//! GAEBAR_PULL_ROWS=18969 cargo test -p gaebar-tests --test pull killed -- --nocapture
//! ```

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::proxy::{Proxy, body};
use gaebar_tests::serve::{Serving, TOKEN};
use gaebar_tests::tree::files;
use serde_json::Value;

use crate::backup;
use crate::made_there::{jobs, pull_from};

/// Rows of the headline set.
fn rows() -> String {
    env::var("GAEBAR_PULL_ROWS").unwrap_or_else(|_| "1000".to_owned())
}

#[test]
fn a_pull_goes_on_though_its_server_is_killed_twice_while_files_come() {
    let folder = folder("pull-killed-twice");
    run(&mut gaebar(&folder, &["seed", "headline", "--to", "sqlite:from.db", "--rows", &rows()]), 0);
    std::fs::write(folder.join("gaebar.toml"), "[stores]\nfrom = \"sqlite:from.db\"\n").unwrap();
    let first = Serving::start(&folder, Some(TOKEN), &[]);
    let address = first.address;
    let server = Arc::new(Mutex::new(first));
    // It is killed when a third of all files has come, and when another has.
    let (left, kills, killed) = (AtomicUsize::new(usize::MAX), AtomicUsize::new(0), Arc::clone(&server));
    let proxy = Proxy::before(address, move |path, raw| {
        if path.ends_with("/files") {
            let listing: Value = serde_json::from_slice(body(&raw)).unwrap_or_default();
            left.store(listing["files"].as_array().map_or(0, Vec::len) / 3, Ordering::SeqCst);
        } else if path.contains("/files/") && left.fetch_sub(1, Ordering::SeqCst) == 1 && kills.fetch_add(1, Ordering::SeqCst) < 2
        {
            killed.lock().unwrap().signal("-KILL");
            return raw[..raw.len() / 2].to_vec();
        }
        raw
    });
    let waiting = folder.join("here/.nightly.gaebar/spool/pulled/files");
    let waiting = || if waiting.exists() { files(&waiting).len() } else { 0 };
    for go in 1..=2 {
        let (begun, had) = (Instant::now(), waiting());
        let (_, told) = run(&mut pull_from(&folder, proxy.address, "from"), 1);
        assert!(told.contains("the same command goes on from there"), "{told}");
        let has = waiting();
        assert!(has > had && !folder.join("here/nightly").exists(), "go {go}: {had} files, and then {has}");
        eprintln!(
            "go {go}: {had} files kept, {} came, {:.1} s, and the server was killed",
            has - had,
            begun.elapsed().as_secs_f64()
        );
        *server.lock().unwrap() = Serving::start_at(&folder, &address.to_string(), Some(TOKEN), &[]);
    }
    let (begun, had) = (Instant::now(), waiting());
    let (out, told) = run(pull_from(&folder, proxy.address, "from").args(["--format", "json"]), 0);
    let pulled: Value = serde_json::from_str(out.trim()).unwrap();
    eprintln!("go 3: {pulled}, {:.1} s", begun.elapsed().as_secs_f64());
    assert!(pulled["kept"] == had && told.contains("job 1 there has made the backup already"), "{had} files were there: {told}");
    assert_eq!(jobs(&server.lock().unwrap()).as_array().unwrap().len(), 1, "it was made once");
    assert!(backup(&folder.join("here/nightly")) == backup(&folder.join("backups/nightly")), "bytes differ");
    run(&mut gaebar(&folder, &["verify", "here/nightly"]), 0);
    run(&mut gaebar(&folder, &["diff", "here/nightly", "from"]), 0);
}
