#!/usr/bin/python3
"""Asks for more device memory than its slice has and shows what a program gets: OpenCL's own out-of-memory error.

    xpool run --memory 64Mi -- examples/overquota.py [--ask MiB]

A plain PyOpenCL program: it knows nothing of xpool. Takes memory in pieces until it has --ask MiB or is refused, then
checks that what it has still works. Exit status 0 either way; 1 when something else went wrong.
"""
import argparse
import sys

import numpy as np
import pyopencl as cl

MIB = 1 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ask", type=int, default=256, help="MiB to take in all")
    parser.add_argument("--piece", type=int, default=16, help="MiB a buffer")
    arguments = parser.parse_args()

    device = cl.get_platforms()[0].get_devices()[0]
    context = cl.Context([device])
    queue = cl.CommandQueue(context)
    print(f"{device.name} says it has {device.global_mem_size // MIB} MiB; taking {arguments.ask} MiB, {arguments.piece} at a time")
    held: list[cl.Buffer] = []
    refusal = None
    try:
        while len(held) * arguments.piece < arguments.ask:
            held.append(cl.Buffer(context, cl.mem_flags.READ_WRITE, arguments.piece * MIB))
            # A driver may put off the allocation until the buffer is used.
            cl.enqueue_fill_buffer(queue, held[-1], np.uint8(len(held)), 0, arguments.piece * MIB).wait()
    except cl.Error as error:  # MemoryError is its out-of-memory subclass
        refusal = error
    if refusal is None:
        print(f"got all {arguments.ask} MiB")
    else:
        print(f"refused after {len(held) * arguments.piece} MiB: {refusal}")

    for number, buffer in enumerate(held, 1):
        got = np.empty(MIB, np.uint8)
        cl.enqueue_copy(queue, got, buffer)
        if not (got == number).all():
            print(f"buffer {number} has lost its contents", file=sys.stderr)
            return 1
    print(f"the {len(held) * arguments.piece} MiB it holds still work")
    return 0


if __name__ == "__main__":
    sys.exit(main())
