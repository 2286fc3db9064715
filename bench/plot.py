"""How the cost of a row grows with their number, as SVG by hand: logarithmic both ways, so that what is linear is level."""

import math

from measure import Failed

WIDTH, HEIGHT = 880, 520
LEFT, RIGHT, TOP, BOTTOM = 70, 205, 56, 56
# Legible on white and on black; each line also has its name at its end.
COLOURS = ["#3b82c4", "#d9712b", "#2f9e6b", "#c2528b", "#8a6fd1", "#a58a1f", "#1f9aa8", "#d1504f", "#7c8a97"]
STAGES = ["generate", "update", "verify", "diff", "compile", "rebuild", "restore", "interpret", "emulator-backup"]
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #333 }
  .title { font-size: 16px; font-weight: 600 }
  .grid { stroke: #8884; stroke-width: 1 }
  @media (prefers-color-scheme: dark) { text { fill: #ddd } }
"""


def growth(by_rows):
    """The SVG, of what was measured by number of rows."""
    lines = {stage: points(by_rows, stage) for stage in STAGES}
    lines = {stage: line for stage, line in lines.items() if len(line) > 1}
    if not lines:
        raise Failed("nothing was measured at two sizes of 10,000 rows or more")
    rows = [point[0] for line in lines.values() for point in line]
    costs = [point[1] for line in lines.values() for point in line]
    x = scale(min(rows), max(rows), LEFT, WIDTH - RIGHT)
    low, high = math.floor(math.log10(min(costs))), math.ceil(math.log10(max(costs)))
    y = scale(10**low, 10**high, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<title>Microseconds a row, by number of rows and stage</title>",
        f"<style>{STYLE}</style>",
        text(LEFT, 26, "What a row costs, in microseconds of wall time", "start", "title"),
        *(gridline(y(10**power), f"{10.0**power:,g}") for power in range(low, high + 1)),
        *(text(x(count), HEIGHT - BOTTOM + 22, f"{count:,}", "middle") for count in sorted(by_rows) if min(rows) <= count <= max(rows)),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "rows", "middle"),
    ]
    heights = spread({stage: y(line[-1][1]) for stage, line in lines.items()})
    for stage, line in lines.items():
        colour = COLOURS[STAGES.index(stage)]
        path = " ".join(f"{x(count):.1f},{y(cost):.1f}" for count, cost in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        parts += [f'<circle cx="{x(count):.1f}" cy="{y(cost):.1f}" r="3.5" fill="{colour}"/>' for count, cost in line]
        end = x(line[-1][0])
        parts.append(
            f'<path d="M {end + 6:.1f} {y(line[-1][1]):.1f} L {WIDTH - RIGHT + 26} {heights[stage]:.1f}" stroke="{colour}" fill="none" stroke-dasharray="2 3"/>'
        )
        parts.append(text(WIDTH - RIGHT + 30, heights[stage] + 4, f"{stage} {line[-1][1]:,.0f} µs"))
    return "\n".join([*parts, "</svg>", ""])


def points(by_rows, stage):
    """Of a stage: rows, and microseconds a row."""
    measured = [(rows, stages[stage]) for rows, stages in sorted(by_rows.items()) if stage in stages]
    return [(rows, row["seconds"] / rows * 1e6) for rows, row in measured if rows >= 10_000]


def scale(low, high, begin, end):
    return lambda value: begin + (math.log(value) - math.log(low)) / (math.log(high) - math.log(low)) * (end - begin)


def spread(heights, apart=17):
    """The same heights, moved down where names would overlap."""
    last, moved = -math.inf, {}
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        last = moved[name] = max(height, last + apart)
    return moved


def gridline(height, label):
    line = f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.1f}" y2="{height:.1f}"/>'
    return line + text(LEFT - 8, height + 4, label, "end")


def text(x, y, content, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{content}</text>'
