// xpool_bench_client: an ordinary OpenCL program with a known load. With --calibrate it prints how many loops make a
// kernel of the wanted length; otherwise it runs the load in the given window and prints what it completed, as JSON.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "base/clock.h"
#include "load.h"

namespace xpool::bench {
namespace {

struct Flags {
  LoadOptions load;
  std::string size = "device", pattern = "steady";
  double kernel_us = 1000, busy_ms = 25, think_ms = 75, period_ms = 10, pause_from_ms = 0, pause_to_ms = 0;
  uint64_t memory_bytes = 0;
  bool out_of_order = false, calibrate = false, log_completions = false;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--kernel-us", flags.kernel_us, "Length of a kernel on the idle device, without a slice");
  app.add_option("--loops", flags.load.loops, "Loops of a kernel, from --calibrate");
  app.add_option("--groups", flags.size, "device (fills it) or one")->check(CLI::IsMember({"device", "one"}));
  app.add_option("--depth", flags.load.depth, "Kernels outstanding")->check(CLI::Range(1, 4096));
  app.add_flag("--out-of-order", flags.out_of_order, "Use an out-of-order queue");
  app.add_option("--start", flags.load.start_ns, "Start of the window, CLOCK_MONOTONIC ns");
  app.add_option("--end", flags.load.end_ns, "End of the window, CLOCK_MONOTONIC ns");
  app.add_option("--pattern", flags.pattern, "steady, bursty or periodic")
      ->check(CLI::IsMember({"steady", "bursty", "periodic"}));
  app.add_option("--seed", flags.load.seed, "bursty: the seed");
  app.add_option("--busy-ms", flags.busy_ms, "bursty: mean kernel time of a burst");
  app.add_option("--think-ms", flags.think_ms, "bursty: mean think time");
  app.add_option("--period-ms", flags.period_ms, "periodic: time between requests");
  app.add_option("--pause-from-ms", flags.pause_from_ms, "steady: pause, from the start of the window");
  app.add_option("--pause-to-ms", flags.pause_to_ms, "steady: end of the pause");
  app.add_option("--memory", flags.memory_bytes, "Bytes of device memory to hold");
  app.add_flag("--log-completions", flags.log_completions, "Print when each kernel was seen complete");
  app.add_flag("--log-kernels", flags.load.log_kernels, "Print when each kernel ran, from event profiling");
  app.add_flag("--calibrate", flags.calibrate, "Only print the loops for --kernel-us");
}

nlohmann::json RunLoad(Device& device, const Flags& flags) {
  const LoadOptions& load = flags.load;
  const bool late = MonotonicNowNs() > load.start_ns;
  SleepUntil(load.start_ns);
  const LoadResult result = flags.pattern == "bursty"     ? RunBursty(device, load)
                            : flags.pattern == "periodic" ? RunPeriodic(device, load)
                                                          : RunSteady(device, load);
  constexpr int64_t kWindowNs = 50 * kNsPerMs;
  std::vector<uint32_t> windows(static_cast<size_t>((load.end_ns - load.start_ns + kWindowNs - 1) / kWindowNs));
  for (const int64_t at_ns : result.completed_ns) windows[static_cast<size_t>(at_ns / kWindowNs)]++;
  nlohmann::json json = {{"late", late},
                         {"completions", result.completed_ns.size()},
                         {"window_ns", load.end_ns - load.start_ns},
                         {"per_50ms", windows},
                         {"latency_ns", result.latency_ns}};
  if (flags.log_completions) json["completed_ns"] = result.completed_ns;
  if (load.log_kernels) json["kernels_ns"] = nlohmann::json::array();
  for (const KernelTimes& kernel : result.kernels) json["kernels_ns"].push_back({kernel.start_ns, kernel.end_ns});
  return json;
}

int Main(int argc, char** argv) {
  CLI::App app{"An OpenCL program with a known load"};
  Flags flags;
  AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  LoadOptions& load = flags.load;
  load.size = flags.size == "one" ? Size::kOneGroup : Size::kDevice;
  load.kernel_ns = std::max<int64_t>(1, std::llround(flags.kernel_us * 1000));
  load.mean_burst_ns = std::llround(flags.busy_ms * kNsPerMs);
  load.mean_think_ns = std::llround(flags.think_ms * kNsPerMs);
  load.period_ns = std::max<int64_t>(1, std::llround(flags.period_ms * kNsPerMs));
  load.pause_from_ns = load.start_ns + std::llround(flags.pause_from_ms * kNsPerMs);
  load.pause_to_ns = load.start_ns + std::llround(flags.pause_to_ms * kNsPerMs);
  Device device((flags.out_of_order ? CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE : 0) |
                (load.log_kernels ? CL_QUEUE_PROFILING_ENABLE : 0));
  if (flags.calibrate || load.loops == 0) load.loops = device.Calibrate(load.size, load.kernel_ns);
  if (flags.calibrate) {
    printf("{\"loops\": %u}\n", load.loops);
    return 0;
  }
  if (load.end_ns <= load.start_ns) {
    fprintf(stderr, "--end must lie after --start\n");
    return 2;
  }
  if (flags.memory_bytes > 0) device.Allocate(flags.memory_bytes);
  device.TimeLaunch(load.size, load.loops);  // compiled and warm before the window
  printf("%s\n", RunLoad(device, flags).dump().c_str());
  return 0;
}

}  // namespace
}  // namespace xpool::bench

int main(int argc, char** argv) { return xpool::bench::Main(argc, argv); }
