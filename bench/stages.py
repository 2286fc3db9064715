"""The table of stages, and what each runs.

A stage is a function that runs it once and returns a sample.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import page
from measure import Failed, Sample
from world import PROJECT, SOURCE, told

EMULATOR = f"datastore://{PROJECT}"
CLIENTS = 8


# Without an emulator


def sqlite_dump(world):
    with world.scratch("yardstick.sql") as path, open(path, "w") as file:
        return world.run(["sqlite3", world.store, ".dump"], stdout=file)[0]


def sqlite_import(world):
    with world.scratch("imported.db") as store, open(world.dump) as file:
        return world.run(["sqlite3", store], stdin=file)[0]


def seed(world):
    with world.scratch("seeded.db") as store:
        return world.run([world.gaebar, "seed", "headline", "--rows", world.rows, "--to", f"sqlite:{store}"])[0]


def generate(world):
    with world.scratch("generated") as folder:
        return world.run([world.gaebar, "backup", f"sqlite:{world.store}", folder])[0]


def update(world):
    store, folder = changing_store(world), world.path("updated")
    world.run([world.tool, "change", f"sqlite:{store}", "hundredth", next_round(world)])
    before = shards(folder)
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


def verify(world):
    return world.run([world.gaebar, "verify", world.backup])[0]


def syn_parse_file(world):
    return world.run([world.tool, "parse", world.backup])[0]


def diff(world):
    return world.run([world.gaebar, "diff", world.backup, f"sqlite:{world.store}", "--stat"])[0]


def restore_to_sqlite(world):
    return restore(world, ["--no-check"])


def restore_and_check(world):
    return restore(world, ["--check"])


def restore(world, options):
    with world.scratch("restored.db") as store:
        return world.run([world.restore_binary, "--to", f"sqlite:{store}", *options])[0]


def interpret(world):
    with world.scratch("restored.db") as store:
        command = [world.gaebar, "restore", world.backup, "--to", f"sqlite:{store}", "--interpret", "--no-check"]
        return world.run(command)[0]


# Compiling


def build(world):
    """The whole of `gaebar build`, of the headline mix."""
    return build_of(world, world.backup)


def build_scalars(world):
    return build_of(world, world.scalars)


def build_of(world, backup):
    return world.compile([world.gaebar, "build", backup], backup, touched=world.copy_of(backup))[0]


def empty_functions(world):
    return build_variant(world, world.backup, "empty")


def empty_functions_for_scalars(world):
    return build_variant(world, world.scalars, "empty")


def builder_chain(world):
    return build_variant(world, world.backup, "chain")


def build_variant(world, backup, form):
    folder = world.variant(backup, form)
    world.copy_of(backup)
    command = ["cargo", "build", "--release", "--locked"]
    # Dependencies are found compiled, as `gaebar build` finds them.
    env = {"CARGO_TARGET_DIR": str(folder / "target"), "CARGO_BUILD_BUILD_DIR": str(world.bin_dir.parent)}
    return world.compile(command, backup, touched=folder, cwd=folder, env=env)[0]


def rebuild(world):
    """One row of the store changes; then the backup is updated, and compiled, which is measured."""
    store, folder = changing_store(world), world.path("updated")
    world.run([world.gaebar, "build", folder])
    world.run([world.tool, "change", f"sqlite:{store}", "one", next_round(world)])
    world.run([world.gaebar, "backup", f"sqlite:{store}", folder])
    return world.compile([world.gaebar, "build", folder], folder)[0]


def cold(world):
    """The first build on a machine, of few rows: what they depend on is all that counts."""
    rows = 14
    with world.scratch("cold") as folder:
        folder.mkdir()
        store, backup = f"sqlite:{folder}/store.db", folder / "few"
        world.run([world.gaebar, "seed", "headline", "--rows", rows, "--to", store])
        world.run([world.gaebar, "backup", store, backup])
        # Outside a target folder, as an installed one is.
        installed = shutil.copy(world.gaebar, folder / "gaebar")
        env = {"GAEBAR_CACHE_DIR": str(folder / "cache")}
        sample, said = world.compile([installed, "--format", "json", "build", backup], backup, rows=rows, env=env)
    sample.more["dependencies"] = told(said)["dependencies"]
    return sample


def pages(world):
    return page.crawl(world.gaebar, world.backup, world.rows, world.env())


# With the emulator


def read_from_emulator(world):
    world.fill_emulator()
    sample, said = world.with_emulator([world.tool, "read", EMULATOR, world.folder])
    return all_rows(world, sample, said)


def backup_from_emulator(world):
    world.fill_emulator()
    with world.scratch("from-emulator") as folder:
        sample, said = world.with_emulator([world.gaebar, "--format", "json", "backup", EMULATOR, folder])
    return all_rows(world, sample, said)


def restore_to_emulator(world):
    binary = world.restore_binary
    world.empty_emulator()
    sample, _ = world.with_emulator([binary, "--to", EMULATOR, "--no-check"])
    world.in_emulator = True
    return sample


def python_reads(world):
    return python(world, "read")


def python_dumps_json(world):
    with world.scratch("lines.json") as file:
        return python(world, "dump", file)


def python_puts(world):
    return python(world, "put", world.emulator.host)


def python(world, *task):
    """Google's client for Python, by its own clock: what it takes to start is not counted."""
    world.fill_emulator()
    command = [world.python, SOURCE / "bench/client.py", task[0], PROJECT, *task[1:]]
    sample, said = world.with_emulator(command)
    sample.seconds = told(said)["seconds"]
    return all_rows(world, sample, said)


def emulator_reads(world):
    world.fill_emulator()
    return saturated(world, "reads")


def emulator_writes(world):
    world.empty_emulator()
    sample = saturated(world, "writes", world.rows)
    world.in_emulator = True
    return sample


def saturated(world, what, *more):
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
    # The only number of rows that this is a goal for.
    at: int | None = None
    # What the emulator can do: as good as reached, that is enough.
    ceiling: Callable | None = None
    # Goals of its own: (what, at most).
    limits: tuple = ()


MEMORY = (("rss", 200),)
RUSTC = (("rss", 1000),)

STAGES = [
    Stage("seed", "the headline set into SQLite", seed),
    Stage("generate", "backup from SQLite", generate, sqlite_dump, at_most=2, at=1_000_000, limits=MEMORY),
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
    Stage("rebuild", "build after one row changed", rebuild, build, at_most=0.03, at=100_000, limits=(("seconds", 3),)),
    Stage("cold", "the first build: what 14 rows depend on", cold),
    Stage("restore", "the restore binary into SQLite", restore_to_sqlite, sqlite_import, at_most=2, limits=MEMORY),
    Stage("restore-check", "the same, and read back and compared", restore_and_check, sqlite_import, limits=MEMORY),
    Stage("interpret", "restore into SQLite without a compiler", interpret, sqlite_import, limits=MEMORY),
    Stage("pages", "pages of the backup", pages, limits=(("slowest_ms", 50), ("heaviest_kb", 60))),
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
