#include "base/unix_socket.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "base/clock.h"

namespace xpool {
namespace {

class UnixSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/xpool_socket_" + std::to_string(getpid());
    std::filesystem::create_directories(directory_);
    path_ = directory_ + "/s";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  std::string directory_, path_;
};

TEST_F(UnixSocketTest, CarriesMessageDescriptorAndCredentials) {
  auto listener = ListenSeqPacket(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto client = ConnectSeqPacket(path_);
  ASSERT_TRUE(client.ok()) << client.status();
  auto server = AcceptConnection(listener->get());
  ASSERT_TRUE(server.ok());
  std::array<std::byte, 3> bytes{std::byte{1}, std::byte{2}, std::byte{3}};
  const int fds[] = {STDIN_FILENO};
  ASSERT_TRUE(SendMessage(client->get(), bytes, fds).ok());
  auto message = ReceiveMessage(server->get(), 64);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->bytes.size(), 3u);
  EXPECT_EQ(message->fds.size(), 1u);
  EXPECT_EQ(GetPeerCredentials(server->get())->pid, getpid());
}

TEST_F(UnixSocketTest, OverlongMessageIsAnErrorAndPeerCloseIsEmpty) {
  auto listener = ListenSeqPacket(path_, 0600);
  auto client = ConnectSeqPacket(path_);
  auto server = AcceptConnection(listener->get());
  std::array<std::byte, 100> bytes{};
  ASSERT_TRUE(SendMessage(client->get(), bytes).ok());
  EXPECT_EQ(ReceiveMessage(server->get(), 64).status().code(), absl::StatusCode::kInvalidArgument);
  client->Reset();
  auto end = ReceiveMessage(server->get(), 64);
  ASSERT_TRUE(end.ok());
  EXPECT_TRUE(end->bytes.empty());
}

TEST_F(UnixSocketTest, LeftOverSocketIsReplacedAndLiveOneIsNot) {
  { auto dead = ListenSeqPacket(path_, 0600); }
  auto live = ListenSeqPacket(path_, 0600);
  ASSERT_TRUE(live.ok()) << live.status();
  EXPECT_EQ(ListenSeqPacket(path_, 0600).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(UnixSocketTest, StreamListenerThatTakesNothingEndsTheConnectInTime) {
  auto listener = ListenStream(path_, 0600);
  ASSERT_TRUE(listener.ok()) << listener.status();
  ASSERT_EQ(listen(listener->get(), 0), 0);  // a queue of one
  auto first = ConnectStream(path_, kNsPerSec);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(ConnectStream(path_, kNsPerMs).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(UnixSocketTest, LiveSocketOfAnotherTypeIsNotReplaced) {
  auto packets = ListenSeqPacket(path_, 0600);
  ASSERT_TRUE(packets.ok()) << packets.status();
  EXPECT_EQ(ListenStream(path_, 0600).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(UnixSocketTest, NobodyListeningSaysWhere) {
  auto client = ConnectSeqPacket(path_);
  EXPECT_EQ(client.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(client.status().message().find(path_), std::string::npos);
}

}  // namespace
}  // namespace xpool
