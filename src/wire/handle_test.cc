#include "wire/handle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

namespace xpool::wire {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr HandleType kQueue = 4;
constexpr HandleType kMem = 5;

WireHandle Mint(HandleMinter* minter) {
  const absl::StatusOr<WireHandle> handle = minter->Mint();
  EXPECT_TRUE(handle.ok()) << handle.status();
  return handle.value_or(WireHandle{});
}

TEST(WireHandleTest, PartsComeBack) {
  const WireHandle handle = WireHandle::Make(255, kMaxGeneration, UINT32_MAX);
  EXPECT_EQ(handle.type(), 255);
  EXPECT_EQ(handle.generation(), kMaxGeneration);
  EXPECT_EQ(handle.index(), UINT32_MAX);
  EXPECT_EQ(WireHandle::Make(1, 2, 3).bits, 0x0100000200000003u);
}

TEST(WireHandleTest, OnlyNullHasNoTypeOrGeneration) {
  EXPECT_TRUE(WireHandle{}.is_well_formed());
  EXPECT_TRUE(WireHandle::Make(1, 1, 0).is_well_formed());
  EXPECT_FALSE(WireHandle::Make(0, 1, 0).is_well_formed());
  EXPECT_FALSE(WireHandle::Make(1, 0, 0).is_well_formed());
  EXPECT_FALSE(WireHandle{5}.is_well_formed());
}

TEST(HandleMinterTest, NoHandleIsGivenTwice) {
  HandleMinter minter(kQueue, 8);
  std::set<uint64_t> seen;
  std::vector<WireHandle> held;
  for (int round = 0; round < 1000; ++round) {
    const WireHandle handle = Mint(&minter);
    EXPECT_TRUE(seen.insert(handle.bits).second);
    EXPECT_TRUE(handle.is_well_formed() && !handle.is_null());
    EXPECT_EQ(handle.type(), kQueue);
    held.push_back(handle);
    if (held.size() < 8) continue;
    minter.Recycle(held[round % 8]);
    held.erase(held.begin() + round % 8);
  }
}

TEST(HandleMinterTest, WithAllIndicesInUseMintingFailsUntilOneIsFree) {
  HandleMinter minter(kQueue, 2);
  const WireHandle first = Mint(&minter);
  Mint(&minter);
  EXPECT_TRUE(absl::IsResourceExhausted(minter.Mint().status()));
  EXPECT_EQ(minter.live(), 2u);
  minter.Recycle(first);
  const WireHandle again = Mint(&minter);
  EXPECT_EQ(again.index(), first.index());
  EXPECT_EQ(again.generation(), first.generation() + 1);
}

TEST(HandleMinterTest, IndexWhoseGenerationsAreUsedUpIsRetired) {
  HandleMinter minter(kQueue, 1);
  Mint(&minter);
  minter.Recycle(WireHandle::Make(kQueue, kMaxGeneration, 0));
  EXPECT_TRUE(absl::IsResourceExhausted(minter.Mint().status()));
}

class HandleTableTest : public testing::Test {
 protected:
  const WireHandle first_ = WireHandle::Make(kMem, 1, 0);
  HandleTable<std::string> table_{kMem, 16};
};

TEST_F(HandleTableTest, FindsWhatWasInsertedUntilItIsErased) {
  ASSERT_TRUE(table_.Insert(first_, "buffer").ok());
  ASSERT_TRUE(table_.Find(first_).ok());
  EXPECT_EQ(**table_.Find(first_), "buffer");
  EXPECT_EQ(table_.live(), 1u);
  EXPECT_EQ(table_.Erase(first_).value(), "buffer");
  EXPECT_EQ(table_.live(), 0u);
  EXPECT_TRUE(absl::IsFailedPrecondition(table_.Find(first_).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(table_.Erase(first_).status()));
}

TEST_F(HandleTableTest, EachForgeryIsItsOwnError) {
  ASSERT_TRUE(table_.Insert(WireHandle::Make(kMem, 3, 2), "buffer").ok());
  EXPECT_TRUE(absl::IsInvalidArgument(table_.Find(WireHandle::Make(kQueue, 3, 2)).status()));   // wrong type
  EXPECT_TRUE(absl::IsInvalidArgument(table_.Find(WireHandle{}).status()));                     // NULL
  EXPECT_TRUE(absl::IsInvalidArgument(table_.Find(WireHandle::Make(kMem, 0, 2)).status()));     // malformed
  EXPECT_TRUE(absl::IsNotFound(table_.Find(WireHandle::Make(kMem, 3, 3)).status()));            // past the end
  EXPECT_TRUE(absl::IsNotFound(table_.Find(WireHandle::Make(kMem, 3, UINT32_MAX)).status()));   // far past the end
  EXPECT_TRUE(absl::IsNotFound(table_.Find(WireHandle::Make(kMem, 1, 1)).status()));            // a hole
  EXPECT_TRUE(absl::IsNotFound(table_.Find(WireHandle::Make(kMem, 4, 2)).status()));            // not yet created
  EXPECT_TRUE(absl::IsFailedPrecondition(table_.Find(WireHandle::Make(kMem, 2, 2)).status()));  // old generation
  const absl::Status status = table_.Find(WireHandle::Make(kQueue, 3, 2)).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("type 4, generation 3, index 2) where one of type 5"));
}

TEST_F(HandleTableTest, CreationsAreCheckedToo) {
  ASSERT_TRUE(table_.Insert(WireHandle::Make(kMem, 2, 0), "one").ok());
  EXPECT_TRUE(absl::IsAlreadyExists(table_.Insert(WireHandle::Make(kMem, 2, 0), "two")));
  EXPECT_TRUE(absl::IsAlreadyExists(table_.Insert(WireHandle::Make(kMem, 3, 0), "two")));
  EXPECT_TRUE(absl::IsInvalidArgument(table_.Insert(WireHandle::Make(kQueue, 1, 1), "two")));
  EXPECT_TRUE(absl::IsInvalidArgument(table_.Insert(WireHandle{}, "two")));
  EXPECT_TRUE(absl::IsResourceExhausted(table_.Insert(WireHandle::Make(kMem, 1, 16), "two")));
  EXPECT_EQ(**table_.Find(WireHandle::Make(kMem, 2, 0)), "one");
  EXPECT_EQ(table_.live(), 1u);
}

TEST_F(HandleTableTest, IndexIsReusedOnlyWithANewerGeneration) {
  ASSERT_TRUE(table_.Insert(WireHandle::Make(kMem, 2, 0), "one").ok());
  ASSERT_TRUE(table_.Erase(WireHandle::Make(kMem, 2, 0)).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(table_.Insert(WireHandle::Make(kMem, 2, 0), "again")));
  EXPECT_TRUE(absl::IsFailedPrecondition(table_.Insert(WireHandle::Make(kMem, 1, 0), "again")));
  ASSERT_TRUE(table_.Insert(WireHandle::Make(kMem, 3, 0), "two").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(table_.Find(WireHandle::Make(kMem, 2, 0)).status()));
  EXPECT_EQ(**table_.Find(WireHandle::Make(kMem, 3, 0)), "two");
}

TEST_F(HandleTableTest, WhatAMinterGivesATableTakes) {
  HandleMinter minter(kMem, 16);
  std::vector<WireHandle> held;
  for (int round = 0; round < 200; ++round) {
    held.push_back(Mint(&minter));
    ASSERT_TRUE(table_.Insert(held.back(), std::to_string(held.back().bits)).ok());
    if (held.size() < 10) continue;
    const WireHandle released = held[round % 10];
    ASSERT_EQ(table_.Erase(released).value(), std::to_string(released.bits));
    minter.Recycle(released);
    held.erase(held.begin() + round % 10);
  }
  for (const WireHandle handle : held) EXPECT_EQ(**table_.Find(handle), std::to_string(handle.bits));
  EXPECT_EQ(table_.live(), minter.live());
}

TEST_F(HandleTableTest, ClearReleasesEachObjectOnce) {
  ASSERT_TRUE(table_.Insert(WireHandle::Make(kMem, 1, 0), "one").ok());
  ASSERT_TRUE(table_.Insert(WireHandle::Make(kMem, 1, 1), "two").ok());
  ASSERT_TRUE(table_.Erase(WireHandle::Make(kMem, 1, 0)).ok());
  std::vector<std::string> released;
  table_.Clear([&](std::string object) { released.push_back(std::move(object)); });
  table_.Clear([&](std::string object) { released.push_back(std::move(object)); });
  EXPECT_THAT(released, ElementsAre("two"));
  EXPECT_TRUE(absl::IsFailedPrecondition(table_.Find(WireHandle::Make(kMem, 1, 1)).status()));
}

TEST(HandleTableOfOwnersTest, HoldsObjectsThatCanOnlyMove) {
  HandleTable<std::unique_ptr<int>> table(kMem);
  ASSERT_TRUE(table.Insert(WireHandle::Make(kMem, 1, 0), std::make_unique<int>(7)).ok());
  ASSERT_TRUE(table.Insert(WireHandle::Make(kMem, 1, 500), std::make_unique<int>(8)).ok());
  EXPECT_EQ(***table.Find(WireHandle::Make(kMem, 1, 0)), 7);
}

}  // namespace
}  // namespace xpool::wire
