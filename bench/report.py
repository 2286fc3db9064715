"""From measurements to the table and to JSON."""

import json
import os
import platform
from datetime import datetime, timezone

from measure import say

# As near to the emulator's ceiling as counts as reached.
NEAR = 0.9
HEAD = ["stage", "rows", "runs", "s", "CPU s", "peak MB", "rows/s", "yardstick", "its s", "its CPU s", "ratio", "goal", "met"]


def measure(stage, world):
    """Measures a stage and its yardstick; returns its row."""
    say(f"{stage.name}: {stage.what}")
    ours, runs = world.measured(stage.run)
    row = {"stage": stage.name, "what": stage.what, "runs": runs, **sample(ours), "by": stage.by, "yardstick": None, "ratio": None}
    met, goals = [], []
    if stage.yardstick:
        theirs, their_runs = world.measured(stage.yardstick)
        row["yardstick"] = {"name": stage.yardstick.__name__.replace("_", " "), "runs": their_runs, **sample(theirs)}
        # Of few rows, a crate's CPU may be too little to be seen.
        quotient = value(ours, stage.by) / max(value(theirs, stage.by), 0.01)
        row["ratio"] = 1 / max(quotient, 1e-9) if stage.times_less else quotient
        if stage.at_most and stage.at in (None, world.rows):
            goals.append(f"≤ {stage.at_most:g} × its {BY[stage.by]}")
            met.append(row["ratio"] <= stage.at_most)
        if stage.times_less:
            goals.append(f"{stage.times_less:g} × less {BY[stage.by]}")
            reached = row["ratio"] >= stage.times_less
            if stage.ceiling:
                ceiling, _ = world.measured(stage.ceiling)
                row["of_ceiling"] = (ours.rows / ours.seconds) / (ceiling.rows / ceiling.seconds)
                goals[-1] += f", or {NEAR:.0%} of the ceiling"
                reached = reached or row["of_ceiling"] >= NEAR
            met.append(reached)
    for name, most in stage.limits:
        goals.append(f"{LIMITS[name]} ≤ {most}")
        met.append(value(ours, name) <= most)
    return {**row, "goal": "; ".join(goals), "met": all(met) if met else None, "parts_met": met}


BY = {"seconds": "time", "cpu": "CPU", "volumes_cpu": "CPU of rustc"}
LIMITS = {
    "rss": "MB",
    "seconds": "s",
    "shards_written_unchanged": "unchanged shards written",
    "slowest_ms": "ms a page",
    "heaviest_kb": "kB a page",
}


def value(sample, name):
    return sample.more[name] if name in sample.more else getattr(sample, name)


def sample(sample):
    return {
        "rows": sample.rows,
        "seconds": round(sample.seconds, 3),
        "cpu": round(sample.cpu, 3),
        "others_cpu": round(sample.others, 3),
        "peak_mb": round(sample.rss),
        "rows_per_second": round(sample.rows / sample.seconds),
        **{name: round(value, 3) if isinstance(value, float) else value for name, value in sample.more.items()},
    }


def file(results, rows):
    return results / f"{rows}.json"


def load(results, rows):
    path = file(results, rows)
    return json.loads(path.read_text()) if path.exists() else {}


def load_all(results):
    """What was measured, by number of rows."""
    return {rows: load(results, rows) for rows in sorted(int(path.stem) for path in results.glob("*.json"))}


def save(results, rows, row):
    results.mkdir(parents=True, exist_ok=True)
    all_of_them = load(results, rows)
    all_of_them[row["stage"]] = {**row, "machine": machine(), "measured": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    file(results, rows).write_text(json.dumps(all_of_them, indent=1, ensure_ascii=False) + "\n")


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"


def table(by_rows):
    """All that was measured, as a table in Markdown that is also legible as it is."""
    lines = [HEAD] + [cells(row) for rows in by_rows.values() for row in rows.values()]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    text = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines]
    text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(text)


def cells(row):
    yardstick = row["yardstick"] or {}
    by_volumes = row["by"] == "volumes_cpu"
    cpu = lambda of: number(of["volumes_cpu"] if by_volumes else of["cpu"]) if of else ""
    return [
        row["stage"],
        f"{row['rows']:,}",
        str(row["runs"]),
        number(row["seconds"]),
        cpu(row),
        str(row["peak_mb"]),
        f"{row['rows_per_second']:,}",
        yardstick.get("name", ""),
        number(yardstick["seconds"]) if yardstick else "",
        cpu(yardstick),
        number(row["ratio"]) if row["ratio"] is not None else "",
        row["goal"],
        {True: "yes", False: "**no**", None: ""}[row["met"]],
    ]


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
