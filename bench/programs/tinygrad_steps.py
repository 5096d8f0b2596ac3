"""tinygrad's OpenCL backend trains a network whose layers keep the device busy; prints {"speed": steps a second}, of the median."""
import json
import os
import statistics
import sys
import time

os.environ["GPU"] = "1"
import numpy as np
from tinygrad import Device, Tensor, nn

assert Device.DEFAULT == "GPU", Device.DEFAULT
INPUTS, HIDDEN, CLASSES, BATCH = 256, 256, 16, 256


def step(optimizer, w1, w2, x, y) -> float:
    began = time.monotonic()
    optimizer.zero_grad()
    loss = x.dot(w1).relu().dot(w2).sparse_categorical_crossentropy(y)
    loss.backward()
    optimizer.step()
    loss.item()
    return time.monotonic() - began


def main() -> None:
    random = np.random.default_rng(3)
    w1 = Tensor(random.normal(0, 0.1, (INPUTS, HIDDEN)).astype(np.float32), requires_grad=True)
    w2 = Tensor(random.normal(0, 0.1, (HIDDEN, CLASSES)).astype(np.float32), requires_grad=True)
    optimizer = nn.optim.SGD([w1, w2], lr=0.1)
    x = Tensor(random.normal(0, 1, (BATCH, INPUTS)).astype(np.float32))
    y = Tensor(random.integers(0, CLASSES, BATCH).astype(np.int32))
    with Tensor.train():
        for _ in range(2):
            step(optimizer, w1, w2, x, y)  # compiled
        took = [step(optimizer, w1, w2, x, y) for _ in range(int(sys.argv[1]))]
    print(json.dumps({"speed": 1 / statistics.median(took)}))


if __name__ == "__main__":
    main()
