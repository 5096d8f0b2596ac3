// xpool_bench_train: trains a small network on made-up data, with kernels whose sums have a fixed order: two runs give
// the same weights, bit for bit. Each step writes a batch, runs three kernels and reads the loss, so that calls, bulk
// data and answers are under way all the time. Prints "training" when it begins, and then JSON: a hash of the final
// weights, the last loss, the seconds of training.

#include <CLI/CLI.hpp>
#include <bit>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "device.h"

namespace xpool::bench {
namespace {

constexpr size_t kInputs = 64, kHidden = 64, kBatch = 512;

// One hidden layer of softsign units, a linear output, squared error, plain gradient descent.
constexpr const char* kSource = R"(
  __kernel void forward(__global const float* x, __global const float* w, __global const float* v, __global float* h,
                        __global float* error) {
    const int row = get_global_id(0);
    float out = 0;
    for (int j = 0; j < HIDDEN; ++j) {
      float sum = 0;
      for (int i = 0; i < INPUTS; ++i) sum += x[row * INPUTS + i] * w[i * HIDDEN + j];
      const float unit = sum / (1 + fabs(sum));
      h[row * HIDDEN + j] = unit;
      out += unit * v[j];
    }
    float wanted = 0;
    for (int i = 0; i < INPUTS; i += 2) wanted += x[row * INPUTS + i] * x[row * INPUTS + i + 1];
    error[row] = out - wanted;
  }
  __kernel void backward(__global const float* x, __global float* w, __global float* v, __global const float* h,
                         __global const float* error, float rate) {
    const int j = get_global_id(0);
    const float old = v[j];
    float step = 0;
    for (int row = 0; row < BATCH; ++row) step += error[row] * h[row * HIDDEN + j];
    v[j] = old - rate * step / BATCH;
    for (int i = 0; i < INPUTS; ++i) {
      float sum = 0;
      for (int row = 0; row < BATCH; ++row) {
        const float unit = h[row * HIDDEN + j];
        const float slope = (1 - fabs(unit)) * (1 - fabs(unit));
        sum += error[row] * old * slope * x[row * INPUTS + i];
      }
      w[i * HIDDEN + j] -= rate * sum / BATCH;
    }
  }
  __kernel void loss(__global const float* error, __global float* out) {
    float sum = 0;
    for (int row = 0; row < BATCH; ++row) sum += error[row] * error[row];
    *out = sum / BATCH;
  })";

// The same numbers everywhere, between -1 and 1.
class Numbers {
 public:
  float Next() {
    state_ = state_ * 6364136223846793005u + 1442695040888963407u;
    return static_cast<float>(static_cast<int32_t>(state_ >> 32)) / 2147483648.0f;
  }
  std::vector<float> Many(size_t count, float scale) {
    std::vector<float> values(count);
    for (float& value : values) value = scale * Next();
    return values;
  }

 private:
  uint64_t state_ = 1;
};

uint64_t Hash(const std::vector<float>& values, uint64_t hash) {
  for (const float value : values) hash = (hash ^ std::bit_cast<uint32_t>(value)) * 1099511628211u;
  return hash;
}

class Trainer {
 public:
  explicit Trainer(Device& device) : device_(device) {
    const std::string options =
        absl::StrFormat("-cl-std=CL1.2 -DINPUTS=%d -DHIDDEN=%d -DBATCH=%d", kInputs, kHidden, kBatch);
    program_ = device.Build(kSource, options.c_str());
    x_ = Make(kBatch * kInputs), w_ = Make(kInputs * kHidden), v_ = Make(kHidden);
    h_ = Make(kBatch * kHidden), error_ = Make(kBatch), loss_ = Make(1);
    Write(w_, numbers_.Many(kInputs * kHidden, 0.2f));
    Write(v_, numbers_.Many(kHidden, 0.2f));
    const cl_float rate = 0.02f;
    forward_ = Kernel("forward", {x_, w_, v_, h_, error_});
    backward_ = Kernel("backward", {x_, w_, v_, h_, error_});
    Check(clSetKernelArg(backward_, 5, sizeof(rate), &rate), "clSetKernelArg");
    loss_kernel_ = Kernel("loss", {error_, loss_});
  }

  float Step() {
    Write(x_, numbers_.Many(kBatch * kInputs, 1.0f));
    device_.Enqueue(forward_, kBatch);
    device_.Enqueue(backward_, kHidden);
    device_.Enqueue(loss_kernel_, 1);
    return Read(loss_, 1)[0];
  }

  uint64_t HashOfWeights() { return Hash(Read(v_, kHidden), Hash(Read(w_, kInputs * kHidden), 14695981039346656037u)); }

 private:
  cl_mem Make(size_t floats) { return device_.NewBuffer(floats * sizeof(cl_float)); }

  cl_kernel Kernel(const char* name, const std::vector<cl_mem>& arguments) {
    const cl_kernel kernel = NewKernel(program_, name);
    for (cl_uint i = 0; i < arguments.size(); ++i)
      Check(clSetKernelArg(kernel, i, sizeof(cl_mem), &arguments[i]), "clSetKernelArg");
    return kernel;
  }

  // Of a batch it returns at once: |held_| keeps the bytes until the loss that depends on them has been read.
  void Write(cl_mem buffer, std::vector<float> values) {
    held_ = std::move(values);
    device_.Write(buffer, buffer == x_ ? CL_FALSE : CL_TRUE, held_.size() * sizeof(cl_float), held_.data());
  }

  std::vector<float> Read(cl_mem buffer, size_t floats) {
    std::vector<float> values(floats);
    device_.Read(buffer, floats * sizeof(cl_float), values.data());
    return values;
  }

  Device& device_;
  Numbers numbers_;
  std::vector<float> held_;
  cl_program program_ = nullptr;
  cl_mem x_, w_, v_, h_, error_, loss_;
  cl_kernel forward_, backward_, loss_kernel_;
};

int Main(int argc, char** argv) {
  CLI::App app{"Training whose result does not depend on chance"};
  int steps = 1000;
  app.add_option("--steps", steps, "Steps of training")->check(CLI::Range(1, 10'000'000));
  CLI11_PARSE(app, argc, argv);

  Device device;
  Trainer trainer(device);
  float loss = trainer.Step();  // compiled and warm before it begins
  printf("training\n");
  fflush(stdout);
  const int64_t start_ns = MonotonicNowNs();
  for (int i = 1; i < steps; ++i) loss = trainer.Step();
  const double seconds = static_cast<double>(MonotonicNowNs() - start_ns) / static_cast<double>(kNsPerSec);
  const nlohmann::json json = {
      {"weights", absl::StrFormat("%016x", trainer.HashOfWeights())}, {"loss", loss}, {"seconds", seconds}};
  printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace xpool::bench

int main(int argc, char** argv) { return xpool::bench::Main(argc, argv); }
