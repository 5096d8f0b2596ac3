"""Placement on Alibaba's openb trace: the published orders of arrival, ten seeds, against FGD and the bound.

The trace is not part of this repository: XPOOL_OPENB, else ../shared/data/openb beside it.
"""
import json
import os
import subprocess
import tempfile
from pathlib import Path

from report import Row, median

TITLE = "idle compute on the openb trace when so much has been asked for (%)"
WORKLOADS = ("default", "cpu050", "cpu200", "gpushare40", "gpushare80", "gpuspec10", "gpuspec25", "multigpu20", "multigpu40")
GOALS = {"default": 3.95, "gpuspec25": 3.95, "cpu200": 3.95}


def idle(runs, percent):
    return sum(100 - run["allocated_pct_by_arrived_pct"][percent] for run in runs) / len(runs)


def run(bench):
    data = Path(os.environ.get("XPOOL_OPENB", Path(__file__).resolve().parents[3] / "shared/data/openb"))
    if not (data / "nodes.csv").exists():
        return [Row("idle compute", "the openb trace", None, "%", beside=f"it is not in {data}; say where with XPOOL_OPENB")]
    seeds = "42-43" if bench.quick else "42-51"
    rows, gaps, fgd_runs = [], [], []
    with tempfile.TemporaryDirectory() as folder:
        for name in WORKLOADS:
            curves = f"{folder}/{name}.json"
            subprocess.run([bench.binary("xpool"), "sim", "--nodes", str(data / "nodes.csv"), "--pods", str(data / f"pods/{name}.csv"),
                            "--events", str(data / f"events/{name}.txt"), "--seeds", seeds, "--policy", "xpool,fgd", "--json", curves],
                           check=True, capture_output=True)
            result = json.loads(Path(curves).read_text())
            ours, fgd = result["policies"]["xpool"], result["policies"]["fgd"]
            bound = result["bounds"]["idle_pct"]
            fgd_runs += fgd
            gaps.append((idle(fgd, 100) - idle(ours, 100)) / (idle(fgd, 100) - bound))
            for percent in (95, 100, 130):
                goal = GOALS.get(name, idle(fgd, 100)) if percent == 100 else idle(fgd, percent)
                beside = f"FGD {idle(fgd, percent):.2f}"
                if percent == 100:
                    beside += f", bound {bound:.2f}, {result['bounds']['proportional_idle_pct']:.2f} without favourites"
                rows.append(Row(name, f"at {percent} %", idle(ours, percent), "%", goal, beside=beside))
            rows.append(Row(name, "of FGD's gap to the bound closed", 100 * gaps[-1], "%", 30, True))
    rows.append(Row("all workloads", "of the gap closed, mean", 100 * sum(gaps) / len(gaps), "%", 50, True))
    took = sorted(run["took_ms"] / 1000 for run in fgd_runs)
    rows.append(Row("one run, policy fgd", "to 130 %", median(took), "s", 0.1, beside=f"the longest of {len(took)}: {took[-1]:.3f} s"))
    return rows
