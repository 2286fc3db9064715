//! A server that fails in every way that servers do: each fault is survived with the right entities at the end, or reported, with the row
//! and a way on. Never a row missing after success, a duplicate, or a hang.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gaebar_runtime::model::{Entity, Key, Properties};
use gaebar_runtime::store::{DatastoreStore, MemoryStore, SqliteStore, Store};
use gaebar_tests::command::{folder, gaebar, run};
use gaebar_tests::compare::assert_equal;
use gaebar_tests::emulator::{Emulator, Flavour};
use gaebar_tests::faulty::{Asked, Fault, Faulty, When};
use gaebar_tests::program::{Program, id};
use gaebar_tests::serve::{Serving, TOKEN};
use googleapis_tonic_google_datastore_v1::google::datastore::v1::query_result_batch::MoreResultsType;
use googleapis_tonic_google_datastore_v1::google::datastore::v1::{CommitRequest, RunQueryResponse};
use prost::Message as _;
use tonic::Code;

/// Three commits, and five pages.
const ROWS: i64 = 1_300;

fn entities() -> Vec<Entity> {
    let entity = |id: i64| {
        let properties = Properties::from([("number".to_owned(), id.into()), ("text".to_owned(), format!("text {id}").into())]);
        Entity::new(Key::root("N", id), properties).unwrap()
    };
    (1..=ROWS).map(entity).collect()
}

fn assert_holds(store: &dyn Store) {
    let expected = MemoryStore::default();
    expected.upsert(&entities()).unwrap();
    assert_equal(&expected, store, &gaebar_tests::compare::everything(), entities().len());
}

/// A backup of the entities.
fn backed_up(test: &str) -> PathBuf {
    let folder = folder(test);
    SqliteStore::open_or_create(&folder.join("source.db")).unwrap().upsert(&entities()).unwrap();
    run(&mut gaebar(&folder, &["backup", "sqlite:source.db", "backup"]), 0);
    folder
}

fn project() -> String {
    static PROJECTS: AtomicUsize = AtomicUsize::new(0);
    format!("faulty-{}", PROJECTS.fetch_add(1, Ordering::Relaxed))
}

fn restore(folder: &Path, host: &str, project: &str, arguments: &[&str]) -> Command {
    let target = format!("datastore://{project}");
    let mut command = gaebar(folder, &["restore", "backup", "--interpret", "--jobs", "1", "--to", &target]);
    command.args(arguments).env("DATASTORE_EMULATOR_HOST", host);
    command
}

/// What happens to the calls of a method that have these numbers.
fn on(method: &'static str, numbers: &'static [usize], fault: &Fault) -> impl FnMut(Asked<'_>) -> Option<Fault> + Send + use<> {
    let fault = fault.clone();
    move |asked| (asked.method == method && numbers.contains(&asked.number)).then(|| fault.clone())
}

/// Faults that pass.
fn passing() -> Vec<(&'static str, Fault)> {
    use When::{After, Before};
    let status = |when, code| Fault::Status(when, code, "injected");
    vec![
        ("UNAVAILABLE before", status(Before, Code::Unavailable)),
        ("UNAVAILABLE after", status(After, Code::Unavailable)),
        ("DEADLINE_EXCEEDED before", status(Before, Code::DeadlineExceeded)),
        ("DEADLINE_EXCEEDED after", status(After, Code::DeadlineExceeded)),
        ("ABORTED", status(Before, Code::Aborted)),
        ("RESOURCE_EXHAUSTED", status(Before, Code::ResourceExhausted)),
        ("RESOURCE_EXHAUSTED with RetryInfo", Fault::RetryAfter(Duration::from_millis(300))),
        ("RST_STREAM before", Fault::Reset(Before)),
        ("RST_STREAM after", Fault::Reset(After)),
        ("connection dropped before", Fault::Drop(Before)),
        ("connection dropped after", Fault::Drop(After)),
        ("slow answer", Fault::Slow(Duration::from_millis(1_500))),
    ]
}

#[test]
fn faults_that_pass_are_survived_by_a_restore() {
    let Some(emulator) = Emulator::shared(Flavour::Datastore) else { return };
    let folder = backed_up("faults-restore");
    for (name, fault) in passing() {
        // With `fail`, entities are inserted: one whose answer was lost meets itself.
        for conflict in ["overwrite", "fail"] {
            let project = project();
            let fault = fault.clone();
            let faulty = Faulty::start(&emulator.host(), move |asked| {
                let calls = [("Commit", 0), ("Commit", 2), ("Lookup", 2), ("ReserveIds", 0)];
                calls.contains(&(asked.method, asked.number)).then(|| fault.clone())
            });
            run(&mut restore(&folder, &faulty.host(), &project, &["--on-conflict", conflict]), 0);
            assert_holds(&DatastoreStore::connect_to_emulator(&emulator.host(), &project, "").unwrap());
        }
        eprintln!("restore: {name}: 8 times, survived");
    }
}

#[test]
fn a_call_that_is_never_answered_is_given_up_at_its_deadline_and_made_again() {
    let Some(emulator) = Emulator::shared(Flavour::Datastore) else { return };
    let folder = backed_up("faults-hang");
    let project = project();
    let faulty = Faulty::start(&emulator.host(), on("Commit", &[1], &Fault::Hang));
    run(&mut restore(&folder, &faulty.host(), &project, &[]), 0);
    assert_holds(&DatastoreStore::connect_to_emulator(&emulator.host(), &project, "").unwrap());
    eprintln!("restore: hang: once, survived");
}

#[test]
fn a_batch_that_is_too_large_is_halved() {
    let Some(emulator) = Emulator::shared(Flavour::Datastore) else { return };
    let folder = backed_up("faults-large");
    let project = project();
    let faulty = Faulty::start(&emulator.host(), |asked| {
        let too_large = asked.method == "Commit" && CommitRequest::decode(asked.message).unwrap().mutations.len() > 100;
        too_large.then_some(Fault::Status(When::Before, Code::InvalidArgument, "too many entities in one commit"))
    });
    run(&mut restore(&folder, &faulty.host(), &project, &[]), 0);
    assert_holds(&DatastoreStore::connect_to_emulator(&emulator.host(), &project, "").unwrap());
}

#[test]
fn a_fault_that_stays_is_reported_with_rows_and_a_way_on() {
    let Some(emulator) = Emulator::shared(Flavour::Datastore) else { return };
    let folder = backed_up("faults-denied");
    let project = project();
    let denied = Fault::Status(When::Before, Code::PermissionDenied, "the role was taken away");
    let faulty = Faulty::start(&emulator.host(), on("Commit", &[1, 2], &denied));
    let (_, said) = run(&mut restore(&folder, &faulty.host(), &project, &[]), 1);
    for part in
        ["PERMISSION_DENIED: the role was taken away", "500 of 1300 rows were committed", "row_501 in volumes/n_0", "--resume"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    run(&mut restore(&folder, &emulator.host(), &project, &["--write-all"]), 0);
    assert_holds(&DatastoreStore::connect_to_emulator(&emulator.host(), &project, "").unwrap());

    // The same over the same address, so that it is the same target.
    let project = self::project();
    let denied = Fault::Status(When::Before, Code::PermissionDenied, "the role was taken away");
    let faulty = Faulty::start(&emulator.host(), on("Commit", &[1], &denied));
    run(&mut restore(&folder, &faulty.host(), &project, &["--on-conflict", "fail"]), 1);
    run(&mut restore(&folder, &faulty.host(), &project, &["--on-conflict", "fail", "--resume"]), 0);
    assert_holds(&DatastoreStore::connect_to_emulator(&emulator.host(), &project, "").unwrap());
}

/// Changes the answers to a kind's scan.
fn rewritten(change: impl Fn(&mut RunQueryResponse) + Send + Sync + 'static) -> Fault {
    Fault::Answer(Arc::new(move |message| {
        let mut answer = RunQueryResponse::decode(message).unwrap();
        change(&mut answer);
        answer.encode_to_vec()
    }))
}

#[test]
fn a_backup_has_every_entity_once_or_there_is_none() {
    let Some(emulator) = Emulator::shared(Flavour::Datastore) else { return };
    let folder = folder("faults-backup");
    let project = project();
    let store = DatastoreStore::connect_to_emulator(&emulator.host(), &project, "").unwrap();
    store.upsert(&entities()).unwrap();
    let source = format!("datastore://{project}");
    let backup = |number: usize, faulty: &Faulty| {
        let name = format!("backup-{number}");
        let mut command = gaebar(&folder, &["backup", &source, &name]);
        let output = command.env("DATASTORE_EMULATOR_HOST", faulty.host()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            let restored = format!("restored-{number}.db");
            run(&mut gaebar(&folder, &["restore", &name, "--interpret", "--to", &format!("sqlite:{restored}")]), 0);
            assert_holds(&SqliteStore::open(&folder.join(restored)).unwrap());
        } else {
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(!folder.join(&name).exists(), "half a backup");
        }
        (output.status.success(), said)
    };
    for (number, (name, fault)) in passing().into_iter().enumerate() {
        let (survived, said) = backup(number, &Faulty::start(&emulator.host(), on("RunQuery", &[3, 5, 6], &fault)));
        assert!(survived, "{name}: {said}");
        eprintln!("backup: {name}: 3 times, survived");
    }
    let ended = |answer: &RunQueryResponse| answer.batch.as_ref().is_some_and(|batch| batch.entity_results.len() > 10);
    let first: Arc<std::sync::Mutex<Option<RunQueryResponse>>> = Arc::default();
    let cases: [(&str, Fault, Option<&str>); 3] = [
        (
            "a query that ends early",
            rewritten(move |answer| {
                if ended(answer) {
                    answer.batch.as_mut().unwrap().more_results = MoreResultsType::NoMoreResults.into();
                }
            }),
            None,
        ),
        (
            "an empty page that is not the last",
            rewritten(|answer| {
                let batch = answer.batch.as_mut().unwrap();
                if batch.entity_results.len() > 10 {
                    batch.entity_results.clear();
                    batch.more_results = MoreResultsType::NotFinished.into();
                    batch.end_cursor = bytes::Bytes::new();
                }
            }),
            Some("no cursor to go on at"),
        ),
        (
            "a cursor that repeats a page",
            rewritten(move |answer| {
                let mut first = first.lock().unwrap();
                if answer.batch.as_ref().is_some_and(|batch| batch.entity_results.len() > 10) {
                    match &*first {
                        Some(first) => answer.clone_from(first),
                        None => *first = Some(answer.clone()),
                    }
                }
            }),
            Some(""),
        ),
    ];
    for (number, (name, fault, reported)) in cases.into_iter().enumerate() {
        let faulty = Faulty::start(&emulator.host(), move |asked| (asked.method == "RunQuery").then(|| fault.clone()));
        let (survived, said) = backup(100 + number, &faulty);
        assert_eq!(survived, reported.is_none(), "{name}: {said}");
        assert!(reported.is_none_or(|part| said.contains(part)), "{name}: {said}");
        eprintln!("backup: {name}: {}", if survived { "survived" } else { said.lines().last().unwrap() });
    }
}

/// An emulator of the test's own, which forgets everything when it is restarted.
fn forgetful(flavour: Flavour) -> Option<Arc<Mutex<Emulator>>> {
    Emulator::shared(flavour)?;
    Some(Arc::new(Mutex::new(Emulator::start(flavour).unwrap())))
}

/// A server in front of an emulator, which is restarted instead of one call's being answered.
fn restarting(emulator: &Arc<Mutex<Emulator>>, method: &'static str, number: usize) -> Faulty {
    let (host, emulator) = (emulator.lock().unwrap().host(), Arc::clone(emulator));
    Faulty::start(&host, move |asked| {
        let is_now = asked.method == method && asked.number == number;
        is_now.then(|| {
            emulator.lock().unwrap().restart();
            Fault::Status(When::Before, Code::Unavailable, "it was restarted")
        })
    })
}

/// Writes the entities, and one of another kind, into a project.
fn fill(emulator: &Arc<Mutex<Emulator>>, project: &str) {
    let store = DatastoreStore::connect_to_emulator(&emulator.lock().unwrap().host(), project, "").unwrap();
    store.upsert(&entities()).unwrap();
    store.upsert(&[Entity::new(Key::root("A", 1), Properties::new()).unwrap()]).unwrap();
}

#[test]
fn a_source_that_comes_back_empty_is_not_backed_up() {
    for flavour in Flavour::ALL {
        let Some(emulator) = forgetful(flavour) else { continue };
        let folder = folder(&format!("faults-emptied-{flavour:?}"));
        let host = emulator.lock().unwrap().host();
        let named = ["--namespaces", "", "--kinds", "A,N"];
        let options: &[&str] = if flavour == Flavour::Firestore { &named } else { &[] };
        let gaebar = |command: &[&str], host: &str, code: i32| {
            let mut command = gaebar(&folder, command);
            let (_, said) = run(command.args(options).env("DATASTORE_EMULATOR_HOST", host), code);
            assert!(code == 0 || said.contains("is gone") || said.contains("resume"), "{flavour}: {said}");
            said
        };
        fill(&emulator, "emptied");
        gaebar(&["backup", "datastore://emptied", "backup"], &host, 0);
        let before = gaebar_tests::tree::files(&folder.join("backup"));
        let restarts: &[_] = if flavour == Flavour::Firestore { &[("new", 7)] } else { &[("new", 5), ("backup", 7)] };
        for &(place, number) in restarts {
            let faulty = restarting(&emulator, "RunQuery", number);
            let said = gaebar(&["backup", "datastore://emptied", place], &faulty.host(), 1);
            assert!(said.contains("is gone: the store was restarted, emptied or replaced"), "{flavour}: {number}: {said}");
            assert!(!folder.join("new").exists());
            // Nothing is left that would pass for the first half.
            let said = gaebar(&["backup", "datastore://emptied", place, "--resume"], &faulty.host(), 1);
            assert!(said.contains("no interrupted backup"), "{said}");
            fill(&emulator, "emptied");
        }
        let mut after = gaebar_tests::tree::files(&folder.join("backup"));
        after.retain(|file, _| !file.starts_with(".gaebar/"));
        assert!(before == after, "the backup is as it was");

        // Entities that are gone are no differences.
        if flavour == Flavour::Datastore {
            let faulty = restarting(&emulator, "RunQuery", 6);
            gaebar(&["diff", "backup", "datastore://emptied"], &faulty.host(), 1);
            fill(&emulator, "emptied");
        }

        // What an interrupted backup had read is gone when it is resumed.
        let denied = Fault::Status(When::Before, Code::PermissionDenied, "injected");
        let is_denied = Arc::new(AtomicBool::new(true));
        let still = Arc::clone(&is_denied);
        let faulty = Faulty::start(&host, move |asked| {
            let is_now = asked.method == "RunQuery" && asked.number > 7 && still.load(Ordering::Relaxed);
            is_now.then(|| denied.clone())
        });
        let said = gaebar(&["backup", "datastore://emptied", "new"], &faulty.host(), 1);
        assert!(said.contains("Say --resume"), "{said}");
        is_denied.store(false, Ordering::Relaxed);
        emulator.lock().unwrap().restart();
        gaebar(&["backup", "datastore://emptied", "new", "--resume"], &faulty.host(), 1);
        assert!(!folder.join("new").exists());
    }
}

#[test]
fn a_target_that_comes_back_empty_is_not_restored() {
    let Some(emulator) = forgetful(Flavour::Datastore) else { return };
    let folder = backed_up("faults-emptied-target");
    let faulty = restarting(&emulator, "Commit", 1);
    let (_, said) = run(&mut restore(&folder, &faulty.host(), "emptied", &[]), 1);
    assert!(said.contains("it was committed, and is not there"), "{said}");
}

#[test]
fn jobs_notice_a_store_that_comes_back_empty() {
    let Some(emulator) = forgetful(Flavour::Datastore) else { return };
    let folder = folder("faults-emptied-jobs");
    let local = |name: &str| SqliteStore::open_or_create(&folder.join(name)).unwrap();
    let fill_all = || {
        fill(&emulator, "emptied");
        local("from.db").upsert(&entities()).unwrap();
    };
    let stores = "[stores]\nemulator = \"datastore://emptied\"\nlocal = \"sqlite:from.db\"\n";
    std::fs::write(folder.join("gaebar.toml"), format!("{stores}[serve]\nrows-per-step = 400\n")).unwrap();
    let mut command = gaebar(&folder, &["serve", "--listen", "127.0.0.1:0"]);
    command.env("DATASTORE_EMULATOR_HOST", emulator.lock().unwrap().host());
    let served = Serving::run(command, &folder, Some(TOKEN));
    let program = Program(&served);
    let empty = |store: &str| {
        if store == "emulator" {
            emulator.lock().unwrap().restart();
        } else {
            let keys: Vec<_> = entities().iter().map(|entity| entity.key().clone()).collect();
            local("from.db").delete(&keys.iter().collect::<Vec<_>>()).unwrap();
        }
    };
    let until_problem = |job: u64| {
        let problem = || program.step(job, "")["problem"].as_str().map(str::to_owned);
        std::iter::repeat_with(problem).take(50).find_map(|problem| problem).expect("a step has a problem")
    };
    for store in ["emulator", "local"] {
        fill_all();
        let job = id(&program.begin(&format!("do=backup&store={store}&backup={store}")));
        program.step(job, "");
        empty(store);
        let problem = until_problem(job);
        assert!(problem.contains("is gone") && problem.contains("begins anew"), "{problem}");
        assert!(!folder.join("backups").join(store).exists());
        fill_all();
        program.steps(job, "done");
    }
    let job = id(&program.begin("do=restore&backup=local&target=emulator"));
    program.steps(job, "confirming");
    program.step(job, "confirm=yes");
    let written = program.step(job, "");
    assert!(written["stage"] == "restoring", "{written}");
    empty("emulator");
    let problem = until_problem(job);
    assert!(problem.contains("are gone") && problem.contains("starts from the beginning"), "{problem}");
    program.steps(job, "done");
    assert_holds(&DatastoreStore::connect_to_emulator(&emulator.lock().unwrap().host(), "emptied", "").unwrap());
}
