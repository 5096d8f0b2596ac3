#include "scheduler/outlook/state_cache.h"

#include <gtest/gtest.h>

#include "scheduler/model/mixed.h"

namespace xpool::scheduler {
namespace {

TEST(StateCacheTest, WhatWasPutInIsThere) {
  StateCache<int> cache(64);
  bool is_new = false;
  cache.At(0, &is_new) = 5;  // 0 is a key like any other
  EXPECT_TRUE(is_new);
  EXPECT_EQ(cache.At(0, &is_new), 5);
  EXPECT_FALSE(is_new);
}

TEST(StateCacheTest, WhatIsAskedForStaysAndTheRestGoes) {
  StateCache<uint64_t> cache(64);
  bool is_new = false;
  const uint64_t kept = Mixed(1'000'000);
  cache.At(kept, &is_new) = 7;
  int forgotten = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    cache.At(Mixed(i), &is_new) = i;
    EXPECT_EQ(cache.At(kept, &is_new), 7u);
    EXPECT_FALSE(is_new);
  }
  for (uint64_t i = 0; i < 1000; ++i) {
    const uint64_t value = cache.At(Mixed(i), &is_new);
    EXPECT_TRUE(is_new || value == i);
    forgotten += is_new;
  }
  EXPECT_GT(forgotten, 900);
}

}  // namespace
}  // namespace xpool::scheduler
