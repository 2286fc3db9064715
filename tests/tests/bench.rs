//! The benchmark works, at a size at which its numbers mean nothing.

use std::path::Path;
use std::process::Command;

use gaebar_tests::command::{binary, folder, run, workspace};
use gaebar_tests::needs;

const STAGES: [&str; 6] = ["seed", "generate", "update", "verify", "diff", "interpret"];

#[test]
fn the_benchmark_measures_stages_against_yardsticks() {
    if !needs::programs(&["python3", "sqlite3"]) {
        return;
    }
    let output = gaebar_gen::compile::cargo()
        .unwrap()
        .args(["build", "--package", "gaebar-bench"])
        .current_dir(workspace())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let work = folder("bench");
    let (table, _) = run(&mut bench(&work, &["--rows", "200", "--repeat", "1", "--stages", &STAGES.join(",")]), 0);
    let results = std::fs::read_to_string(work.join("results/200.json")).unwrap();
    let results: serde_json::Value = serde_json::from_str(&results).unwrap();
    for stage in STAGES {
        assert!(table.lines().any(|line| line.starts_with(&format!("| {stage} "))), "{table}");
        assert_eq!(results[stage]["rows"], 200);
        assert!(results[stage]["seconds"].as_f64().unwrap() > 0.0);
    }
    assert!(results["generate"]["ratio"].as_f64().unwrap() > 0.0);
    assert!(results["update"]["shards_written"].as_u64().unwrap() > 0);
    assert_eq!(results["update"]["shards_written_unchanged"], 0);
    assert_eq!(run(&mut bench(&work, &["--table"]), 0).0, table);
    let (_, error) = run(&mut bench(&work, &["--stages", "nonsense"]), 1);
    assert!(error.contains("there is no stage nonsense"), "{error}");
}

fn bench(work: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.arg(workspace().join("bench/run")).arg("--work").arg(work);
    command.arg("--bin-dir").arg(binary().parent().unwrap()).args(arguments);
    command
}
