#include "transport/unix_channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

namespace xpool::transport {
namespace {

Deadline Patience() { return Deadline::After(Clock::Monotonic(), 60 * kNsPerSec); }

class UnixChannelTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/xpool_unix_channel_" + std::to_string(getpid());
    std::filesystem::create_directories(directory_);
    path_ = directory_ + "/s";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_, path_;
};

TEST_F(UnixChannelTest, ListenerTakesWhoConnects) {
  auto listener = UnixListener::Listen(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat info;
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto client = ConnectUnix(path_, Patience());
  ASSERT_TRUE(client.ok()) << client.status();
  auto server = (*listener)->Accept(Patience());
  ASSERT_TRUE(server.ok()) << server.status();
  char text[] = "hello";
  const iovec piece{text, 5};
  ASSERT_TRUE(SendAll(**client, {&piece, 1}, Patience()).ok());
  char answer[5];
  ASSERT_TRUE(ReceiveAll(**server, std::as_writable_bytes(std::span(answer)), Patience()).ok());
  EXPECT_EQ(std::string(answer, 5), "hello");
}

TEST_F(UnixChannelTest, AcceptEndsAtItsDeadlineAndWhenClosed) {
  auto listener = UnixListener::Listen(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_EQ((*listener)->Accept(Deadline::Passed()).status().code(), absl::StatusCode::kDeadlineExceeded);
  std::thread accepting(
      [&] { EXPECT_EQ((*listener)->Accept(Patience()).status().code(), absl::StatusCode::kCancelled); });
  (*listener)->Close();
  accepting.join();
}

TEST_F(UnixChannelTest, NobodyListeningSaysWhere) {
  const absl::Status status = ConnectUnix(path_, Patience()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(status.message().find(path_), absl::string_view::npos);
}

TEST_F(UnixChannelTest, OnlyConnectedStreamSocketsAreAdopted) {
  int fds[2];
  ASSERT_EQ(pipe(fds), 0);
  const UniqueFd other_end(fds[1]);
  EXPECT_FALSE(AdoptStreamSocket(UniqueFd(fds[0]), "a pipe").ok());
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
  const UniqueFd other_socket(fds[1]);
  EXPECT_EQ(AdoptStreamSocket(UniqueFd(fds[0]), "datagrams").status().code(), absl::StatusCode::kInvalidArgument);
  UniqueFd alone(socket(AF_UNIX, SOCK_STREAM, 0));
  EXPECT_EQ(AdoptStreamSocket(std::move(alone), "nobody").status().code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  const UniqueFd peer(fds[1]);
  auto channel = AdoptStreamSocket(UniqueFd(fds[0]), "a worker");
  ASSERT_TRUE(channel.ok()) << channel.status();
  EXPECT_EQ((*channel)->Describe(), "a worker");
}

}  // namespace
}  // namespace xpool::transport
