#include "sandbox/hostile_tree.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"

namespace xpool::sandbox {
namespace {

namespace fs = std::filesystem;

class HostileTreeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    // In memory where that is possible: a disk may take milliseconds for each directory.
    const std::string place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : ::testing::TempDir();
    std::string pattern = place + "/xpool-tree-XXXXXX";
    base_ = mkdtemp(pattern.data());
    tree_ = base_ + "/tree";
    fs::create_directory(tree_);
    fs::create_directory(base_ + "/outside");
    std::ofstream(base_ + "/outside/precious") << "x";
    directory_.Reset(open(tree_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  void TearDown() override {
    EXPECT_TRUE(fs::exists(base_ + "/outside/precious"));  // whatever the test was
    (void)RemoveContents(directory_.get());
    fs::remove_all(base_);
  }
  void WriteFile(const std::string& path, size_t bytes = 1) {
    std::ofstream(tree_ + "/" + path) << std::string(bytes, 'x');
  }
  void MakeChain(int depth) const {
    UniqueFd at(dup(directory_.get()));
    for (int i = 0; i < depth; ++i) {
      ASSERT_EQ(mkdirat(at.get(), "d", 0700), 0);
      at.Reset(openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    }
  }
  absl::Status Clear() { return RemoveContents(directory_.get()); }
  bool IsEmpty() const { return fs::is_empty(tree_); }

  std::string base_, tree_;
  UniqueFd directory_;
};

TEST_F(HostileTreeTest, ClearsFilesAndDirectories) {
  fs::create_directories(tree_ + "/a/b/c");
  WriteFile("a/b/c/file");
  WriteFile(".hidden");
  WriteFile("name with \n newline");
  EXPECT_TRUE(Clear().ok());
  EXPECT_TRUE(IsEmpty());
}

TEST_F(HostileTreeTest, LinksAreRemovedAndNotFollowed) {
  fs::create_directory_symlink(base_ + "/outside", tree_ + "/link");
  fs::create_symlink("/etc/passwd", tree_ + "/passwd");
  fs::create_symlink("link", tree_ + "/loop");
  EXPECT_TRUE(Clear().ok());
  EXPECT_TRUE(IsEmpty());
}

TEST_F(HostileTreeTest, PipesAreRemovedAndNotOpened) {
  ASSERT_EQ(mkfifo((tree_ + "/pipe").c_str(), 0600), 0);
  EXPECT_TRUE(ListUnits(directory_.get(), 2).ok());
  EXPECT_TRUE(Clear().ok());
  EXPECT_TRUE(IsEmpty());
}

TEST_F(HostileTreeTest, TreeFarDeeperThanAPathIsRemovedWithFewDescriptors) {
  MakeChain(20000);
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few = {static_cast<rlim_t>(directory_.get()) + 3 * kMaxTreeDepth + 20, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const absl::Status cleared = Clear();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(cleared.ok()) << cleared;
  EXPECT_TRUE(IsEmpty());
}

TEST_F(HostileTreeTest, NamesUsedForFoldingMayBeTaken) {
  MakeChain(200);
  for (int i = 0; i < 100; ++i) WriteFile(absl::StrCat("xpool-deep-", i));
  EXPECT_TRUE(Clear().ok());
  EXPECT_TRUE(IsEmpty());
}

TEST_F(HostileTreeTest, DirectoriesWithoutPermissionsAreRemoved) {
  fs::create_directories(tree_ + "/shut/inner");
  WriteFile("shut/inner/file");
  chmod((tree_ + "/shut/inner").c_str(), 0);
  chmod((tree_ + "/shut").c_str(), 0);
  EXPECT_TRUE(Clear().ok());
  EXPECT_TRUE(IsEmpty());
}

// Its owner swaps a directory for a link to somewhere else, over and over.
TEST_F(HostileTreeTest, SwappingDirectoriesForLinksGainsNothing) {
  std::atomic<bool> stop{false};
  std::thread owner([&] {
    while (!stop) {
      (void)mkdir((tree_ + "/d").c_str(), 0700);
      WriteFile("d/file");
      (void)rename((tree_ + "/d").c_str(), (tree_ + "/e").c_str());
      (void)symlink((base_ + "/outside").c_str(), (tree_ + "/d").c_str());
      (void)unlink((tree_ + "/d").c_str());
    }
  });
  for (int i = 0; i < 200; ++i) (void)Clear();
  stop = true;
  owner.join();
  EXPECT_TRUE(fs::exists(base_ + "/outside/precious"));
  EXPECT_TRUE(Clear().ok());
}

TEST_F(HostileTreeTest, UnitsAreDirectoriesAtTheirDepthAndStrayFilesAbove) {
  fs::create_directories(tree_ + "/AB/one/k");
  fs::create_directories(tree_ + "/AB/two");
  WriteFile("AB/one/k/k.so", 100000);
  WriteFile("stray", 10);
  const auto units = ListUnits(directory_.get(), 2);
  ASSERT_TRUE(units.ok()) << units.status();
  std::vector<std::string> names;
  for (const TreeUnit& unit : *units) {
    names.push_back(unit.path.back());
    if (unit.path.back() == "one") {
      EXPECT_GE(unit.bytes, 100000u);
    }
  }
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("one", "two", "stray"));
}

TEST_F(HostileTreeTest, SparseFileCountsWhatItTakes) {
  WriteFile("sparse");
  ASSERT_EQ(truncate((tree_ + "/sparse").c_str(), off_t{1} << 40), 0);
  const auto units = ListUnits(directory_.get(), 1);
  ASSERT_TRUE(units.ok());
  EXPECT_LT(units->front().bytes, 1u << 20);
}

TEST_F(HostileTreeTest, UnitTooDeepToMeasureIsRubbish) {
  MakeChain(kMaxTreeDepth + 10);
  const auto units = ListUnits(directory_.get(), 1);
  ASSERT_TRUE(units.ok());
  EXPECT_TRUE(units->front().rubbish);
}

TEST_F(HostileTreeTest, EntryOfAnyKindIsRemovedByName) {
  fs::create_directories(tree_ + "/d/e");
  WriteFile("f");
  EXPECT_TRUE(RemoveEntry(directory_.get(), "d").ok());
  EXPECT_TRUE(RemoveEntry(directory_.get(), "f").ok());
  EXPECT_TRUE(RemoveEntry(directory_.get(), "nothing").ok());
  EXPECT_TRUE(IsEmpty());
}

}  // namespace
}  // namespace xpool::sandbox
