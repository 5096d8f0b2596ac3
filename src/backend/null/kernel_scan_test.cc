#include "backend/null/kernel_scan.h"

#include <gtest/gtest.h>

namespace xpool::null_cl {
namespace {

TEST(KernelScanTest, FindsKernelsInOrderAndSkipsCommentsAndMacros) {
  const auto kernels = ScanKernels(
      "// __kernel void a() {}\n/* __kernel void b() {} */\n#define X __kernel void \\\n c() {}\n"
      "void helper(int x) {}\n__kernel void d() {}\nvoid kernel e(int x) {}\n");
  ASSERT_EQ(kernels.size(), 2u);
  EXPECT_EQ(kernels[0].name, "d");
  EXPECT_TRUE(kernels[0].args.empty());
  EXPECT_EQ(kernels[1].name, "e");
}

TEST(KernelScanTest, TellsPointersFromValuesAndTheirSizes) {
  const auto kernels = ScanKernels(
      "__kernel void k(__global const float* restrict x, __constant int *c, __local double *l, uchar u, float4 v, "
      "float3 w, unsigned long n, unsigned m, struct S s, size_t z)");
  ASSERT_EQ(kernels.size(), 1u);
  const auto& args = kernels[0].args;
  ASSERT_EQ(args.size(), 10u);
  EXPECT_EQ(args[0].takes, KernelArg::Takes::kMem);
  EXPECT_EQ(args[0].type, "float*");
  EXPECT_EQ(args[0].name, "x");
  EXPECT_EQ(args[0].address, cl_kernel_arg_address_qualifier{CL_KERNEL_ARG_ADDRESS_GLOBAL});
  EXPECT_EQ(args[0].qualifier, cl_kernel_arg_type_qualifier{CL_KERNEL_ARG_TYPE_CONST | CL_KERNEL_ARG_TYPE_RESTRICT});
  EXPECT_EQ(args[1].address, cl_kernel_arg_address_qualifier{CL_KERNEL_ARG_ADDRESS_CONSTANT});
  EXPECT_EQ(args[2].takes, KernelArg::Takes::kLocal);
  const size_t sizes[] = {1, 16, 16, 8, 4, 0, 8};
  for (size_t i = 0; i < 7; ++i) EXPECT_EQ(args[i + 3].size, sizes[i]) << args[i + 3].name;
  EXPECT_EQ(args[6].type, "ulong");
  EXPECT_EQ(args[7].type, "uint");
}

TEST(KernelScanTest, KnowsImagesAndSamplers) {
  const auto kernels = ScanKernels("kernel void k(write_only image2d_t out, image3d_t in, const sampler_t s)");
  ASSERT_EQ(kernels.at(0).args.size(), 3u);
  EXPECT_EQ(kernels[0].args[0].takes, KernelArg::Takes::kMem);
  EXPECT_EQ(kernels[0].args[0].access, cl_kernel_arg_access_qualifier{CL_KERNEL_ARG_ACCESS_WRITE_ONLY});
  EXPECT_EQ(kernels[0].args[1].access, cl_kernel_arg_access_qualifier{CL_KERNEL_ARG_ACCESS_READ_ONLY});
  EXPECT_EQ(kernels[0].args[2].takes, KernelArg::Takes::kSampler);
}

TEST(KernelScanTest, SurvivesBrokenSource) {
  for (const char* source : {"", "__kernel", "__kernel void", "__kernel void k(", "__kernel void k(int", "/*", "#",
                             "\"", "__kernel __attribute__((", "__kernel void k(,,)", "kernel void (int a)"}) {
    for (const auto& kernel : ScanKernels(source)) EXPECT_EQ(kernel.name, "k") << source;
  }
}

TEST(KernelScanTest, PrototypeAndDefinitionAreOneKernel) {
  EXPECT_EQ(ScanKernels("kernel void k(int a);\nkernel void k(int a) {}").size(), 1u);
}

}  // namespace
}  // namespace xpool::null_cl
