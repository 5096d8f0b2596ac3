#include "shim/opencl/extensions.h"

#include <gtest/gtest.h>

namespace xpool::cl {
namespace {

TEST(ExtensionsTest, OffersLanguageExtensionsAndNotUnhandledFunctions) {
  EXPECT_EQ(FilterExtensions("cl_khr_icd cl_khr_command_buffer  cl_khr_fp64 cl_khr_gl_sharing cl_khr_subgroup_rotate"),
            "cl_khr_icd cl_khr_fp64 cl_khr_subgroup_rotate");
  EXPECT_EQ(FilterExtensions(""), "");
  EXPECT_FALSE(OffersExtension("cl_intel_unified_shared_memory"));
}

TEST(ExtensionsTest, FiltersVersionedListTheSameWay) {
  const auto offered = FilterExtensions(std::vector<cl_name_version>{{1, "cl_khr_fp16"}, {2, "cl_khr_gl_sharing"}});
  ASSERT_EQ(offered.size(), 1u);
  EXPECT_STREQ(offered[0].name, "cl_khr_fp16");
}

}  // namespace
}  // namespace xpool::cl
