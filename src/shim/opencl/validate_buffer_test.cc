#include "shim/opencl/validate_buffer.h"

#include <gtest/gtest.h>

#include "shim/opencl/validate_svm.h"

namespace xpool::cl {
namespace {

int root_a, root_b;

BufferFacts Buffer(size_t size, const void* root = &root_a) { return {.size = size, .root = root}; }

TEST(CheckTransfer, RangesMustLieInsideTheBuffer) {
  char byte = 0;
  EXPECT_EQ(CheckTransfer(Buffer(64), HostAccess::kRead, 0, 64, &byte), CL_SUCCESS);
  EXPECT_EQ(CheckTransfer(Buffer(64), HostAccess::kRead, 1, 64, &byte), CL_INVALID_VALUE);
  EXPECT_EQ(CheckTransfer(Buffer(64), HostAccess::kRead, 8, SIZE_MAX - 4, &byte), CL_INVALID_VALUE);
  EXPECT_EQ(CheckTransfer(Buffer(64), HostAccess::kRead, 0, 0, &byte), CL_INVALID_VALUE);
  EXPECT_EQ(CheckTransfer(Buffer(64), HostAccess::kRead, 0, 8, nullptr), CL_INVALID_VALUE);
}

TEST(CheckTransfer, HostAccessFlagsRefuse) {
  char byte = 0;
  BufferFacts facts = Buffer(64);
  facts.flags = CL_MEM_HOST_WRITE_ONLY;
  EXPECT_EQ(CheckTransfer(facts, HostAccess::kRead, 0, 8, &byte), CL_INVALID_OPERATION);
  EXPECT_EQ(CheckTransfer(facts, HostAccess::kWrite, 0, 8, &byte), CL_SUCCESS);
  facts.flags = CL_MEM_HOST_NO_ACCESS;
  EXPECT_EQ(CheckTransfer(facts, HostAccess::kWrite, 0, 8, &byte), CL_INVALID_OPERATION);
}

TEST(CheckTransfer, MisalignedSubBuffersAreRefused) {
  char byte = 0;
  BufferFacts facts = Buffer(64);
  facts.misaligned = true;
  EXPECT_EQ(CheckTransfer(facts, HostAccess::kRead, 0, 8, &byte), CL_MISALIGNED_SUB_BUFFER_OFFSET);
}

TEST(CheckFill, PatternsArePowersOfTwoThatDivideTheRange) {
  const char pattern[128] = {};
  EXPECT_EQ(CheckFill(Buffer(256), pattern, 16, 32, 64), CL_SUCCESS);
  EXPECT_EQ(CheckFill(Buffer(256), pattern, 128, 0, 256), CL_SUCCESS);
  EXPECT_EQ(CheckFill(Buffer(256), pattern, 3, 0, 3), CL_INVALID_VALUE);
  EXPECT_EQ(CheckFill(Buffer(512), pattern, 256, 0, 256), CL_INVALID_VALUE);
  EXPECT_EQ(CheckFill(Buffer(256), pattern, 16, 8, 16), CL_INVALID_VALUE);
  EXPECT_EQ(CheckFill(Buffer(256), pattern, 16, 0, 24), CL_INVALID_VALUE);
  EXPECT_EQ(CheckFill(Buffer(256), nullptr, 16, 0, 16), CL_INVALID_VALUE);
}

TEST(CheckCopy, OverlapCountsOnlyInOneBuffer) {
  EXPECT_EQ(CheckCopy(Buffer(64), Buffer(64), 0, 32, 32), CL_SUCCESS);
  EXPECT_EQ(CheckCopy(Buffer(64), Buffer(64), 0, 31, 32), CL_MEM_COPY_OVERLAP);
  EXPECT_EQ(CheckCopy(Buffer(64), Buffer(64, &root_b), 0, 0, 32), CL_SUCCESS);
  EXPECT_EQ(CheckCopy(Buffer(64), Buffer(64, &root_b), 40, 0, 32), CL_INVALID_VALUE);
}

TEST(CheckCopy, SubBuffersOfOneParentOverlapThere) {
  BufferFacts first = Buffer(64), second = Buffer(64);
  second.root_offset = 32;
  EXPECT_EQ(CheckCopy(first, second, 0, 0, 64), CL_MEM_COPY_OVERLAP);
  EXPECT_EQ(CheckCopy(first, second, 0, 0, 32), CL_SUCCESS);
}

TEST(CheckRectTransfer, PitchesMustHoldTheRegion) {
  char byte = 0;
  const size_t zero[3] = {0, 0, 0}, region[3] = {16, 4, 2};
  const auto check = [&](size_t row, size_t slice, size_t size) {
    return CheckRectTransfer(Buffer(size), HostAccess::kRead, {zero, row, slice}, {zero, 0, 0}, region, &byte);
  };
  EXPECT_EQ(check(0, 0, 128), CL_SUCCESS);
  EXPECT_EQ(check(0, 0, 127), CL_INVALID_VALUE);
  EXPECT_EQ(check(15, 0, 1024), CL_INVALID_VALUE);
  EXPECT_EQ(check(32, 127, 1024), CL_INVALID_VALUE);
  EXPECT_EQ(check(32, 130, 1024), CL_INVALID_VALUE);  // no multiple of the row pitch
  EXPECT_EQ(check(32, 128, 128 + 3 * 32 + 16), CL_SUCCESS);
}

TEST(CheckRectTransfer, HugeRectanglesDoNotWrap) {
  char byte = 0;
  const size_t zero[3] = {0, 0, 0}, huge[3] = {SIZE_MAX / 2, 4, 4}, region[3] = {8, 1, 1};
  const size_t far_away[3] = {SIZE_MAX - 4, 0, 0};
  EXPECT_EQ(CheckRectTransfer(Buffer(64), HostAccess::kRead, {zero, 0, 0}, {zero, 0, 0}, huge, &byte),
            CL_INVALID_VALUE);
  EXPECT_EQ(CheckRectTransfer(Buffer(64), HostAccess::kRead, {far_away, 0, 0}, {zero, 0, 0}, region, &byte),
            CL_INVALID_VALUE);
}

TEST(CheckRectCopy, InterleavedColumnsDoNotOverlap) {
  const size_t left[3] = {0, 0, 0}, right[3] = {16, 0, 0}, middle[3] = {8, 0, 0}, region[3] = {16, 4, 1};
  EXPECT_EQ(CheckRectCopy(Buffer(128), Buffer(128), {left, 32, 0}, {right, 32, 0}, region), CL_SUCCESS);
  EXPECT_EQ(CheckRectCopy(Buffer(128), Buffer(128), {left, 32, 0}, {middle, 32, 0}, region), CL_MEM_COPY_OVERLAP);
  EXPECT_EQ(CheckRectCopy(Buffer(128), Buffer(128, &root_b), {left, 32, 0}, {middle, 32, 0}, region), CL_SUCCESS);
}

TEST(CheckMapFlags, InvalidateStandsAlone) {
  EXPECT_EQ(CheckMapFlags(CL_MAP_READ | CL_MAP_WRITE, 0), CL_SUCCESS);
  EXPECT_EQ(CheckMapFlags(CL_MAP_WRITE_INVALIDATE_REGION | CL_MAP_WRITE, 0), CL_INVALID_VALUE);
  EXPECT_EQ(CheckMapFlags(1u << 10, 0), CL_INVALID_VALUE);
  EXPECT_EQ(CheckMapFlags(CL_MAP_READ, CL_MEM_HOST_WRITE_ONLY), CL_INVALID_OPERATION);
  EXPECT_EQ(CheckMapFlags(CL_MAP_WRITE_INVALIDATE_REGION, CL_MEM_HOST_READ_ONLY), CL_INVALID_OPERATION);
}

TEST(CheckSvm, CopiesMustNotOverlapAndFillsMustAlign) {
  alignas(64) char memory[128] = {};
  EXPECT_EQ(CheckSvmCopy(memory, memory + 64, 64), CL_SUCCESS);
  EXPECT_EQ(CheckSvmCopy(memory, memory + 63, 64), CL_MEM_COPY_OVERLAP);
  EXPECT_EQ(CheckSvmCopy(nullptr, memory, 1), CL_INVALID_VALUE);
  EXPECT_EQ(CheckSvmFill(memory, memory + 64, 8, 64), CL_SUCCESS);
  EXPECT_EQ(CheckSvmFill(memory + 4, memory + 64, 8, 64), CL_INVALID_VALUE);
  EXPECT_EQ(CheckSvmFill(memory, memory + 64, 8, 60), CL_INVALID_VALUE);
  void* list[] = {memory, nullptr};
  EXPECT_EQ(CheckSvmFree(1, list), CL_SUCCESS);
  EXPECT_EQ(CheckSvmFree(2, list), CL_INVALID_VALUE);
  EXPECT_EQ(CheckSvmFree(0, list), CL_INVALID_VALUE);
}

}  // namespace
}  // namespace xpool::cl
