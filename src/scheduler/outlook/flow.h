// How a pool is used: whether it fills up, or pods come in the place of others that have gone. A value, and what
// measures it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace xpool::scheduler {

struct Flow {
  double running = 0;   // pods that are placed
  double turnover = 0;  // pods that go for each one that comes, of late; at most 1
};

class FlowMeter {
 public:
  void Came() {
    ++running_;
    turnover_ += (static_cast<double>(gone_) - turnover_) / kWindow;
    gone_ = 0;
  }
  void Went() {
    --running_;
    ++gone_;
  }
  Flow flow() const { return {static_cast<double>(running_), std::min(1.0, turnover_)}; }

 private:
  static constexpr double kWindow = 200;  // pods that came, over which it is averaged, with exponential weights

  int64_t running_ = 0, gone_ = 0;
  double turnover_ = 0;
};

}  // namespace xpool::scheduler
