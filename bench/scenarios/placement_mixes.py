"""Placement on made-up mixes: pods that arrive and depart, cards whose memory is scarce too, and cards over the network."""
import json
import subprocess
import tempfile
from pathlib import Path

from report import Row

TITLE = "placement on made-up mixes: waiting in a steady state, two scarce resources, remote cards"
OTHERS = ("fgd", "bestfit", "packing", "clustering", "dotprod", "spread", "random")
CARDS = "1600"


def simulate(bench, folder, *arguments):
    out = f"{folder}/out.json"
    subprocess.run([bench.binary("xpool"), "sim", "--nodes", f"{folder}/nodes.csv", "--pods", f"{folder}/pods.csv", "--json", out,
                    *arguments], check=True, capture_output=True)
    return json.loads(Path(out).read_text())


def generate(bench, folder, kind, seed, *arguments):
    subprocess.run([bench.binary("xpool"), "sim", "generate", kind, "--seed", str(seed), "--to", folder, *arguments],
                   check=True, capture_output=True)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def idle(result, policy):
    return mean(100 - run["allocated_pct_by_arrived_pct"][100] for run in result["policies"][policy])


def steady(bench, folder, kind, seed, *arguments):
    generate(bench, folder, kind, seed, *arguments)
    result = simulate(bench, folder, "--steady", "--load", "90", "--seeds", str(seed), "--runtimes", "5",
                      "--policy", ",".join(("xpool", *OTHERS)))["policies"]
    waits = {name: runs[0]["mean_wait_s"] for name, runs in result.items()}
    best = min(OTHERS, key=waits.get)
    return Row(f"{kind} {seed}, mean wait", "90 % load", waits["xpool"], "s", waits[best],
               beside=f"{best} {waits[best]:.1f} s, fgd {waits['fgd']:.1f}; waiting at a time {result['xpool'][0]['mean_blocked']:.1f}, "
                      f"{best} {result[best][0]['mean_blocked']:.1f}; had to wait "
                      f"{100 * result['xpool'][0]['had_to_wait'] / result['xpool'][0]['arrived']:.2f} %, "
                      f"{best} {100 * result[best][0]['had_to_wait'] / result[best][0]['arrived']:.2f} %")


def two_resources(bench, folder, seed):
    generate(bench, folder, "mixed", seed, "--cards", CARDS)
    result = simulate(bench, folder, "--seeds", "1-3", "--policy", ",".join(("xpool", *OTHERS)))
    idles = {name: idle(result, name) for name in ("xpool", *OTHERS)}
    best = min(OTHERS, key=idles.get)
    return Row(f"mixed {seed}, idle", "100 % asked", idles["xpool"], "%", idles[best],
               beside=f"{best} {idles[best]:.2f}, bound {max(0, result['bounds']['idle_pct']):.2f}")


def remote(bench, folder, seed):
    generate(bench, folder, "mixed", seed, "--cards", CARDS)
    common = ("--seeds", "1-3", "--policy", "xpool")
    local, lent, ignored = (simulate(bench, folder, *common, *more) for more in ((), ("--remote",), ("--ignore-cpu",)))
    runs = lent["policies"]["xpool"]
    before, after, least = (idle(result, "xpool") for result in (local, lent, ignored))
    return Row(f"mixed {seed}, gap closed by remote cards", "100 % asked", 100 * (before - after) / (before - least), "%", 70, True,
               beside=f"idle {before:.2f} local, {after:.2f} remote, {least:.2f} without CPU; "
                      f"{mean(100 * run['remote'] / run['placed'] for run in runs):.0f} % of pods remote, "
                      f"{mean(run['remote_cards'] for run in runs):.0f} cards, Gbit/s at 1 a card")


def run(bench):
    seeds = range(1, 3) if bench.quick else range(1, 11)
    with tempfile.TemporaryDirectory() as folder:
        rows = [steady(bench, folder, "openb-like", seed) for seed in seeds]
        rows += [steady(bench, folder, "mixed", seed, "--cards", CARDS) for seed in seeds if seed <= 4]
        rows += [two_resources(bench, folder, seed) for seed in seeds]
        rows += [remote(bench, folder, seed) for seed in seeds]
    return rows
