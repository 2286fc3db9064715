"""What rustc's options cost or save on a backup's own crates, each against the same crates without it in the same run.

Dependencies are compiled before, and are not counted.
"""

import statistics
import tempfile

from measure import say

# What is tried, and the options that rustc gets for the backup's own crates; the last of two counts.
TRIALS = [
    ("one codegen unit", "-Ccodegen-units=1"),
    ("4 codegen units", "-Ccodegen-units=4"),
    ("256 codegen units", "-Ccodegen-units=256"),
    ("opt-level 1", "-Copt-level=1"),
    ("debug information: lines", "-Cdebuginfo=line-tables-only"),
    ("debug information: full", "-Cdebuginfo=2"),
    ("incremental", "-Cincremental={scratch}"),
    ("bitcode in the objects", "-Cembed-bitcode=yes"),
    ("without LLVM's passes", "-Cno-prepopulate-passes"),
    ("without unwind tables", "-Cforce-unwind-tables=no"),
    ("without warnings", "-Awarnings"),
    ("overflow checks", "-Coverflow-checks=yes"),
    ("stripped", "-Cstrip=symbols"),
    ("linked by GNU ld", "-Clink-arg=-fuse-ld=bfd"),
]


def table(world, repeat):
    """Runs all trials; their medians as a table in Markdown, line by line."""
    # Whatever is compiled but once is compiled now.
    once(world, "")
    yield from ["| what | options | rows' CPU | link's CPU | seconds in all |", "|---|---|---|---|---|"]
    for what, options in TRIALS:
        say(f"  {what}")
        ratios = []
        for _ in range(repeat):
            with tempfile.TemporaryDirectory(dir=world.work) as scratch:
                before, after = once(world, ""), once(world, options.format(scratch=scratch))
            ratios.append([new / old for old, new in zip(before, after)])
        rows, link, seconds = (statistics.median(column) for column in zip(*ratios))
        yield f"| {what} | `{options.format(scratch='DIR')}` | {rows:.2f} x | {link:.2f} x | {seconds:.2f} x |"


def once(world, options):
    """CPU seconds of all volumes, CPU seconds of the restore binary's own crate, and seconds of the whole build."""
    copy = world.copy_of(world.backup)
    sample, _ = world.compile([world.gaebar, "build", world.backup], world.backup, touched=copy, env={"GAEBAR_BENCH_FLAGS": options})
    return sample.more["volumes_cpu"], sample.more["link_cpu"], sample.seconds
