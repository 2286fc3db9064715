"""What stages share: binaries, stores, backups, the emulator. All is made when a stage first asks for it."""

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import measure
from emulator import Emulator
from measure import Failed, say

SOURCE = Path(__file__).resolve().parent.parent
PROJECT = "bench"

# Runs rustc, with more options for a backup's own crates, and writes down what CPU it took; the shell's own `times` costs no process.
WRAPPER = """#!/bin/sh
crate=
before=
for argument; do
    [ "$before" = --crate-name ] && crate=$argument
    before=$argument
done
case $crate in
"$GAEBAR_BENCH_OWN" | "$GAEBAR_BENCH_OWN"_*) "$@" $GAEBAR_BENCH_FLAGS ;;
*) "$@" ;;
esac
code=$?
times > "$GAEBAR_BENCH_RUSTC/$crate.$$"
exit $code
"""


class World:
    def __init__(self, rows, work, options, target):
        self.rows, self.work, self.options, self.target = rows, work, options, target.absolute()
        self.folder = work / str(rows)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.medians = {}
        self.in_emulator = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if "emulator" in self.__dict__:
            self.emulator.stop()

    def path(self, name):
        return self.folder / name

    def fresh(self, name):
        """A path with nothing there."""
        path = self.path(name)
        for file in [path, Path(f"{path}-wal"), Path(f"{path}-shm")]:
            if file.is_dir():
                shutil.rmtree(file)
            else:
                file.unlink(missing_ok=True)
        return path

    @contextlib.contextmanager
    def scratch(self, name):
        """A path with nothing there, neither before nor after."""
        try:
            yield self.fresh(name)
        finally:
            self.fresh(name)

    def measured(self, once):
        """The median of several runs of `once(world)`, and how many there were. Measured once, whoever asks."""
        if once not in self.medians:
            say(f"  {once.__name__.replace('_', ' ')} at {self.rows:,} rows")
            samples = measure.repeated(functools.partial(once, self), self.options.repeat, self.options.patience)
            self.medians[once] = (measure.median(samples), len(samples))
        return self.medians[once]

    # Programs

    @functools.cached_property
    def bin_dir(self):
        if self.options.bin_dir:
            return self.options.bin_dir.absolute()
        say("building gaebar and gaebar-bench")
        with measure.locked(self.options.lock):
            for package in ["gaebar-gen", "gaebar-bench"]:
                command = ["cargo", "build", "--release", "--locked", "--package", package, "--bins"]
                subprocess.run(command, cwd=SOURCE, env={**os.environ, "CARGO_TARGET_DIR": str(self.target)}, check=True)
        return self.target / "release"

    @property
    def gaebar(self):
        return self.bin_dir / "gaebar"

    @property
    def tool(self):
        return self.bin_dir / "gaebar-bench"

    @functools.cached_property
    def python(self):
        """A Python that has Google's client."""
        python = self.work / "venv/bin/python"
        if not python.exists():
            say("installing google-cloud-datastore")
            subprocess.run([sys.executable, "-m", "venv", self.work / "venv"], check=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", "google-cloud-datastore"], check=True)
        return python

    def env(self, **more):
        """The environment, without what this machine's user may have set, and with folders of the benchmark's own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GAEBAR_", "DATASTORE_", "GOOGLE_"))}
        return {**kept, "GAEBAR_CACHE_DIR": str(self.work / "cache"), "GAEBAR_STATE_DIR": str(self.work / "state"), **more}

    def emulated(self):
        return self.env(DATASTORE_EMULATOR_HOST=self.emulator.host, DATASTORE_PROJECT_ID=PROJECT)

    def run(self, command, rows=None, **more):
        more.setdefault("env", self.env())
        with measure.locked(self.options.lock):
            return measure.run(command, self.rows if rows is None else rows, **more)

    def prepare(self, what, name, make):
        """A path that `make(path)` makes, or has made an earlier time."""
        path, done = self.path(name), self.path(f"{name}.done")
        if not done.exists():
            say(f"  making {what} of {self.rows:,} rows")
            make(self.fresh(name))
            done.touch()
        return path

    # Data

    @functools.cached_property
    def store(self):
        seed = lambda path: self.run([self.gaebar, "seed", "headline", "--rows", self.rows, "--to", f"sqlite:{path}"])
        return self.prepare("the headline set", "store.db", seed)

    @functools.cached_property
    def backup(self):
        return self.prepare("a backup", "backup", lambda path: self.run([self.gaebar, "backup", f"sqlite:{self.store}", path]))

    @functools.cached_property
    def scalars(self):
        """A backup of rows of 6 scalars."""

        def make(path):
            store = self.fresh("scalars.db")
            self.run([self.tool, "scalars", f"sqlite:{store}", self.rows])
            self.run([self.gaebar, "backup", f"sqlite:{store}", path])
            self.fresh("scalars.db")

        return self.prepare("a backup of 6 scalars a row", "scalars", make)

    @functools.cached_property
    def dump(self):
        def make(path):
            with open(path, "w") as file:
                self.run(["sqlite3", self.store, ".dump"], stdout=file)

        return self.prepare("a dump", "dump.sql", make)

    def variant(self, of, form):
        """The crates of a backup with other rows."""
        make = lambda path: self.run([self.tool, "variant", of, path, form])
        return self.prepare(f"{form} functions", f"{of.name}-{form}", make)

    # Compiling

    @functools.cached_property
    def wrapper(self):
        path = self.work / "rustc-wrapper"
        path.write_text(WRAPPER)
        path.chmod(0o755)
        return path

    def compile(self, command, backup, touched=None, **more):
        """Compiles a backup. If the copy of it that is compiled is `touched`, its models and all that needs them are compiled, none else."""
        if touched:
            os.utime(touched / "models/src/lib.rs")
        log = self.fresh("rustc")
        log.mkdir()
        name = json.loads((backup / "manifest.json").read_text())["name"].replace("-", "_")
        wrapped = dict(RUSTC_WRAPPER=str(self.wrapper), GAEBAR_BENCH_RUSTC=str(log), GAEBAR_BENCH_OWN=name)
        sample, said = self.run(command, env=self.env(**wrapped, **more.pop("env", {})), watch=True, **more)
        crates = rustc_cpu(log)
        own = {crate: cpu for crate, cpu in crates if re.fullmatch(rf"{re.escape(name)}_\w+_\d+", crate)}
        sample.more["volumes_cpu"] = float(sum(own.values()))
        sample.more["link_cpu"] = float(sum(cpu for crate, cpu in crates if crate == f"{name}_restore"))
        sample.more["volumes"] = len(own)
        sample.more["crates"] = len(crates)
        return sample, said

    def copy_of(self, backup):
        """The copy of a backup that `gaebar build` compiles; builds it first if need be."""
        name = build_name(backup)
        copy = self.work / "cache/builds" / name / "source" / name
        if not copy.exists():
            self.run([self.gaebar, "build", backup])
        return copy

    @functools.cached_property
    def restore_binary(self):
        build = lambda path: self.run([self.gaebar, "build", self.backup, "--output", path])
        return self.prepare("a restore binary", "restore", build)

    # The emulator

    @functools.cached_property
    def emulator(self):
        return Emulator(self.rows, self.path("emulator.log"))

    def fill_emulator(self):
        """Puts all rows into the emulator, if they are not there."""
        if not self.in_emulator:
            self.emulator.reset()
            self.run([self.gaebar, "seed", "headline", "--rows", self.rows, "--to", f"datastore://{PROJECT}"], env=self.emulated())
            # Java warms up: whoever reads first would pay for it.
            self.run([self.tool, "read", f"datastore://{PROJECT}", self.folder], env=self.emulated())
            self.in_emulator = True

    def empty_emulator(self):
        self.emulator.reset()
        self.in_emulator = False

    def with_emulator(self, command, **more):
        """Runs a client of the emulator, and adds what CPU the emulator itself took."""
        before = self.emulator.cpu()
        sample, said = self.run(command, env=self.emulated(), **more)
        sample.more["emulator_cpu"] = self.emulator.cpu() - before
        sample.others = max(sample.others - sample.more["emulator_cpu"], 0)
        return sample, said


def build_name(backup):
    """The folder's name, and the beginning of its path's hash, as `gaebar build` has it."""
    plain = "".join(character for character in backup.name if character.isascii() and character.isalnum())[:24]
    return f"{plain}-{hashlib.sha256(os.fsencode(backup.resolve())).hexdigest()[:16]}"


def rustc_cpu(log):
    """Of each crate that was compiled, its name and CPU seconds."""
    found = []
    for file in log.iterdir():
        # The second line is of the children: user and system, as in `0m1.230000s 0m0.040000s`.
        times = file.read_text().split("\n")[1].split()
        seconds = sum(int(minutes) * 60 + float(rest) for minutes, rest in (time.rstrip("s").split("m") for time in times))
        found.append((file.name.rsplit(".", 1)[0], seconds))
    return found


def told(said):
    """The last JSON line of an output."""
    return json.loads(said.strip().splitlines()[-1])
