"""Draws achieved shares over time as an SVG: one line a slice, its asked share as a dashed step, events as vertical marks."""
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 900, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 190, 50, 50
COLOURS = ["#1f6feb", "#d1570a", "#2da44e", "#8250df"]


@dataclass
class Line:
    name: str
    got: list[tuple[float, float]] = field(default_factory=list)  # (seconds, fraction)
    asked: list[tuple[float, float]] = field(default_factory=list)


def draw(title: str, lines: list[Line], marks: list[tuple[float, str]]) -> str:
    """|marks| are (seconds, text). Fractions run from 0 to 1. Returns the SVG document."""
    end = max([t for line in lines for t, _ in line.got] + [1.0])
    x = lambda seconds: LEFT + (WIDTH - LEFT - RIGHT) * seconds / end
    y = lambda fraction: HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(fraction, 0.0), 1.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="26" font-size="16" font-weight="bold">{escape(title)}</text>',
    ]
    for percent in range(0, 101, 20):
        level = y(percent / 100)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{level:.1f}" y2="{level:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{level + 4:.1f}" text-anchor="end" fill="#555">{percent} %</text>')
    step = max(1, round(end / 10))
    for second in range(0, int(end) + 1, step):
        parts.append(f'<text x="{x(second):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle" fill="#555">{second}</text>')
    parts.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle" fill="#555">seconds</text>')
    for seconds, text in marks:
        parts.append(f'<line x1="{x(seconds):.1f}" x2="{x(seconds):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#999" stroke-dasharray="2 3"/>')
        parts.append(f'<text x="{x(seconds) + 4:.1f}" y="{TOP + 10}" fill="#555">{escape(text)}</text>')
    for index, line in enumerate(lines):
        colour = COLOURS[index % len(COLOURS)]
        asked = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in steps(line.asked, end))
        got = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in line.got)
        parts.append(f'<polyline points="{asked}" fill="none" stroke="{colour}" stroke-dasharray="6 4"/>')
        parts.append(f'<polyline points="{got}" fill="none" stroke="{colour}" stroke-width="2.5"/>')
        label = TOP + 20 + index * 40
        parts.append(f'<line x1="{WIDTH - RIGHT + 16}" x2="{WIDTH - RIGHT + 40}" y1="{label}" y2="{label}" stroke="{colour}" stroke-width="2.5"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 46}" y="{label + 4}">{escape(line.name)}: got</text>')
        parts.append(f'<line x1="{WIDTH - RIGHT + 16}" x2="{WIDTH - RIGHT + 40}" y1="{label + 16}" y2="{label + 16}" stroke="{colour}" stroke-dasharray="6 4"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 46}" y="{label + 20}" fill="#555">asked</text>')
    return "\n".join(parts) + "\n</svg>\n"


def steps(points: list[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """The corner points of a step function that holds each value until the next point, and the last until |end|."""
    corners: list[tuple[float, float]] = []
    for seconds, value in points:
        if corners:
            corners.append((seconds, corners[-1][1]))
        corners.append((seconds, value))
    if corners:
        corners.append((end, corners[-1][1]))
    return corners
