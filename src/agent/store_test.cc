#include "agent/store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace xpool::agent {
namespace {

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/xpool_store_" + std::to_string(getpid());
    std::filesystem::create_directories(directory_);
    path_ = directory_ + "/agent.db";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  static SliceRecord Sample(const std::string& name) {
    SliceRecord slice;
    slice.name = name;
    slice.xpu_id = "xpu0";
    slice.guarantee = Share::FromPercent(30);
    slice.limit = Share::FromPercent(50);
    slice.memory_bytes = uint64_t{1} << 40;
    slice.priority = arbiter::Priority::kLow;
    slice.owner_uid = 1000;
    slice.owner_pid = 77;
    slice.owner_start_ticks = 123456;
    slice.created_unix_s = 1'700'000'000;
    return slice;
  }

  std::string directory_, path_;
};

TEST_F(StoreTest, KeepsSlicesAndSessionsAcrossOpening) {
  SliceRecord slice = Sample("train");
  SessionRecord session;
  {
    auto store = Store::Open(path_);
    ASSERT_TRUE(store.ok()) << store.status();
    ASSERT_TRUE((*store)->InsertSlice(slice).ok());
    session = {.slice = slice.number, .pid = 42, .start_ticks = 99, .uid = 1000, .api = 1, .program = "a.out"};
    ASSERT_TRUE((*store)->InsertSession(session).ok());
    slice.limit = Share::Full();
    ASSERT_TRUE((*store)->UpdateSlice(slice).ok());
  }
  auto store = Store::Open(path_);
  ASSERT_TRUE(store.ok()) << store.status();
  auto slices = (*store)->LoadSlices();
  ASSERT_EQ(slices->size(), 1u);
  const SliceRecord& kept = slices->front();
  EXPECT_EQ(kept.number, slice.number);
  EXPECT_EQ(kept.name, "train");
  EXPECT_EQ(kept.guarantee, Share::FromPercent(30));
  EXPECT_EQ(kept.limit, Share::Full());
  EXPECT_EQ(kept.memory_bytes, uint64_t{1} << 40);
  EXPECT_EQ(kept.priority, arbiter::Priority::kLow);
  EXPECT_EQ(kept.owner_start_ticks, 123456u);
  auto sessions = (*store)->LoadSessions();
  ASSERT_EQ(sessions->size(), 1u);
  EXPECT_EQ(sessions->front().id, session.id);
  EXPECT_EQ(sessions->front().pid, 42);
  EXPECT_EQ(sessions->front().start_ticks, 99u);
  EXPECT_EQ(sessions->front().program, "a.out");
}

TEST_F(StoreTest, NumbersAreNeverUsedTwiceAndSessionsGoWithTheirSlice) {
  auto store = Store::Open(path_);
  SliceRecord first = Sample("a"), second = Sample("b");
  ASSERT_TRUE((*store)->InsertSlice(first).ok());
  SessionRecord session{.slice = first.number};
  ASSERT_TRUE((*store)->InsertSession(session).ok());
  ASSERT_TRUE((*store)->DeleteSlice(first.number).ok());
  EXPECT_TRUE((*store)->LoadSessions()->empty());
  ASSERT_TRUE((*store)->InsertSlice(second).ok());
  EXPECT_GT(second.number, first.number);
}

TEST_F(StoreTest, XpusKeepTheirNumbers) {
  {
    auto store = Store::Open(path_);
    EXPECT_EQ(*(*store)->XpuNumber("gpu"), 0u);
    EXPECT_EQ(*(*store)->XpuNumber("cpu"), 1u);
  }
  auto store = Store::Open(path_);
  EXPECT_EQ(*(*store)->XpuNumber("cpu"), 1u);
  EXPECT_EQ(*(*store)->XpuNumber("another"), 2u);
}

TEST_F(StoreTest, DamagedFileIsRefusedWithAdviceAndKept) {
  std::ofstream(path_) << std::string(8192, 'x');
  auto store = Store::Open(path_);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << store.status();
  EXPECT_NE(std::string(store.status().message()).find("mv " + path_), std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(path_), 8192u);
}

TEST_F(StoreTest, FileDamagedInTheMiddleIsRefused) {
  {
    auto store = Store::Open(path_);
    for (int i = 0; i < 200; ++i) {
      SliceRecord slice = Sample("slice-" + std::to_string(i));
      ASSERT_TRUE((*store)->InsertSlice(slice).ok());
    }
  }
  ASSERT_GT(std::filesystem::file_size(path_), 8192u);
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096);
  file << std::string(static_cast<size_t>(std::filesystem::file_size(path_)) - 4096, '\xee');
  file.close();
  EXPECT_EQ(Store::Open(path_).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(StoreTest, NewerSchemaIsRefused) {
  { ASSERT_TRUE(Store::Open(path_).ok()); }
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(60);  // user_version in the file header, big-endian
  const char version[] = {0, 0, 0, 99};
  file.write(version, sizeof(version));
  file.close();
  auto store = Store::Open(path_);
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition) << store.status();
}

TEST_F(StoreTest, DirectoryInTheFilesPlaceIsRefused) {
  std::filesystem::create_directories(path_);
  EXPECT_EQ(Store::Open(path_).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(StoreTest, FullDiskRefusesTheOperationAndLosesNothing) {
  auto store = Store::Open(path_);
  SliceRecord kept = Sample("kept");
  ASSERT_TRUE((*store)->InsertSlice(kept).ok());
  signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  getrlimit(RLIMIT_FSIZE, &old);
  const rlimit small{std::filesystem::file_size(path_ + "-wal"), old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  SliceRecord refused = Sample("refused");
  const absl::Status status = (*store)->InsertSlice(refused);
  setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_EQ((*store)->LoadSlices()->size(), 1u);
  EXPECT_TRUE((*store)->InsertSlice(refused).ok());
}

}  // namespace
}  // namespace xpool::agent
