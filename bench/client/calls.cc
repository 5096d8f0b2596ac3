// xpool_bench_calls: what calls other than a launch cost the program. Prints JSON with medians, in nanoseconds:
//   write_launch_read  4 KiB written, an empty kernel, 4 KiB read by a blocking read
//   kernel, buffer, user_event  one created and released, in a row of 1,000

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/clock.h"
#include "device.h"
#include "quantile.h"

namespace xpool::bench {
namespace {

constexpr int kRow = 1000;
constexpr size_t kSmallBytes = 4096;

class Calls {
 public:
  explicit Calls(Device& device) : device_(device), small_(kSmallBytes), buffer_(device.NewBuffer(kSmallBytes)) {}
  ~Calls() { clReleaseMemObject(buffer_); }
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  double WriteLaunchRead() {
    const int64_t start_ns = MonotonicNowNs();
    device_.Write(buffer_, CL_FALSE, kSmallBytes, small_.data());
    device_.Launch(Size::kOneGroup, 0, nullptr);
    device_.Read(buffer_, kSmallBytes, small_.data());
    return static_cast<double>(MonotonicNowNs() - start_ns);
  }

  void Kernel() { Check(clReleaseKernel(NewKernel(device_.program(), "spin")), "clReleaseKernel"); }

  void Buffer() { Check(clReleaseMemObject(device_.NewBuffer(kSmallBytes)), "clReleaseMemObject"); }

  void UserEvent() {
    cl_int status;
    const cl_event event = clCreateUserEvent(device_.context(), &status);
    Check(status, "clCreateUserEvent");
    Check(clReleaseEvent(event), "clReleaseEvent");
  }

  // The median of |rows| rows, for one |call|. What a row leaves behind is done before the next begins.
  double Median(int rows, absl::FunctionRef<void()> call) {
    std::vector<double> each;
    for (int row = 0; row < rows; ++row) {
      const int64_t start_ns = MonotonicNowNs();
      for (int i = 0; i < kRow; ++i) call();
      each.push_back(static_cast<double>(MonotonicNowNs() - start_ns) / kRow);
      WriteLaunchRead();
    }
    return Quantile(each, 0.5);
  }

 private:
  Device& device_;
  std::vector<char> small_;
  const cl_mem buffer_;
};

int Main(int argc, char** argv) {
  CLI::App app{"Cost of OpenCL calls"};
  int trips = 3000, rows = 50;
  app.add_option("--trips", trips, "Writes, launches and reads")->check(CLI::Range(10, 10'000'000));
  app.add_option("--rows", rows, "Rows of 1,000 creations")->check(CLI::Range(1, 100'000));
  CLI11_PARSE(app, argc, argv);

  Device device;
  Calls calls(device);
  for (int i = 0; i < 200; ++i) calls.WriteLaunchRead();
  std::vector<double> trip;
  for (int i = 0; i < trips; ++i) trip.push_back(calls.WriteLaunchRead());
  const nlohmann::json json = {{"write_launch_read", Quantile(trip, 0.5)},
                               {"kernel", calls.Median(rows, [&] { calls.Kernel(); })},
                               {"buffer", calls.Median(rows, [&] { calls.Buffer(); })},
                               {"user_event", calls.Median(rows, [&] { calls.UserEvent(); })}};
  printf("%s\n", json.dump().c_str());
  return 0;
}

}  // namespace
}  // namespace xpool::bench

int main(int argc, char** argv) { return xpool::bench::Main(argc, argv); }
