#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

namespace xpool {
namespace {

class FileTest : public testing::Test {
 protected:
  FileTest() { EXPECT_NE(mkdtemp(folder_), nullptr); }
  ~FileTest() override { std::filesystem::remove_all(folder_); }
  std::string Path(const std::string& name) const { return std::string(folder_) + "/" + name; }
  static mode_t ModeOf(const std::string& path) {
    struct stat info {};
    EXPECT_EQ(stat(path.c_str(), &info), 0);
    return info.st_mode & 07777;
  }
  size_t FileCount() const {
    return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }

  char folder_[32] = "/tmp/xpool-file-XXXXXX";
};

TEST_F(FileTest, WhatIsWrittenIsReadAndHasItsModeWhateverTheUmask) {
  const mode_t before = umask(0077);
  ASSERT_TRUE(WriteFileDurably(Path("a"), "text", 0644, IfExists::kRefuse).ok());
  umask(before);
  EXPECT_EQ(ModeOf(Path("a")), 0644u);
  EXPECT_EQ(ReadFile(Path("a"), 4).value(), "text");
  ASSERT_TRUE(WriteFileDurably(Path("a"), "", 0600, IfExists::kReplace).ok());
  EXPECT_EQ(ReadFile(Path("a"), 4).value(), "");
  EXPECT_EQ(ModeOf(Path("a")), 0600u);
}

TEST_F(FileTest, WhatExistsIsKeptUnlessItIsToBeReplaced) {
  ASSERT_TRUE(WriteFileDurably(Path("a"), "old", 0600, IfExists::kRefuse).ok());
  EXPECT_EQ(WriteFileDurably(Path("a"), "new", 0600, IfExists::kRefuse).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReadFile(Path("a"), 10).value(), "old");
  EXPECT_EQ(FileCount(), 1u);  // nothing half-done stays
}

TEST_F(FileTest, FailuresLeaveNothingBehind) {
  EXPECT_EQ(WriteFileDurably(Path("no/such/a"), "x", 0600, IfExists::kReplace).code(), absl::StatusCode::kNotFound);
  std::filesystem::create_directory(Path("folder"));
  EXPECT_FALSE(WriteFileDurably(Path("folder"), "x", 0600, IfExists::kReplace).ok());
  EXPECT_EQ(FileCount(), 1u);
}

TEST_F(FileTest, OnlyRegularFilesOfABoundedSizeAreRead) {
  ASSERT_TRUE(WriteFileDurably(Path("a"), "12345", 0600, IfExists::kRefuse).ok());
  EXPECT_EQ(ReadFile(Path("a"), 4).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadFile(folder_, 4).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadFile("/dev/zero", 4).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ReadFile(Path("none"), 4).status().code(), absl::StatusCode::kNotFound);
  ASSERT_EQ(mkfifo(Path("pipe").c_str(), 0600), 0);
  EXPECT_EQ(ReadFile(Path("pipe"), 4).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(FileTest, FilesThatOthersCouldReadOrWriteAreRefusedWithTheCure) {
  const auto error_of = [&](mode_t mode, FileTrust trust) {
    EXPECT_TRUE(WriteFileDurably(Path("a"), "x", mode, IfExists::kReplace).ok());
    return ReadFile(Path("a"), 4, trust).status();
  };
  EXPECT_TRUE(error_of(0600, FileTrust::kPrivate).ok());
  EXPECT_TRUE(error_of(0400, FileTrust::kPrivate).ok());
  EXPECT_TRUE(error_of(0644, FileTrust::kOurs).ok());
  EXPECT_TRUE(error_of(0666, FileTrust::kAny).ok());
  for (const mode_t mode : {0640, 0604, 0620, 0602}) {
    const absl::Status status = error_of(mode, FileTrust::kPrivate);
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
    EXPECT_NE(status.message().find("chmod 600"), absl::string_view::npos) << status;
  }
  EXPECT_TRUE(absl::IsPermissionDenied(error_of(0664, FileTrust::kOurs)));
}

TEST_F(FileTest, FilesOfOtherUsersAreRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  ASSERT_TRUE(WriteFileDurably(Path("a"), "x", 0600, IfExists::kRefuse).ok());
  ASSERT_EQ(chown(Path("a").c_str(), 12345, 12345), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(ReadFile(Path("a"), 4, FileTrust::kOurs).status()));
  ASSERT_EQ(mkdir(Path("theirs").c_str(), 0700), 0);
  ASSERT_EQ(chown(Path("theirs").c_str(), 12345, 12345), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(EnsurePrivateDirectory(Path("theirs"))));
  EXPECT_TRUE(absl::IsPermissionDenied(EnsurePrivateDirectory(Path("theirs/below"))));
}

TEST_F(FileTest, PrivateDirectoriesAreMadeWithAllAboveThem) {
  ASSERT_TRUE(EnsurePrivateDirectory(Path("one/two/three/")).ok());
  EXPECT_EQ(ModeOf(Path("one/two/three")), 0700u);
  EXPECT_EQ(ModeOf(Path("one")), 0700u);
  EXPECT_TRUE(EnsurePrivateDirectory(Path("one/two/three")).ok());
}

TEST_F(FileTest, DirectoriesThatOthersCanEnterOrExchangeAreRefused) {
  for (const mode_t mode : {0750, 0701, 0720, 0777}) {
    ASSERT_TRUE(EnsurePrivateDirectory(Path("d")).ok());
    ASSERT_EQ(chmod(Path("d").c_str(), mode), 0);
    EXPECT_TRUE(absl::IsPermissionDenied(EnsurePrivateDirectory(Path("d"))));
    ASSERT_EQ(chmod(Path("d").c_str(), 0700), 0);
  }
  ASSERT_TRUE(EnsurePrivateDirectory(Path("open/below")).ok());
  ASSERT_EQ(chmod(Path("open").c_str(), 0777), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(EnsurePrivateDirectory(Path("open/below"))));
  ASSERT_EQ(chmod(Path("open").c_str(), 01777), 0);  // as /tmp: nobody can exchange what is another's
  EXPECT_TRUE(EnsurePrivateDirectory(Path("open/below")).ok());
  ASSERT_TRUE(WriteFileDurably(Path("file"), "", 0600, IfExists::kRefuse).ok());
  EXPECT_FALSE(EnsurePrivateDirectory(Path("file")).ok());
}

TEST_F(FileTest, LockHoldersComeOneAfterTheOther) {
  std::atomic<int> count = 0;  // not incremented at once: the lock alone keeps the threads apart
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        const auto lock = FileLock::Take(Path("lock"));
        ASSERT_TRUE(lock.ok()) << lock.status();
        const int seen = count.load();
        std::this_thread::yield();
        count = seen + 1;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 200);
}

}  // namespace
}  // namespace xpool
