"""The shim's own cost: the null driver completes commands inside the enqueue call, so what differs is ours."""
import os

from report import Row, median

TITLE = "the shim's own cost on the launch path, over the null driver"


def run(bench):
    library = str(bench.build / "lib/libxpool-null-opencl.so")
    null = {"XPOOL_NULL_SYNC": "1", "XPOOL_NULL_KERNEL_US": "0"}
    native_environment = {**os.environ, **null, "OCL_ICD_VENDORS": library, "OCL_ICD_FILENAMES": library}
    launch = [bench.binary("xpool_bench_launch")] + (["--launches", "500", "--rows", "20"] if bench.quick else ["--rows", "500"])
    turns = []
    with bench.agent(drivers=library, environment=null) as agent:
        agent.slice("whole", 100)
        for _ in range(bench.repeat):
            native = bench.turn(lambda: bench.run(launch, native_environment))
            turns.append((native, bench.turn(lambda: agent.run("whole", launch))))
    bench.details["turns"] = turns

    def cost(key):
        return median(sliced[key] - native[key] for native, sliced in turns)

    def native_ns(key):
        return f"null driver alone {median(native[key] for native, _ in turns):.0f} ns"

    return [
        Row("clSetKernelArg + launch, lease held", "shim alone", cost("enqueue"), "ns", 150, beside=native_ns("enqueue")),
        Row("the same with an event", "shim alone", cost("enqueue_with_event"), "ns", beside=native_ns("enqueue_with_event")),
    ]
