"""The network is away for two seconds during training, whose result must not change by a bit."""
import json
import random
import time

from harness import BenchError
from remote import LOCAL, Lender, Network
from report import Row, median

TITLE = "the network is cut for 2 s at a random point of a training run"
CUT_S = 2
SEED = 20


def cut_once(lender, network, program: list[str], at_s: float, closes: bool) -> dict:
    """A run through |network|, which breaks |at_s| after the training has begun."""
    process = lender.begin("tcp", program, port=network.port)
    if process.stdout.readline().strip() != "training":
        raise BenchError(f"the training did not begin: {process.communicate()[1].strip()}")
    time.sleep(at_s)
    network.cut(CUT_S) if closes else network.swallow(CUT_S)
    out, errors = process.communicate(timeout=300)
    result = json.loads(out) if process.returncode == 0 else {"weights": "none", "seconds": 0.0, "error": errors.strip()}
    return {**result, "at_s": at_s, "closes": closes}


def trained(lender, way: str | None, program: list[str], **more) -> dict:
    process = lender.begin(way, program, **more) if way else lender.bench.spawn(program)
    out, errors = process.communicate(timeout=300)
    if process.returncode != 0:
        raise BenchError(f"training failed: {errors.strip()}")
    return json.loads(out.splitlines()[-1])


def run(bench):
    cuts = 2 if bench.quick else 100
    program = [bench.binary("xpool_bench_train"), "--steps", "200"]
    chance = random.Random(SEED)
    with Lender(bench) as lender, Network(lender) as network:
        natives = [trained(lender, None, program) for _ in range(3)]
        if len({result["weights"] for result in natives}) != 1:
            raise BenchError("native repeats of the training differ: nothing can be said about cuts")
        uncut = [trained(lender, LOCAL, program), trained(lender, "tcp", program, port=network.port)]
        runs = [cut_once(lender, network, program, chance.uniform(0, uncut[1]["seconds"]), closes=i % 2 == 0) for i in range(cuts)]
    wanted = natives[0]["weights"]
    bench.details.update(native=natives, uncut=uncut, runs=runs)
    longer = sum(result["seconds"] > uncut[1]["seconds"] + CUT_S / 2 for result in runs)
    return [Row("same weights as natively, uncut", "local, tcp", sum(result["weights"] == wanted for result in uncut), "runs", 2, at_least=True,
                beside=f"native {natives[0]['seconds']:.2f}, tcp {uncut[1]['seconds']:.2f} s"),
            Row("same weights as natively, cut", f"{cuts} cuts, every second swallows", sum(result["weights"] == wanted for result in runs), "runs",
                cuts, at_least=True, beside=f"{longer} took a second or more longer; median {median(result['seconds'] for result in runs):.2f} s")]
