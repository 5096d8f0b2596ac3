"""tinygrad's OpenCL backend trains a small network on made-up data; prints losses that depend on nothing but the seed."""
import os

os.environ["GPU"] = "1"
import numpy as np
from tinygrad import Device, Tensor, nn

assert Device.DEFAULT == "GPU", Device.DEFAULT


class Network:
    def __init__(self, random: np.random.Generator):
        self.w1 = Tensor(random.normal(0, 0.2, (16, 32)).astype(np.float32), requires_grad=True)
        self.w2 = Tensor(random.normal(0, 0.2, (32, 4)).astype(np.float32), requires_grad=True)

    def __call__(self, x: Tensor) -> Tensor:
        return x.dot(self.w1).relu().dot(self.w2)


def main() -> None:
    random = np.random.default_rng(3)
    centers = random.normal(0, 1, (4, 16))
    labels = random.integers(0, 4, 128)
    data = (centers[labels] + random.normal(0, 0.3, (128, 16))).astype(np.float32)
    network = Network(random)
    optimizer = nn.optim.SGD([network.w1, network.w2], lr=0.1)
    x, y = Tensor(data), Tensor(labels.astype(np.int32))
    losses = []
    with Tensor.train():
        for _ in range(15):
            optimizer.zero_grad()
            loss = network(x).sparse_categorical_crossentropy(y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    print("losses", " ".join(f"{loss:.4f}" for loss in losses))
    right = (network(x).numpy().argmax(axis=1) == labels).mean()
    print(f"accuracy {right:.3f}")
    assert losses[-1] < losses[0] / 2 and right > 0.9


if __name__ == "__main__":
    main()
