#include "backend/remote/direct_copy.h"

#include <gtest/gtest.h>

namespace xpool::remote {
namespace {

TEST(RefusedRoutesTest, RefusedRouteIsTriedAgainAfterAWhile) {
  const auto* const a = reinterpret_cast<const ClLink*>(uintptr_t{64});
  const auto* const b = reinterpret_cast<const ClLink*>(uintptr_t{128});
  ManualClock clock;
  RefusedRoutes routes(&clock);
  EXPECT_TRUE(routes.MayTry(a, b));
  routes.Refused(a, b);
  EXPECT_FALSE(routes.MayTry(a, b));
  EXPECT_TRUE(routes.MayTry(b, a));
  clock.Advance(RefusedRoutes::kPauseNs - 1);
  EXPECT_FALSE(routes.MayTry(a, b));
  clock.Advance(1);
  EXPECT_TRUE(routes.MayTry(a, b));
}

}  // namespace
}  // namespace xpool::remote
