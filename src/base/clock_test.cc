#include "base/clock.h"

#include <gtest/gtest.h>

#include <ctime>

namespace xpool {
namespace {

TEST(ClockTest, UnixTimeIsTheWallClockInNanoseconds) {
  const int64_t before = time(nullptr);
  const int64_t now = UnixNowNs() / kNsPerSec;
  EXPECT_GE(now, before - 1);
  EXPECT_LE(now, time(nullptr) + 1);
}

}  // namespace
}  // namespace xpool
