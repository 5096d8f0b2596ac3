// xpool_bench_launch: what a kernel launch costs the program. Empty kernels; prints JSON with, in nanoseconds,
//   launch_finish       one launch and clFinish, median and p99
//   pipelined           1,000 launches and one clFinish, per launch
//   enqueue             the enqueue call alone, in such a row
//   enqueue_with_event  the same with an event that is released at once

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/clock.h"
#include "device.h"
#include "quantile.h"

namespace xpool::bench {
namespace {

constexpr int kRow = 1000;

struct Row {
  double enqueue_ns;  // per launch
  double total_ns;
};

Row RunRow(Device& device, bool with_event) {
  const int64_t start_ns = MonotonicNowNs();
  for (int i = 0; i < kRow; ++i) {
    cl_event event = nullptr;
    device.Launch(Size::kOneGroup, 0, with_event ? &event : nullptr);
    if (with_event) clReleaseEvent(event);
  }
  const int64_t enqueued_ns = MonotonicNowNs();
  device.Finish();
  const int64_t end_ns = MonotonicNowNs();
  return {static_cast<double>(enqueued_ns - start_ns) / kRow, static_cast<double>(end_ns - start_ns) / kRow};
}

int Main(int argc, char** argv) {
  CLI::App app{"Cost of an OpenCL kernel launch"};
  int launches = 5000, rows = 50;
  app.add_option("--launches", launches, "Single launches")->check(CLI::Range(10, 10'000'000));
  app.add_option("--rows", rows, "Rows of 1,000 launches")->check(CLI::Range(1, 100'000));
  CLI11_PARSE(app, argc, argv);

  Device device;
  for (int i = 0; i < 200; ++i) device.TimeLaunch(Size::kOneGroup, 0);
  std::vector<double> single, pipelined, enqueue, enqueue_with_event;
  for (int i = 0; i < launches; ++i) single.push_back(static_cast<double>(device.TimeLaunch(Size::kOneGroup, 0)));
  for (int i = 0; i < rows; ++i) {
    const Row plain = RunRow(device, false);
    pipelined.push_back(plain.total_ns);
    enqueue.push_back(plain.enqueue_ns);
    enqueue_with_event.push_back(RunRow(device, true).enqueue_ns);
  }
  const nlohmann::json json = {{"launch_finish", Quantile(single, 0.5)},
                               {"launch_finish_p99", Quantile(single, 0.99)},
                               {"pipelined", Quantile(pipelined, 0.5)},
                               {"enqueue", Quantile(enqueue, 0.5)},
                               {"enqueue_with_event", Quantile(enqueue_with_event, 0.5)}};
  printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace xpool::bench

int main(int argc, char** argv) { return xpool::bench::Main(argc, argv); }
