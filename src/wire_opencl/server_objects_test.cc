#include "wire_opencl/server_objects.h"

#include <gtest/gtest.h>

#include <vector>

namespace xpool::wire_cl {
namespace {

using wire::WireHandle;

WireHandle HandleOf(ValueKind kind, uint32_t index, uint32_t generation = 1) {
  return WireHandle::Make(TypeOf(kind), generation, index);
}

TEST(ServerObjectsTest, ObjectsAreFoundByTheirOwnKindOnly) {
  ServerObjects objects;
  int queue = 0;
  ASSERT_TRUE(objects.Add(ValueKind::kQueue, HandleOf(ValueKind::kQueue, 3), &queue).ok());
  EXPECT_EQ(*objects.Find(ValueKind::kQueue, HandleOf(ValueKind::kQueue, 3)), &queue);
  EXPECT_FALSE(objects.Find(ValueKind::kMem, HandleOf(ValueKind::kQueue, 3)).ok());
  EXPECT_FALSE(objects.Find(ValueKind::kQueue, HandleOf(ValueKind::kQueue, 3, 2)).ok());
  EXPECT_FALSE(objects.Find(ValueKind::kQueue, HandleOf(ValueKind::kQueue, 4)).ok());
}

TEST(ServerObjectsTest, QueriesNameObjectsUntilTheyAreRemoved) {
  ServerObjects objects;
  int context = 0;
  const WireHandle handle = HandleOf(ValueKind::kContext, 1);
  ASSERT_TRUE(objects.Add(ValueKind::kContext, handle, &context).ok());
  EXPECT_EQ(objects.NameOf(&context), handle);
  EXPECT_EQ(*objects.Remove(ValueKind::kContext, handle), &context);
  EXPECT_TRUE(objects.NameOf(&context).is_null());
  EXPECT_FALSE(objects.Find(ValueKind::kContext, handle).ok());
}

TEST(ServerObjectsTest, StillbornObjectsAreThereWithoutAnObject) {
  ServerObjects objects;
  const WireHandle handle = HandleOf(ValueKind::kMem, 0);
  ASSERT_TRUE(objects.Add(ValueKind::kMem, handle, nullptr).ok());
  EXPECT_EQ(*objects.Find(ValueKind::kMem, handle), nullptr);
  EXPECT_TRUE(objects.NameOf(nullptr).is_null());
  EXPECT_EQ(*objects.Remove(ValueKind::kMem, handle), nullptr);
}

TEST(ServerObjectsTest, ClearGivesBackWhatIsAliveDependentsFirst) {
  ServerObjects objects;
  int context = 0, event = 0;
  ASSERT_TRUE(objects.Add(ValueKind::kContext, HandleOf(ValueKind::kContext, 0), &context).ok());
  ASSERT_TRUE(objects.Add(ValueKind::kEvent, HandleOf(ValueKind::kEvent, 0), &event).ok());
  ASSERT_TRUE(objects.Add(ValueKind::kEvent, HandleOf(ValueKind::kEvent, 1), nullptr).ok());
  EXPECT_EQ(objects.live(), 3u);
  std::vector<void*> released;
  objects.Clear([&](ValueKind, void* object) { released.push_back(object); });
  EXPECT_EQ(released, (std::vector<void*>{&event, &context}));
  EXPECT_EQ(objects.live(), 0u);
}

}  // namespace
}  // namespace xpool::wire_cl
