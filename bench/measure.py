"""Running a process, and what it took."""

import contextlib
import fcntl
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

SAMPLE_SECONDS = 0.2
# Of a core, what others may take of it while something is measured, so that it counts as measured in quiet.
QUIET = 0.1


@dataclass
class Sample:
    """What a run took. CPU is that of all its processes; `rss` that of its largest, in MB, or this program's own if that is larger
    (25 MB: Linux counts what the process was before it ran the command). `others` is the CPU that everything else on the machine took
    meanwhile."""

    rows: int
    seconds: float
    cpu: float
    rss: float
    others: float
    more: dict = field(default_factory=dict)


class Failed(Exception):
    """A process did not do what it should."""


def run(command, rows, *, cwd=None, env=None, stdin=None, stdout=None, codes=(0,), watch=False):
    """Runs a command to its end. `watch` looks at all its processes as it runs: their memory at one time, by program."""
    begun, busy = time.monotonic(), machine_cpu()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [str(part) for part in command], cwd=cwd, env=env, stdin=stdin, stdout=stdout or subprocess.PIPE, stderr=errors
        )
        watcher = Watcher(process.pid) if watch else contextlib.nullcontext()
        with watcher:
            said = b"" if stdout else process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode not in codes:
            errors.seek(0)
            tail = errors.read()[-4000:].decode(errors="replace")
            raise Failed(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{tail}")
    # ru_maxrss is the largest of the process and all that it waited for, in kilobytes.
    cpu = usage.ru_utime + usage.ru_stime
    sample = Sample(rows, seconds, cpu, usage.ru_maxrss * 1024 / 1e6, max(machine_cpu() - busy - cpu, 0))
    if watch:
        sample.more["largest_sum_mb"] = round(watcher.largest_sum / 1e6)
        sample.more["largest_by_program_mb"] = {name: round(size / 1e6) for name, size in watcher.by_program.items()}
    return sample, said.decode()


def median(samples):
    """The sample in the middle by time, with the medians of what was measured, and how many there were."""
    middle = sorted(samples, key=lambda sample: sample.seconds)[(len(samples) - 1) // 2]
    of = lambda name: statistics.median(getattr(sample, name) for sample in samples)
    more = dict(middle.more)
    for name, value in more.items():
        if isinstance(value, float):
            more[name] = statistics.median(sample.more[name] for sample in samples)
    return Sample(middle.rows, of("seconds"), of("cpu"), max(sample.rss for sample in samples), of("others"), more)


def repeated(once, repeat, patience):
    """Samples of several runs; only one of a run that takes minutes. While others keep the machine busy, up to twice as many are
    made, and the quietest count."""
    samples = []
    noise = lambda sample: sample.others / sample.seconds
    while len([sample for sample in samples if noise(sample) < QUIET]) < repeat and len(samples) < 2 * repeat:
        samples.append(once())
        if samples[-1].seconds > patience:
            break
    return sorted(samples, key=noise)[:repeat]


@contextlib.contextmanager
def locked(path):
    """Holds a file's lock, if there is a file."""
    if path is None:
        yield
        return
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Watcher:
    """Looks at a process and all below it, again and again, from a thread."""

    def __init__(self, pid):
        self.pid = pid
        self.largest_sum = 0
        self.by_program = {}
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.watch, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()

    def watch(self):
        while not self.done.wait(SAMPLE_SECONDS):
            total = 0
            for pid in family(self.pid):
                with contextlib.suppress(OSError, KeyError, ValueError):
                    status = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
                    name = status["Name"]
                    total += int(status["VmRSS"].split()[0]) * 1024
                    peak = int(status["VmHWM"].split()[0]) * 1024
                    self.by_program[name] = max(peak, self.by_program.get(name, 0))
            self.largest_sum = max(self.largest_sum, total)


def family(pid):
    """A process and all below it."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                with open(f"/proc/{parent}/task/{task}/children") as children:
                    found.extend(map(int, children.read().split()))
    return found


def machine_cpu():
    """The CPU seconds that the machine has been busy so far."""
    user, nice, system, _idle, _wait, irq, softirq, *_ = map(int, open("/proc/stat").readline().split()[1:])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def cpu_of(pid):
    """The CPU seconds that a running process has used so far."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def say(text):
    """Tells a person what is going on."""
    print(text, file=sys.stderr, flush=True)
