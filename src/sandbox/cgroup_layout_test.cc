#include "sandbox/cgroup_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpool::sandbox {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(CgroupLayoutTest, Version2Alone) {
  const auto found = FindHierarchies("30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
                                     "0::/system.slice/xpoold.service\n");
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 1u);
  EXPECT_TRUE((*found)[0].version2);
  EXPECT_EQ((*found)[0].directory, "/sys/fs/cgroup/system.slice/xpoold.service");
  EXPECT_THAT((*found)[0].controllers, IsEmpty());
}

TEST(CgroupLayoutTest, MixedHierarchiesWithVersion2Last) {
  const auto found = FindHierarchies(
      "1 0 0:1 / / rw - ext4 /dev/vda rw\n"
      "5 1 0:5 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
      "2 1 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
      "3 1 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
      "4 1 0:4 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n",
      "12:cpu,cpuacct:/\n4:memory:/agents/one\n3:name=systemd:/\n0::/unified/one\n");
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->size(), 3u);
  EXPECT_EQ((*found)[0].directory, "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_THAT((*found)[0].controllers, ElementsAre(Controller::kCpu));
  EXPECT_EQ((*found)[1].directory, "/sys/fs/cgroup/memory/agents/one");
  EXPECT_EQ((*found)[2].directory, "/sys/fs/cgroup/unified/unified/one");
}

// "cpuacct" and "cpuset" are no "cpu".
TEST(CgroupLayoutTest, ControllersAreWholeWords) {
  const auto found = FindHierarchies(
      "2 1 0:2 / /c/cpuacct rw - cgroup cgroup rw,cpuacct\n3 1 0:3 / /c/cpuset rw - cgroup cgroup rw,cpuset\n",
      "2:cpuacct:/\n");
  EXPECT_EQ(found.status().code(), absl::StatusCode::kNotFound);
}

TEST(CgroupLayoutTest, InAContainerTheMountShowsTheGroupItself) {
  const auto found = FindHierarchies("2 1 0:2 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
                                     "4:memory:/docker/abc\n");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ((*found)[0].directory, "/sys/fs/cgroup/memory");
}

TEST(CgroupLayoutTest, HierarchyMountedTwiceCountsOnce) {
  const auto found = FindHierarchies(
      "2 1 0:2 / /a rw - cgroup cgroup rw,memory\n3 1 0:2 / /b rw - cgroup cgroup rw,memory\n", "4:memory:/\n");
  ASSERT_TRUE(found.ok());
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ((*found)[0].directory, "/a");
}

TEST(CgroupLayoutTest, WithoutAnyItIsNotFound) {
  EXPECT_EQ(FindHierarchies("1 0 0:1 / / rw - ext4 /dev/vda rw\n", "0::/\n").status().code(),
            absl::StatusCode::kNotFound);
  EXPECT_EQ(FindHierarchies("", "").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FindHierarchies("broken - \n - cgroup\n- cgroup2 x\n", ":::\n0\n").status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace xpool::sandbox
