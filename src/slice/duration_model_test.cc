#include "slice/duration_model.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace xpool {
namespace {

TEST(DurationModelTest, UnmeasuredKeyIsUnknown) {
  DurationModel model;
  EXPECT_FALSE(model.Known(0));
  EXPECT_EQ(model.EstimateNs(42), std::nullopt);
}

TEST(DurationModelTest, FirstMeasurementIsTakenAsItIs) {
  DurationModel model;
  model.Record(0, 1000);
  EXPECT_EQ(model.EstimateNs(0), 1000);
  EXPECT_FALSE(model.Known(1));
}

TEST(DurationModelTest, LaterMeasurementsAreSmoothed) {
  DurationModel model;
  model.Record(1, 1000);
  model.Record(1, 1400);
  EXPECT_EQ(model.EstimateNs(1), 1100);
  model.Record(1, 700);
  EXPECT_EQ(model.EstimateNs(1), 1000);
}

TEST(DurationModelTest, JumpUpwardsIsLearnedFaster) {
  DurationModel model;
  model.Record(1, 1000);
  model.Record(1, 9000);
  EXPECT_EQ(model.EstimateNs(1), 5000);
}

TEST(DurationModelTest, NonsenseDurationsAreClamped) {
  DurationModel model;
  model.Record(1, -5);
  EXPECT_EQ(model.EstimateNs(1), 1);
  model.Record(2, INT64_MAX);
  EXPECT_EQ(model.EstimateNs(2), DurationModel::kMaxDurationNs);
}

TEST(DurationModelTest, MoreKeysThanItHoldsForgetOldOnesAndKeepTheOneInUse) {
  DurationModel model;
  model.Record(1, 777);
  size_t known = 0;
  for (uint64_t key = 1000; key < 1000 + 4 * DurationModel::kCapacity; ++key) {
    model.Record(key, 5);
    ASSERT_EQ(model.EstimateNs(1), 777) << "after key " << key;
  }
  for (uint64_t key = 1000; key < 1000 + 4 * DurationModel::kCapacity; ++key) known += model.Known(key);
  EXPECT_LE(known, DurationModel::kCapacity);
  EXPECT_GT(known, DurationModel::kCapacity / 2);
}

// Each key's only duration is the key itself, so a reader that gets another key's value sees it.
TEST(DurationModelTest, ReadersNeverSeeAnotherKeysDuration) {
  DurationModel model;
  constexpr uint64_t kKeys = 3 * DurationModel::kCapacity;
  std::atomic<bool> stop{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 2; ++t) {
    readers.emplace_back([&] {
      for (uint64_t i = 1; !stop; i = i % kKeys + 1) {
        const std::optional<int64_t> ns = model.EstimateNs(i);
        if (ns && *ns != static_cast<int64_t>(i)) ++wrong;
      }
    });
  }
  for (int round = 0; round < 5; ++round)
    for (uint64_t key = 1; key <= kKeys; ++key) model.Record(key, static_cast<int64_t>(key));
  stop = true;
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace xpool
