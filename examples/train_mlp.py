#!/usr/bin/python3
"""Trains a small neural network through OpenCL on made-up digits and prints loss and speed.

    xpool run --compute 30% --memory 512Mi -- examples/train_mlp.py [--steps N | --seconds S] [--hidden N] [--batch N]

A plain PyOpenCL program: it knows nothing of xpool. The digits are ten random 16 x 16 patterns plus noise, the seed is fixed,
so every run computes the same losses and weights. With --verify it fails unless the network has learned.
"""
import argparse
import hashlib
import itertools
import sys
import time

import numpy as np
import pyopencl as cl

PIXELS, CLASSES, EPOCH_BATCHES = 256, 10, 16

KERNELS = """
// out[m x n] = a[m x k] * b[k x n] + bias[n], then max(0, .) if relu.
kernel void forward(global const float* a, global const float* b, global const float* bias, global float* out,
                    int k, int n, int relu) {
  int row = get_global_id(1), col = get_global_id(0);
  float sum = bias[col];
  for (int i = 0; i < k; ++i) sum += a[row * k + i] * b[i * n + col];
  out[row * n + col] = relu ? fmax(sum, 0.0f) : sum;
}
// Softmax and cross entropy of one row: the loss, and its gradient by the scores.
kernel void loss_of(global float* scores, global const int* labels, global float* losses, int n, int rows) {
  int row = get_global_id(0);
  global float* score = scores + row * n;
  float highest = score[0], sum = 0.0f;
  for (int i = 1; i < n; ++i) highest = fmax(highest, score[i]);
  for (int i = 0; i < n; ++i) sum += exp(score[i] - highest);
  losses[row] = log(sum) + highest - score[labels[row]];
  for (int i = 0; i < n; ++i) score[i] = (exp(score[i] - highest) / sum - (i == labels[row])) / rows;
}
// Gradient by the hidden layer: scores_grad[m x n] * weights[k x n]^T, where the hidden unit was on.
kernel void backward(global const float* grad, global const float* weights, global const float* hidden,
                     global float* out, int k, int n) {
  int row = get_global_id(1), col = get_global_id(0);
  float sum = 0.0f;
  for (int i = 0; i < n; ++i) sum += grad[row * n + i] * weights[col * n + i];
  out[row * k + col] = hidden[row * k + col] > 0.0f ? sum : 0.0f;
}
// weights[k x n] -= rate * in[m x k]^T * grad[m x n]; row k is the bias.
kernel void update(global const float* in, global const float* grad, global float* weights, global float* bias,
                   int m, int k, int n, float rate) {
  int row = get_global_id(1), col = get_global_id(0);
  float sum = 0.0f;
  for (int i = 0; i < m; ++i) sum += (row < k ? in[i * k + row] : 1.0f) * grad[i * n + col];
  if (row < k) weights[row * n + col] -= rate * sum;
  else bias[col] -= rate * sum;
}
"""


class Network:
    def __init__(self, hidden: int, batch: int, seed: int):
        device = cl.get_platforms()[0].get_devices()[0]
        self.context = cl.Context([device])
        self.queue = cl.CommandQueue(self.context)
        program = cl.Program(self.context, KERNELS).build()
        self.forward, self.loss_of = program.forward, program.loss_of
        self.backward, self.update = program.backward, program.update
        self.hidden_size, self.batch, self.device_name = hidden, batch, device.name
        random = np.random.default_rng(seed)
        self.w1 = self.buffer(random.normal(0, 0.1, (PIXELS, hidden)))
        self.w2 = self.buffer(random.normal(0, 0.1, (hidden, CLASSES)))
        self.b1, self.b2 = self.buffer(np.zeros(hidden)), self.buffer(np.zeros(CLASSES))
        self.images = self.buffer(np.zeros((batch, PIXELS)))
        self.labels = cl.Buffer(self.context, cl.mem_flags.READ_ONLY, batch * 4)
        self.hidden, self.hidden_grad = (self.buffer(np.zeros((batch, hidden))) for _ in range(2))
        self.scores, self.losses = self.buffer(np.zeros((batch, CLASSES))), self.buffer(np.zeros(batch))

    def buffer(self, values: np.ndarray) -> cl.Buffer:
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
        return cl.Buffer(self.context, flags, hostbuf=np.ascontiguousarray(values, dtype=np.float32))

    def step(self, images: np.ndarray, labels: np.ndarray, rate: float) -> None:
        """Queues one step of gradient descent. |images| and |labels| must stay as they are until loss() is asked for."""
        q, i32, m, h = self.queue, np.int32, self.batch, self.hidden_size
        cl.enqueue_copy(q, self.images, images, is_blocking=False)
        cl.enqueue_copy(q, self.labels, labels, is_blocking=False)
        self.forward(q, (h, m), None, self.images, self.w1, self.b1, self.hidden, i32(PIXELS), i32(h), i32(1))
        self.forward(q, (CLASSES, m), None, self.hidden, self.w2, self.b2, self.scores, i32(h), i32(CLASSES), i32(0))
        self.loss_of(q, (m,), None, self.scores, self.labels, self.losses, i32(CLASSES), i32(m))
        self.backward(q, (h, m), None, self.scores, self.w2, self.hidden, self.hidden_grad, i32(h), i32(CLASSES))
        self.update(q, (CLASSES, h + 1), None, self.hidden, self.scores, self.w2, self.b2,
                    i32(m), i32(h), i32(CLASSES), np.float32(rate))
        self.update(q, (h, PIXELS + 1), None, self.images, self.hidden_grad, self.w1, self.b1,
                    i32(m), i32(PIXELS), i32(h), np.float32(rate))
        q.flush()

    def loss(self) -> float:
        """Waits for the queued steps; the mean loss of the last one's batch."""
        losses = np.empty(self.batch, np.float32)
        cl.enqueue_copy(self.queue, losses, self.losses)
        return float(losses.mean())

    def digest(self) -> str:
        """Of all weights: equal when they are, to the last bit."""
        digest = hashlib.sha256()
        for buffer in (self.w1, self.b1, self.w2, self.b2):
            values = np.empty(buffer.size, np.uint8)
            cl.enqueue_copy(self.queue, values, buffer)
            digest.update(values.tobytes())
        return digest.hexdigest()[:16]


def training_set(batches: int, batch: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Noisy pictures of ten made-up digits, with their labels, in batches."""
    random = np.random.default_rng(seed)
    digits = random.normal(0, 1, (CLASSES, PIXELS)).astype(np.float32)
    made = []
    for _ in range(batches):
        labels = random.integers(0, CLASSES, batch).astype(np.int32)
        noise = random.normal(0, 2.0, (batch, PIXELS)).astype(np.float32)
        made.append((np.ascontiguousarray(digits[labels] + noise), labels))
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seconds", type=float, help="train for so long instead of --steps")
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--every", type=int, default=20, help="print every so many steps")
    parser.add_argument("--verify", action="store_true", help="fail unless the loss falls below a tenth of the first")
    arguments = parser.parse_args()

    network = Network(arguments.hidden, arguments.batch, seed=1)
    print(f"training {PIXELS}-{arguments.hidden}-{CLASSES} on {network.device_name}", flush=True)
    began = last = time.monotonic()
    first = loss = 0.0
    for step, (images, labels) in enumerate(itertools.cycle(training_set(EPOCH_BATCHES, arguments.batch, seed=2)), 1):
        network.step(images, labels, arguments.rate)
        done = time.monotonic() - began >= arguments.seconds if arguments.seconds else step >= arguments.steps
        if step == 1 or step % arguments.every == 0 or done:
            loss = network.loss()
            first = first or loss
            now = time.monotonic()
            speed = 1 if step == 1 else (step % arguments.every or arguments.every) / max(now - last, 1e-9)
            print(f"step {step:5d}  loss {loss:.5f}  {speed:7.1f} steps/s", flush=True)
            last = now
        if done:
            break
    print(f"done: loss {first:.3f} -> {loss:.5f}, weights {network.digest()}")
    if arguments.verify and not loss < first / 10:
        print("the network has not learned", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
