// xpool_bench_bulk: how fast a buffer is written and read, by blocking calls from and to memory that has been touched.
// Prints JSON with the bytes per second of the median transfer: write, read.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "device.h"
#include "quantile.h"

namespace xpool::bench {
namespace {

double MedianNs(int rounds, absl::FunctionRef<void()> transfer) {
  std::vector<double> took_ns;
  for (int i = 0; i < rounds; ++i) {
    const int64_t start_ns = MonotonicNowNs();
    transfer();
    took_ns.push_back(static_cast<double>(MonotonicNowNs() - start_ns));
  }
  return Quantile(took_ns, 0.5);
}

int Main(int argc, char** argv) {
  CLI::App app{"Speed of OpenCL transfers"};
  size_t bytes = 64 * kMiB;
  int rounds = 20;
  app.add_option("--bytes", bytes, "Size of the buffer")->check(CLI::Range(size_t{1}, size_t{1} << 34));
  app.add_option("--rounds", rounds, "Transfers each way")->check(CLI::Range(1, 100'000));
  CLI11_PARSE(app, argc, argv);

  Device device;
  const cl_mem buffer = device.NewBuffer(bytes);
  std::vector<char> memory(bytes, 1);
  const auto write = [&] { device.Write(buffer, CL_TRUE, bytes, memory.data()); };
  const auto read = [&] { device.Read(buffer, bytes, memory.data()); };
  write();
  read();
  const double size = static_cast<double>(bytes) * static_cast<double>(kNsPerSec);
  const nlohmann::json json = {{"write", size / MedianNs(rounds, write)}, {"read", size / MedianNs(rounds, read)}};
  printf("%s\n", json.dump().c_str());
  clReleaseMemObject(buffer);
  return 0;
}

}  // namespace
}  // namespace xpool::bench

int main(int argc, char** argv) { return xpool::bench::Main(argc, argv); }
