"""Rows of a benchmark's table: what was asked, what was got, the goal and whether it was met."""
import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass
class Row:
    measure: str
    asked: str
    got: float | None  # None: cannot be measured on this machine; |beside| says why
    unit: str
    goal: float | None = None  # None: printed for comparison only
    at_least: bool = False     # the goal is a lower bound
    beside: str = ""           # native's figure, spread, ...

    @property
    def verdict(self) -> str:
        if self.got is None:
            return "not here"
        if self.goal is None:
            return "-"
        met = self.got >= self.goal if self.at_least else self.got <= self.goal
        return "met" if met else "MISSED"

    def as_dict(self) -> dict:
        return {**asdict(self), "verdict": self.verdict}


def figure(value: float, unit: str) -> str:
    digits = 3 if abs(value) < 10 else 1
    return f"{value:.{digits}f} {unit}".strip()


def print_rows(rows: list[Row]) -> None:
    header = ("measure", "asked", "got", "goal", "verdict", "beside")
    table = [header]
    for row in rows:
        goal = "" if row.goal is None else ("≥ " if row.at_least else "≤ ") + figure(row.goal, row.unit)
        got = "" if row.got is None else figure(row.got, row.unit)
        table.append((row.measure, row.asked, got, goal, row.verdict, row.beside))
    widths = [max(len(line[i]) for line in table) for i in range(len(header))]
    for line in table:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip(), flush=True)


def write_json(path: Path, content: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def median(values) -> float:
    return float(statistics.median(values))


def quantile(values, q: float) -> float:
    ordered = sorted(values)
    return float(ordered[min(len(ordered) - 1, int(q * len(ordered)))])
