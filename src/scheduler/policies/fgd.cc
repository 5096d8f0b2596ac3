#include "scheduler/policies/fgd.h"

#include <cmath>

namespace xpool::scheduler {
namespace {

constexpr double kCardMilli = 1000;

double Sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

}  // namespace

Fgd::Fgd(const Mix& mix) : fragmentation_(mix) {}

int64_t Fgd::Score(const Demand&, const NodeState&, double value, const NodeState& after) const {
  return static_cast<int64_t>(Sigmoid((value - fragmentation_.Of(after)) / kCardMilli) * 100);
}

}  // namespace xpool::scheduler
