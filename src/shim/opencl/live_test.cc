#include "shim/opencl/live.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace xpool::cl {
namespace {

struct Thing : LiveObject {
  static constexpr ::xpool::cl::Kind kKind = ::xpool::cl::Kind::kSampler;
  using Handle = cl_sampler;
  static constexpr cl_int kInvalid = CL_INVALID_SAMPLER;

  Thing() : LiveObject(kKind, nullptr, &DestroyLive<Thing>) { ++alive; }
  ~Thing() { --alive; }
  static inline std::atomic<int> alive{0};
};

TEST(LiveObjectTest, IsFoundWhileItLivesAndOnlyAsItsKind) {
  auto* thing = new Thing;
  EXPECT_EQ(FindLive(thing, Kind::kSampler).get(), thing);
  EXPECT_EQ(FindLiveOfAnyKind(thing).get(), thing);
  EXPECT_FALSE(FindLive(thing, Kind::kMem));
  EXPECT_FALSE(FindLive(thing, Kind::kSampler, thing->id + 1));
  EXPECT_EQ(ReleaseHandle<Thing>(ToHandle(thing)), CL_SUCCESS);
  EXPECT_FALSE(FindLiveOfAnyKind(thing));
  EXPECT_FALSE(FindLiveOfAnyKind(nullptr));
}

TEST(LiveObjectTest, FoundReferenceKeepsItAliveAfterRelease) {
  auto* thing = new Thing;
  {
    const Ref<LiveObject> held = FindLiveOfAnyKind(thing);
    ReleaseHandle<Thing>(ToHandle(thing));
    EXPECT_EQ(Thing::alive, 1);
    EXPECT_EQ(ReleaseHandle<Thing>(ToHandle(thing)), CL_INVALID_SAMPLER);
  }
  EXPECT_EQ(Thing::alive, 0);
}

TEST(LiveObjectTest, IdsAreNotUsedTwice) {
  auto* first = new Thing;
  const uint64_t id = first->id;
  ReleaseHandle<Thing>(ToHandle(first));
  auto* second = new Thing;
  EXPECT_NE(second->id, id);
  EXPECT_FALSE(FindLive(second, Kind::kSampler, id));
  ReleaseHandle<Thing>(ToHandle(second));
}

// A handle that only another object still holds comes back to life when it is retained, and dies once.
TEST(ObjectTest, RetainAfterLastReleaseCountsAgain) {
  auto* thing = new Thing;
  Ref<Thing> holder(thing);
  EXPECT_EQ(ReleaseHandle<Thing>(ToHandle(thing)), CL_SUCCESS);
  EXPECT_EQ(RetainHandle<Thing>(ToHandle(thing)), CL_SUCCESS);
  holder = Ref<Thing>();
  EXPECT_EQ(Thing::alive, 1);
  EXPECT_EQ(ReleaseHandle<Thing>(ToHandle(thing)), CL_SUCCESS);
  EXPECT_EQ(Thing::alive, 0);
}

TEST(LiveObjectTest, LookupRacingReleaseNeverRevivesTheDead) {
  for (int round = 0; round < 200; ++round) {
    auto* thing = new Thing;
    std::thread finder([thing] {
      while (FindLiveOfAnyKind(thing)) {
      }
    });
    ReleaseHandle<Thing>(ToHandle(thing));
    finder.join();
    EXPECT_EQ(Thing::alive, 0);
  }
}

}  // namespace
}  // namespace xpool::cl
