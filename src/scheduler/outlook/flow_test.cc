#include "scheduler/outlook/flow.h"

#include <gtest/gtest.h>

namespace xpool::scheduler {
namespace {

TEST(FlowTest, PoolThatFillsUpHasNoTurnover) {
  FlowMeter meter;
  for (int i = 0; i < 1000; ++i) meter.Came();
  EXPECT_EQ(meter.flow().running, 1000);
  EXPECT_EQ(meter.flow().turnover, 0);
}

TEST(FlowTest, OneThatGoesForEachThatComesIsATurnoverOfOne) {
  FlowMeter meter;
  for (int i = 0; i < 1000; ++i) meter.Came();
  for (int i = 0; i < 1000; ++i) {
    meter.Went();
    meter.Came();
  }
  EXPECT_EQ(meter.flow().running, 1000);
  EXPECT_GT(meter.flow().turnover, 0.98);
  for (int i = 0; i < 1000; ++i) meter.Came();
  EXPECT_LT(meter.flow().turnover, 0.02);
}

TEST(FlowTest, ItIsAtMostOneWhereMoreGoThanCome) {
  FlowMeter meter;
  for (int i = 0; i < 1000; ++i) meter.Came();
  for (int i = 0; i < 999; ++i) meter.Went();
  meter.Came();
  EXPECT_EQ(meter.flow().turnover, 1);
}

}  // namespace
}  // namespace xpool::scheduler
