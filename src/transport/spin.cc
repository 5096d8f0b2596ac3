#include "transport/spin.h"

#include <sched.h>

namespace xpool::transport {
namespace {

constexpr int kSpinRounds = 4000;  // some tens of microseconds
constexpr int kCoresForSpinning = 4;

}  // namespace

int SpinRounds(int asked) {
  if (asked >= 0) return asked;
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof(cores), &cores) != 0) return 0;
  return CPU_COUNT(&cores) >= kCoresForSpinning ? kSpinRounds : 0;
}

}  // namespace xpool::transport
