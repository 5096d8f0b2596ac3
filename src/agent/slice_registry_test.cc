#include "agent/slice_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "base/bytes.h"

namespace xpool::agent {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

XpuInfo Card(const std::string& id, uint64_t memory_bytes) {
  XpuInfo xpu;
  xpu.id = id;
  xpu.memory_bytes = memory_bytes;
  return xpu;
}

class SliceRegistryTest : public testing::Test {
 protected:
  absl::StatusOr<SliceRecord> Create(const SliceRequest& request) {
    auto slice = registry_.PlanCreate(request);
    if (!slice.ok()) return slice;
    slice->number = ++number_;
    registry_.Put(*slice);
    return slice;
  }

  SliceNumber number_ = 0;
  SliceRegistry registry_{{Card("xpu0", 8 * kGiB), Card("xpu1", 4 * kGiB)}};
};

TEST_F(SliceRegistryTest, DefaultsAreBestEffortUpToTheWholeCardWithHalfTheFreeMemory) {
  auto slice = Create({});
  ASSERT_TRUE(slice.ok()) << slice.status();
  EXPECT_EQ(slice->name, "slice-1");
  EXPECT_EQ(slice->xpu_id, "xpu0");
  EXPECT_EQ(slice->guarantee, Share());
  EXPECT_EQ(slice->limit, Share::Full());
  EXPECT_EQ(slice->memory_bytes, 4 * kGiB);
}

TEST_F(SliceRegistryTest, GuaranteesOfOneXpuStayWithinIt) {
  ASSERT_TRUE(Create({.xpu_id = "xpu0", .guarantee_bp = 7000, .memory_bytes = kGiB}).ok());
  auto refused = Create({.xpu_id = "xpu0", .guarantee_bp = 3001, .memory_bytes = kGiB});
  EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("30.01% of xpu0 asked, 30% is free"));
  EXPECT_TRUE(Create({.xpu_id = "xpu0", .guarantee_bp = 3000, .memory_bytes = kGiB}).ok());
}

TEST_F(SliceRegistryTest, MemoryOfOneXpuStaysWithinItAndCannotOverflow) {
  ASSERT_TRUE(Create({.xpu_id = "xpu1", .memory_bytes = 3 * kGiB}).ok());
  for (const uint64_t bytes : {2 * kGiB, std::numeric_limits<uint64_t>::max()}) {
    auto refused = Create({.xpu_id = "xpu1", .memory_bytes = bytes});
    EXPECT_EQ(refused.status().code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("1Gi of 4Gi is free"));
  }
}

TEST_F(SliceRegistryTest, DefaultMemoryFollowsTheGuarantee) {
  const SliceRequest half{.xpu_id = "xpu1", .guarantee_bp = 5000};
  EXPECT_NEAR(static_cast<double>(Create(half)->memory_bytes), 2.0 * kGiB, 10'000);
  EXPECT_NEAR(static_cast<double>(Create(half)->memory_bytes), 2.0 * kGiB, 10'000);
}

TEST_F(SliceRegistryTest, DefaultMemoryIsAtMostWhatIsFreeAndAtLeastAMebibyte) {
  ASSERT_TRUE(Create({.xpu_id = "xpu1", .memory_bytes = 3 * kGiB}).ok());
  EXPECT_EQ(Create({.xpu_id = "xpu1", .guarantee_bp = 9000})->memory_bytes, kGiB);
  ASSERT_TRUE(Create({.xpu_id = "xpu0", .memory_bytes = 8 * kGiB - 3 * kMiB / 2}).ok());
  EXPECT_EQ(Create({.xpu_id = "xpu0"})->memory_bytes, kMiB);
  EXPECT_EQ(Create({.xpu_id = "xpu0"})->memory_bytes, kMiB / 2);
}

TEST_F(SliceRegistryTest, FullCardHasNothingLeftForADefault) {
  ASSERT_TRUE(Create({.xpu_id = "xpu1", .memory_bytes = 4 * kGiB}).ok());
  EXPECT_EQ(Create({.xpu_id = "xpu1"}).status().code(), StatusCode::kResourceExhausted);
}

TEST_F(SliceRegistryTest, NonsensicalSharesAreRefused) {
  EXPECT_EQ(Create({.guarantee_bp = 10'001}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Create({.limit_bp = 4'000'000'000}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Create({.guarantee_bp = 5000, .limit_bp = 4000}).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(SliceRegistryTest, NamesAreCheckedAndUnique) {
  for (const char* name : {"-x", "a b", "s12", "a/b", "\n", "ü"}) {
    EXPECT_EQ(Create({.name = name}).status().code(), StatusCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(Create({.name = std::string(64, 'a')}).status().code(), StatusCode::kInvalidArgument);
  ASSERT_TRUE(Create({.name = "train.1", .memory_bytes = 1}).ok());
  EXPECT_EQ(Create({.name = "train.1", .memory_bytes = 1}).status().code(), StatusCode::kAlreadyExists);
}

TEST_F(SliceRegistryTest, UnknownXpuAndSliceNameWhatThereIs) {
  EXPECT_THAT(std::string(Create({.xpu_id = "xpu9"}).status().message()), HasSubstr("xpu0"));
  ASSERT_TRUE(Create({.name = "train"}).ok());
  EXPECT_THAT(std::string(registry_.Find("trian").status().message()), HasSubstr("train"));
  EXPECT_TRUE(registry_.Find("train").ok());
  EXPECT_TRUE(registry_.Find("s1").ok());
}

TEST_F(SliceRegistryTest, SliceGoesWhereItFits) {
  ASSERT_TRUE(Create({.xpu_id = "xpu0", .guarantee_bp = 9000, .memory_bytes = kGiB}).ok());
  EXPECT_EQ(Create({.guarantee_bp = 2000, .memory_bytes = kGiB})->xpu_id, "xpu1");
  EXPECT_EQ(Create({.memory_bytes = 6 * kGiB})->xpu_id, "xpu0");
}

TEST_F(SliceRegistryTest, NoXpuSaysWhatToDo) {
  const SliceRegistry none{std::vector<XpuInfo>{}};
  EXPECT_EQ(none.PlanCreate({}).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(SliceRegistryTest, ResizeKeepsWhatIsNotNamedAndChecksTheRest) {
  auto slice = Create({.xpu_id = "xpu0", .guarantee_bp = 3000, .limit_bp = 5000, .memory_bytes = kGiB});
  ASSERT_TRUE(Create({.xpu_id = "xpu0", .guarantee_bp = 5000, .memory_bytes = kGiB}).ok());
  auto changed = registry_.PlanChange(*slice, {.guarantee_bp = 5000});
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(changed->limit, Share::FromPercent(50));
  EXPECT_EQ(changed->memory_bytes, kGiB);
  EXPECT_EQ(registry_.PlanChange(*slice, {.guarantee_bp = 5001, .limit_bp = 9000}).status().code(),
            StatusCode::kResourceExhausted);
  EXPECT_EQ(registry_.PlanChange(*slice, {.limit_bp = 2000}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(registry_.PlanChange(*slice, {.memory_bytes = 8 * kGiB}).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(registry_.PlanChange(*slice, {.memory_bytes = 7 * kGiB})->memory_bytes, 7 * kGiB);
}

}  // namespace
}  // namespace xpool::agent
