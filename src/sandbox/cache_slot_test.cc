#include "sandbox/cache_slot.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace xpool::sandbox {
namespace {

class CacheSlotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/xpool-slot-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    std::filesystem::create_directory(directory_ + "/tenant");
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_;
};

TEST_F(CacheSlotTest, LeadsToAnEmptyDirectoryAndThenToTheTenants) {
  const auto slot = CacheSlot::Create(directory_ + "/slot");
  ASSERT_TRUE(slot.ok()) << slot.status();
  std::ofstream(slot->path() + "/early") << "x";
  ASSERT_TRUE(slot->PointAt(directory_ + "/tenant").ok());
  std::ofstream(slot->path() + "/late") << "x";
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/tenant/late"));
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/tenant/early"));
}

TEST_F(CacheSlotTest, LeftOverSlotIsTakenOver) {
  const auto old_slot = CacheSlot::Create(directory_ + "/slot");
  ASSERT_TRUE(old_slot.ok() && old_slot->PointAt(directory_ + "/tenant").ok());
  const auto slot = CacheSlot::Create(directory_ + "/slot");
  ASSERT_TRUE(slot.ok()) << slot.status();
  EXPECT_EQ(std::filesystem::read_symlink(slot->path()), directory_ + "/slot/warm");
}

TEST_F(CacheSlotTest, TenantsPassThroughButListNothing) {
  ASSERT_TRUE(CacheSlot::Create(directory_ + "/slot").ok());
  struct stat info;
  ASSERT_EQ(stat((directory_ + "/slot").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0711u);
}

TEST_F(CacheSlotTest, MissingParentIsNotFound) {
  EXPECT_EQ(CacheSlot::Create(directory_ + "/no/slot").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace xpool::sandbox
