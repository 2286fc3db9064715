"""The table of stages, and what each runs.

A stage is a function that runs it once: it prepares without the lock, measures with it, and returns a sample.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from measure import Failed, Sample
from world import PROJECT, SOURCE, told

EMULATOR = f"datastore://{PROJECT}"
CLIENTS = 8


# Without an emulator


def sqlite_dump(world, lock):
    path, store = world.fresh("yardstick.sql"), world.store
    with lock(), open(path, "w") as file:
        sample, _ = world.run(["sqlite3", store, ".dump"], stdout=file)
    world.fresh("yardstick.sql")
    return sample


def sqlite_import(world, lock):
    store, dump = world.fresh("imported.db"), world.dump
    with lock(), open(dump) as file:
        sample, _ = world.run(["sqlite3", store], stdin=file)
    world.fresh("imported.db")
    return sample


def seed(world, lock):
    store = world.fresh("seeded.db")
    with lock():
        sample, _ = world.run([world.gaebar, "seed", "headline", "--rows", world.rows, "--to", f"sqlite:{store}"])
    world.fresh("seeded.db")
    return sample


def generate(world, lock):
    store, folder = world.store, world.fresh("generated")
    with lock():
        sample, _ = world.run([world.gaebar, "backup", f"sqlite:{store}", folder])
    world.fresh("generated")
    return sample


def update(world, lock):
    store, folder = changing_store(world), world.path("updated")
    world.run([world.tool, "change", f"sqlite:{store}", "hundredth", next_round(world)])
    before = shards(folder)
    with lock():
        sample, _ = world.run([world.gaebar, "backup", f"sqlite:{store}", folder])
    after = shards(folder)
    written = [file for file in after if after[file][:2] != before.get(file, (0, 0))[:2]]
    sample.more["shards"] = len(after)
    sample.more["shards_written"] = len(written)
    sample.more["shards_written_unchanged"] = sum(1 for file in written if file in before and after[file][2] == before[file][2])
    return sample


def changing_store(world):
    """A copy of the store that may be changed, and a backup of it in `updated`."""

    def make(path):
        shutil.copy(world.store, path)
        world.run([world.gaebar, "backup", f"sqlite:{path}", world.fresh("updated")])

    return world.prepare("a store that changes, and its backup", "changing.db", make)


def next_round(world):
    """A number that was never given before."""
    counter = world.path("round")
    number = int(counter.read_text()) + 1 if counter.exists() else 1
    counter.write_text(str(number))
    return number


def shards(folder):
    """Of each shard its file's identity, its time, and its hash."""

    def of(path):
        status = path.stat()
        return status.st_ino, status.st_mtime_ns, hashlib.sha256(path.read_bytes()).digest()

    return {path: of(path) for path in folder.glob("volumes/*/src/shard_*.rs")}


def verify(world, lock):
    backup = world.backup
    with lock():
        return world.run([world.gaebar, "verify", backup])[0]


def syn_parse_file(world, lock):
    backup = world.backup
    with lock():
        return world.run([world.tool, "parse", backup])[0]


def diff(world, lock):
    backup, store = world.backup, world.store
    with lock():
        return world.run([world.gaebar, "diff", backup, f"sqlite:{store}", "--stat"])[0]


def restore_to_sqlite(world, lock):
    return restore(world, lock, ["--no-check"])


def restore_and_check(world, lock):
    return restore(world, lock, ["--check"])


def restore(world, lock, options):
    binary, store = world.restore_binary, world.fresh("restored.db")
    with lock():
        sample, _ = world.run([binary, "--to", f"sqlite:{store}", *options])
    world.fresh("restored.db")
    return sample


def interpret(world, lock):
    backup, store = world.backup, world.fresh("restored.db")
    with lock():
        sample, _ = world.run([world.gaebar, "restore", backup, "--to", f"sqlite:{store}", "--interpret", "--no-check"])
    world.fresh("restored.db")
    return sample


# Compiling


def build(world, lock):
    """The whole of `gaebar build`, of the headline mix."""
    return build_of(world, lock, world.backup)


def build_scalars(world, lock):
    return build_of(world, lock, world.scalars)


def build_of(world, lock, backup):
    copy = world.copy_of(backup)
    with lock():
        return world.compile([world.gaebar, "build", backup], backup, touched=copy)[0]


def empty_functions(world, lock):
    return build_variant(world, lock, world.backup, "empty")


def empty_functions_for_scalars(world, lock):
    return build_variant(world, lock, world.scalars, "empty")


def builder_chain(world, lock):
    return build_variant(world, lock, world.backup, "chain")


def build_variant(world, lock, backup, form):
    folder = world.variant(backup, form)
    world.copy_of(backup)
    command = ["cargo", "build", "--release", "--locked"]
    # Dependencies are found compiled, as `gaebar build` finds them.
    env = {"CARGO_TARGET_DIR": str(folder / "target"), "CARGO_BUILD_BUILD_DIR": str(world.bin_dir.parent)}
    with lock():
        return world.compile(command, backup, touched=folder, cwd=folder, env=env)[0]


def rebuild(world, lock):
    """One row of the store changes; then the backup is updated, and compiled, which is measured."""
    store, folder = changing_store(world), world.path("updated")
    if not world.copy_of(folder).exists():
        raise Failed("no copy")
    world.run([world.gaebar, "build", folder])
    world.run([world.tool, "change", f"sqlite:{store}", "one", next_round(world)])
    world.run([world.gaebar, "backup", f"sqlite:{store}", folder])
    with lock():
        return world.compile([world.gaebar, "build", folder], folder)[0]


def cold(world, lock):
    """The first build on a machine, of few rows: what they depend on is all that counts."""
    folder = world.fresh("cold")
    folder.mkdir()
    world.run([world.gaebar, "seed", "headline", "--rows", 14, "--to", f"sqlite:{folder}/store.db"])
    world.run([world.gaebar, "backup", f"sqlite:{folder}/store.db", folder / "few"])
    # Outside a target folder, as an installed one is.
    installed = shutil.copy(world.gaebar, folder / "gaebar")
    env = {"GAEBAR_CACHE_DIR": str(folder / "cache")}
    with lock():
        sample, said = world.compile([installed, "--format", "json", "build", folder / "few"], folder / "few", env=env)
    sample.more["dependencies"] = told(said)["dependencies"]
    sample.rows = 14
    world.fresh("cold")
    return sample


# With the emulator


def read_from_emulator(world, lock):
    world.fill_emulator()
    with lock():
        sample, said = world.with_emulator([world.tool, "read", EMULATOR, world.folder])
    return all_rows(world, sample, said)


def backup_from_emulator(world, lock):
    world.fill_emulator()
    folder = world.fresh("from-emulator")
    with lock():
        sample, said = world.with_emulator([world.gaebar, "--format", "json", "backup", EMULATOR, folder])
    world.fresh("from-emulator")
    return all_rows(world, sample, said)


def restore_to_emulator(world, lock):
    binary = world.restore_binary
    world.empty_emulator()
    with lock():
        sample, _ = world.with_emulator([binary, "--to", EMULATOR, "--no-check"])
    world.in_emulator = True
    return sample


def python_reads(world, lock):
    return python(world, lock, "read")


def python_dumps_json(world, lock):
    sample = python(world, lock, "dump", world.fresh("lines.json"))
    world.fresh("lines.json")
    return sample


def python_puts(world, lock):
    return python(world, lock, "put", world.emulator.host)


def python(world, lock, *task):
    """Google's client for Python, by its own clock: what it takes to start is not counted."""
    world.fill_emulator()
    command = [world.python, SOURCE / "bench/client.py", task[0], PROJECT, *task[1:]]
    with lock():
        sample, said = world.with_emulator(command)
    sample.seconds = told(said)["seconds"]
    return all_rows(world, sample, said)


def emulator_reads(world, lock):
    world.fill_emulator()
    return saturated(world, lock, "reads")


def emulator_writes(world, lock):
    world.empty_emulator()
    sample = saturated(world, lock, "writes", world.rows)
    world.in_emulator = True
    return sample


def saturated(world, lock, what, *more):
    with lock():
        sample, said = world.with_emulator([world.tool, f"saturate-{what}", world.emulator.host, PROJECT, CLIENTS, *more])
    sample.seconds = told(said)["seconds"]
    return all_rows(world, sample, said)


def all_rows(world, sample, said):
    rows = told(said)["rows"]
    if rows != world.rows:
        raise Failed(f"{rows} rows came, of {world.rows}")
    return sample


@dataclass(frozen=True)
class Stage:
    """A row of the table."""

    name: str
    what: str
    run: Callable
    yardstick: Callable | None = None
    # What is compared: `seconds`, `cpu`, or a sample's `volumes_cpu`.
    by: str = "seconds"
    # At most so many times the yardstick; or, where more is better, so many times less than it.
    at_most: float | None = None
    times_less: float | None = None
    # What the emulator can do: as good as reached, that is enough.
    ceiling: Callable | None = None
    # Goals of its own: (what, at most).
    limits: tuple = ()


MEMORY = (("rss", 200),)
RUSTC = (("rss", 1000),)

STAGES = [
    Stage("seed", "the headline set into SQLite", seed),
    Stage("generate", "backup from SQLite", generate, sqlite_dump, at_most=2, limits=MEMORY),
    Stage(
        "update",
        "back up again with 1 % of the rows changed",
        update,
        generate,
        at_most=0.5,
        limits=(*MEMORY, ("shards_written_unchanged", 0)),
    ),
    Stage("verify", "read the code back", verify, syn_parse_file, by="cpu", at_most=0.25, limits=MEMORY),
    Stage("diff", "compare the backup with its store", diff, limits=MEMORY),
    Stage("compile-scalars", "rustc on rows of 6 scalars", build_scalars, empty_functions_for_scalars, "volumes_cpu", 2.5, limits=RUSTC),
    Stage("compile", "rustc on the headline mix", build, empty_functions, "volumes_cpu", 5, limits=RUSTC),
    Stage("compile-chain", "the same, against a chain of calls a row", build, builder_chain, "volumes_cpu", times_less=8),
    Stage("rebuild", "build after one row changed", rebuild, build, at_most=0.03, limits=(("seconds", 3),)),
    Stage("cold", "the first build: what 14 rows depend on", cold),
    Stage("restore", "the restore binary into SQLite", restore_to_sqlite, sqlite_import, at_most=2, limits=MEMORY),
    Stage("restore-check", "the same, and read back and compared", restore_and_check, sqlite_import, limits=MEMORY),
    Stage("interpret", "restore into SQLite without a compiler", interpret, sqlite_import, limits=MEMORY),
    Stage("ceiling-reads", f"the emulator, read by {CLIENTS} clients that drop what comes", emulator_reads),
    Stage("ceiling-writes", f"the emulator, written by {CLIENTS} clients that send bytes made before", emulator_writes),
    Stage("emulator-read", "read from the emulator", read_from_emulator, python_reads, times_less=2, ceiling=emulator_reads),
    Stage("emulator-backup", "backup from the emulator", backup_from_emulator, python_dumps_json, times_less=3, limits=MEMORY),
    Stage(
        "emulator-restore",
        "the restore binary into the emulator",
        restore_to_emulator,
        python_puts,
        times_less=4,
        ceiling=emulator_writes,
        limits=MEMORY,
    ),
]
