#include "backend/remote/svm_space.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace xpool::remote {
namespace {

class SvmSpaceTest : public testing::Test {
 protected:
  // The address of |count| pages that are free, and so are their neighbours.
  static uint64_t FreePages(size_t count) {
    void* const found =
        mmap(nullptr, (count + 2) * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT_NE(found, MAP_FAILED);
    munmap(found, (count + 2) * kPage);
    return reinterpret_cast<uint64_t>(found) + kPage;
  }
  static bool IsMapped(uint64_t address) {
    unsigned char resident = 0;
    return mincore(reinterpret_cast<void*>(address), kPage, &resident) == 0 || errno != ENOMEM;
  }
  static void* At(uint64_t address) { return reinterpret_cast<void*>(address); }

  static inline const uint64_t kPage = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  SvmSpace space_;
  const int owner_ = 0, other_ = 0;
};

TEST_F(SvmSpaceTest, WhatIsAddedCanBeWrittenAtItsAddress) {
  const uint64_t at = FreePages(2);
  ASSERT_TRUE(space_.Add(&owner_, at + 16, kPage).ok());
  std::memset(At(at + 16), 7, kPage);
  EXPECT_EQ(7, *static_cast<char*>(At(at + kPage + 15)));
}

TEST_F(SvmSpaceTest, WhatIsThereAlreadyStaysAndIsRefused) {
  const uint64_t at = FreePages(4);
  char* const own = static_cast<char*>(mmap(At(at + 2 * kPage), kPage, PROT_READ | PROT_WRITE,
                                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
  ASSERT_EQ(own, At(at + 2 * kPage));
  *own = 3;
  EXPECT_EQ(absl::StatusCode::kAlreadyExists, space_.Add(&owner_, at, 4 * kPage).code());
  EXPECT_EQ(3, *own);
  EXPECT_FALSE(IsMapped(at));
  EXPECT_FALSE(IsMapped(at + 3 * kPage));
  munmap(own, kPage);
  EXPECT_TRUE(space_.Add(&owner_, at, 4 * kPage).ok());
}

TEST_F(SvmSpaceTest, PagesGoWithTheLastAllocationOnThem) {
  const uint64_t at = FreePages(3);
  ASSERT_TRUE(space_.Add(&owner_, at, 64).ok());
  ASSERT_TRUE(space_.Add(&owner_, at + 64, 2 * kPage).ok());  // to within the third page
  ASSERT_TRUE(space_.Add(&owner_, at + 64 + 2 * kPage, 64).ok());
  EXPECT_TRUE(space_.Remove(&owner_, At(at + 64)));
  EXPECT_TRUE(IsMapped(at));
  EXPECT_FALSE(IsMapped(at + kPage));
  EXPECT_TRUE(IsMapped(at + 2 * kPage));
  EXPECT_TRUE(space_.Remove(&owner_, At(at)));
  EXPECT_FALSE(IsMapped(at));
  EXPECT_TRUE(space_.Remove(&owner_, At(at + 64 + 2 * kPage)));
  EXPECT_FALSE(IsMapped(at + 2 * kPage));
}

TEST_F(SvmSpaceTest, AllocationsThatOverlapAreRefusedAndTakeNothingAway) {
  const uint64_t at = FreePages(3);
  ASSERT_TRUE(space_.Add(&owner_, at, 2 * kPage).ok());
  std::memset(At(at), 5, 2 * kPage);
  EXPECT_EQ(absl::StatusCode::kAlreadyExists, space_.Add(&other_, at + kPage, 2 * kPage).code());
  EXPECT_EQ(5, *static_cast<char*>(At(at + kPage)));
  EXPECT_FALSE(IsMapped(at + 2 * kPage));
}

TEST_F(SvmSpaceTest, FindsWhatLiesInsideForItsOwnerOnly) {
  const uint64_t at = FreePages(1);
  ASSERT_TRUE(space_.Add(&owner_, at + 128, 256).ok());
  EXPECT_NE(nullptr, space_.Find(&owner_, At(at + 128), 256));
  EXPECT_NE(nullptr, space_.Find(&owner_, At(at + 383), 1));
  EXPECT_EQ(nullptr, space_.Find(&owner_, At(at + 383), 2));
  EXPECT_EQ(nullptr, space_.Find(&owner_, At(at + 384), 1));
  EXPECT_EQ(nullptr, space_.Find(&owner_, At(at + 127), 1));
  EXPECT_EQ(nullptr, space_.Find(&owner_, At(at + 128), UINT64_MAX));
  EXPECT_EQ(nullptr, space_.Find(&other_, At(at + 128), 1));
}

TEST_F(SvmSpaceTest, OnlyTheOwnerRemovesAndOnlyByTheBeginning) {
  const uint64_t at = FreePages(1);
  ASSERT_TRUE(space_.Add(&owner_, at, 256).ok());
  EXPECT_FALSE(space_.Remove(&other_, At(at)));
  EXPECT_FALSE(space_.Remove(&owner_, At(at + 1)));
  EXPECT_TRUE(space_.Remove(&owner_, At(at)));
  EXPECT_FALSE(space_.Remove(&owner_, At(at)));
}

TEST_F(SvmSpaceTest, RemoveAllTakesOneOwnersAlone) {
  const uint64_t at = FreePages(2);
  ASSERT_TRUE(space_.Add(&owner_, at, 64).ok());
  ASSERT_TRUE(space_.Add(&other_, at + kPage, 64).ok());
  space_.RemoveAll(&owner_);
  EXPECT_FALSE(IsMapped(at));
  EXPECT_NE(nullptr, space_.Find(&other_, At(at + kPage), 64));
}

TEST_F(SvmSpaceTest, WhoeverHoldsAnAllocationKeepsItsPages) {
  const uint64_t at = FreePages(1);
  ASSERT_TRUE(space_.Add(&owner_, at, 64).ok());
  SvmSpace::Held held = space_.Find(&owner_, At(at), 1);
  ASSERT_TRUE(space_.Remove(&owner_, At(at)));
  EXPECT_TRUE(IsMapped(at));
  // The worker gives the same address again meanwhile.
  ASSERT_TRUE(space_.Add(&owner_, at, 64).ok());
  held.reset();
  EXPECT_TRUE(IsMapped(at));
  ASSERT_TRUE(space_.Remove(&owner_, At(at)));
  EXPECT_FALSE(IsMapped(at));
}

TEST_F(SvmSpaceTest, AddressesThatNoMemoryHasAreRefused) {
  for (const uint64_t at : {uint64_t{0}, UINT64_MAX, UINT64_MAX - kPage})
    EXPECT_FALSE(space_.Add(&owner_, at, 64).ok()) << at;
  EXPECT_FALSE(space_.Add(&owner_, FreePages(1), 0).ok());
  EXPECT_FALSE(space_.Add(&owner_, FreePages(1), UINT64_MAX).ok());
}

TEST_F(SvmSpaceTest, TheLastMappingAtAPointerEndsFirst) {
  const uint64_t at = FreePages(1);
  ASSERT_TRUE(space_.Add(&owner_, at, 256).ok());
  const SvmSpace::Held held = space_.Find(&owner_, At(at), 1);
  held->AddMapping({At(at), 64, false, {}});
  held->AddMapping({At(at), 128, true, {}});
  EXPECT_EQ(128u, held->TakeMapping(At(at))->bytes);
  EXPECT_EQ(64u, held->TakeMapping(At(at))->bytes);
  EXPECT_FALSE(held->TakeMapping(At(at)).has_value());
}

}  // namespace
}  // namespace xpool::remote
