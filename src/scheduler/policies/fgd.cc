#include "scheduler/policies/fgd.h"

#include <cmath>

namespace xpool::scheduler {
namespace {

constexpr double kCardMilli = 1000;

double Sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

}  // namespace

Fgd::Fgd(const Mix& mix) : fragmentation_(mix) {}

double Fgd::Value(const NodeState& node) const {
  bool is_new = false;
  double& value = kept_.At(fragmentation_.KeyOf(node), &is_new);
  if (is_new) value = fragmentation_.Of(node);
  return value;
}

int32_t Fgd::Score(const Demand&, const NodeState&, double value, const NodeState& after) const {
  return static_cast<int32_t>(Sigmoid((value - Value(after)) / kCardMilli) * 100);
}

}  // namespace xpool::scheduler
