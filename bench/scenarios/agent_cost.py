"""What the agent itself takes: memory with 100 slices, CPU while nothing happens."""
import time
from pathlib import Path

from harness import process_cpu_seconds
from report import Row

TITLE = "the agent's memory and idle CPU with 100 slices"


def pss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def run(bench):
    slices, seconds = (20, 3) if bench.quick else (100, 20)
    with bench.agent() as agent:
        for i in range(slices):
            agent.slice(f"c{i}", 1, memory="16Mi")
        time.sleep(1)
        before = process_cpu_seconds(agent.process.pid)
        time.sleep(seconds)
        cpu = (process_cpu_seconds(agent.process.pid) - before) / seconds * 100
        memory = pss_mib(agent.process.pid)
    return [Row("agent's memory (PSS)", f"{slices} slices", memory, "MiB", 64),
            Row("agent's CPU, idle", f"{slices} slices", cpu, "% of a core", 0.5)]
