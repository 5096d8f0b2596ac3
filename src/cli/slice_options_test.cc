#include "cli/slice_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpool::cli {
namespace {

using ::testing::HasSubstr;

TEST(SliceOptionsTest, ComputeAloneIsElastic) {
  const auto spec = ToSpec({.compute = "30%", .memory = "512Mi", .priority = "high", .xpu = "xpu1"});
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->guarantee_bp(), 3000u);
  EXPECT_EQ(spec->limit_bp(), 0u);  // The agent's 100 %.
  EXPECT_EQ(spec->memory_bytes(), uint64_t{512} << 20);
  EXPECT_EQ(spec->priority(), v1::PRIORITY_HIGH);
  EXPECT_EQ(spec->xpu_id(), "xpu1");
}

TEST(SliceOptionsTest, LimitAloneGuaranteesNothing) {
  const auto spec = ToSpec({.limit = "25"});
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->guarantee_bp(), 0u);
  EXPECT_EQ(spec->limit_bp(), 2500u);
}

TEST(SliceOptionsTest, ErrorsNameTheOption) {
  EXPECT_THAT(ToSpec({.compute = "130%"}).status().message(), HasSubstr("--compute"));
  EXPECT_THAT(ToSpec({.limit = "0"}).status().message(), HasSubstr("--limit"));
  EXPECT_THAT(ToSpec({.memory = "12 parsecs"}).status().message(), HasSubstr("--memory"));
  EXPECT_THAT(ToSpec({.priority = "urgent"}).status().message(), HasSubstr("high, normal or low"));
}

TEST(SliceOptionsTest, LimitBelowGuaranteeIsRefused) {
  const auto spec = ToSpec({.compute = "30%", .limit = "20%"});
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(SliceOptionsTest, ResizeSendsOnlyWhatWasGiven) {
  const auto request = ToResize("train", {.memory = "1Gi"});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->slice(), "train");
  EXPECT_EQ(request->guarantee_bp(), 0u);
  EXPECT_EQ(request->limit_bp(), 0u);
  EXPECT_EQ(request->memory_bytes(), uint64_t{1} << 30);
  EXPECT_EQ(request->priority(), v1::PRIORITY_UNSPECIFIED);
}

TEST(SliceOptionsTest, ResizeToNothingIsRefused) { EXPECT_FALSE(ToResize("train", {}).ok()); }

}  // namespace
}  // namespace xpool::cli
