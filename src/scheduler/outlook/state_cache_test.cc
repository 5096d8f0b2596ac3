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

TEST(StateCacheTest, KeepsWhatItHasRoomForAndNeverMixesUp) {
  StateCache<uint64_t> cache(64);
  bool is_new = false;
  for (uint64_t i = 0; i < 1000; ++i) {
    cache.At(Mixed(i), &is_new) = i;
    EXPECT_TRUE(is_new);
    EXPECT_EQ(cache.At(Mixed(i), &is_new), i);
    EXPECT_FALSE(is_new);
  }
  int kept = 0;
  for (uint64_t i = 1000; i-- > 0;) {
    uint64_t& value = cache.At(Mixed(i), &is_new);
    EXPECT_TRUE(is_new || value == i);
    value = i;
    kept += !is_new;
  }
  EXPECT_GT(kept, 20);
  EXPECT_LE(kept, 64);
}

}  // namespace
}  // namespace xpool::scheduler
