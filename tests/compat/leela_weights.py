"""A leela-zero network of random weights (format version 1): plays badly, but exercises the whole OpenCL path."""
import random
import sys


def numbers(source: random.Random, count: int, scale: float) -> str:
    return " ".join(f"{source.gauss(0, scale):.5f}" for _ in range(count))


def main(path: str, blocks: int = 1, filters: int = 16) -> None:
    source = random.Random(4)
    ones, zeros = (lambda n: " ".join(["1"] * n)), (lambda n: " ".join(["0"] * n))

    def convolution(inputs: int, outputs: int, size: int) -> list[str]:
        # weights, biases, batch-norm means, batch-norm variances
        return [numbers(source, inputs * outputs * size * size, 0.1), zeros(outputs), zeros(outputs), ones(outputs)]

    def dense(inputs: int, outputs: int) -> list[str]:
        return [numbers(source, inputs * outputs, 0.05), zeros(outputs)]

    lines = ["1", *convolution(18, filters, 3)]
    for _ in range(2 * blocks):
        lines += convolution(filters, filters, 3)
    lines += [*convolution(filters, 2, 1), *dense(2 * 361, 362)]
    lines += [*convolution(filters, 1, 1), *dense(361, 256), *dense(256, 1)]
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
