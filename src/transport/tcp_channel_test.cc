#include "transport/tcp_channel.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "transport/socket_channel.h"

namespace xpool::transport {
namespace {

Deadline Patience() { return Deadline::After(Clock::Monotonic(), 60 * kNsPerSec); }

absl::Status SendByte(Channel& channel, char byte) {
  const iovec piece{&byte, 1};
  return SendAll(channel, {&piece, 1}, Patience());
}

absl::Status ReceiveByte(Channel& channel) {
  std::byte byte;
  return ReceiveAll(channel, {&byte, 1}, Patience());
}

std::unique_ptr<Channel> Connect(const TcpListener& listener) {
  return ConnectTcp(listener.address(), PlainTcp::kLoopbackOnly, Patience()).value();
}

int OptionOf(const Channel& channel, int level, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  getsockopt(dynamic_cast<const SocketChannel&>(channel).fd(), level, name, &value, &size);
  return value;
}

TEST(TcpAddressTest, HostsAndPortsAsPeopleWriteThem) {
  EXPECT_EQ(ParseHostPort("node7:7070")->host, "node7");
  EXPECT_EQ(ParseHostPort("10.0.0.2:65535")->port, 65535);
  EXPECT_EQ(ParseHostPort("[fe80::1]:80")->host, "fe80::1");
  for (const char* bad : {"", "node7", ":7070", "node7:", "node7:port", "node7:65536", "node7:-1", "node7:+1",
                          "node7: 1", "fe80::1:80", "[]:80", "node7:99999999999999999999"})
    EXPECT_EQ(ParseHostPort(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  EXPECT_FALSE(ParseHostPort(absl::StrCat(std::string(300, 'a'), ":80")).ok());
  EXPECT_FALSE(ParseHostPort(std::string_view("a\0b:80", 6)).ok());
}

TEST(TcpAddressTest, LoopbackIsKnownInEveryForm) {
  for (const char* loopback : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"})
    EXPECT_TRUE(ResolveNumeric({loopback, 1})->IsLoopback()) << loopback;
  for (const char* other : {"0.0.0.0", "10.0.0.1", "128.0.0.1", "::", "fe80::1", "::ffff:10.0.0.1"})
    EXPECT_FALSE(ResolveNumeric({other, 1})->IsLoopback()) << other;
  EXPECT_EQ(ResolveNumeric({"::1", 80})->ToString(), "[::1]:80");
}

TEST(TcpChannelTest, ListenerRefusesNamesAndPlainTcpBeyondLoopback) {
  EXPECT_EQ(TcpListener::Listen("localhost:0", {}).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(TcpListener::Listen("0.0.0.0:0", {}).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(TcpListener::Listen("[::]:0", {}).status().code(), absl::StatusCode::kPermissionDenied);
  TcpListenerOptions anywhere;
  anywhere.plain = PlainTcp::kAnywhere;
  EXPECT_TRUE(TcpListener::Listen("0.0.0.0:0", anywhere).ok());
}

TEST(TcpChannelTest, PlainConnectBeyondLoopbackIsRefusedBeforeAnythingIsSent) {
  const absl::Status status = ConnectTcp("192.0.2.1:7070", PlainTcp::kLoopbackOnly, Patience()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << status;
}

TEST(TcpChannelTest, ListensAtItsAddressAlone) {
  auto listener = TcpListener::Listen("127.0.0.1:0", {});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const std::string port = (*listener)->address().substr((*listener)->address().rfind(':'));
  EXPECT_EQ(ConnectTcp("127.0.0.2" + port, PlainTcp::kLoopbackOnly, Patience()).status().code(),
            absl::StatusCode::kUnavailable);
  EXPECT_TRUE(ConnectTcp("127.0.0.1" + port, PlainTcp::kLoopbackOnly, Patience()).ok());
}

TEST(TcpChannelTest, EveryAddressOfANameIsTried) {
  auto listener = TcpListener::Listen("127.0.0.1:0", {});
  ASSERT_TRUE(listener.ok()) << listener.status();
  const std::string port = (*listener)->address().substr((*listener)->address().rfind(':'));
  // "localhost" may be ::1 first, where nobody listens.
  auto channel = ConnectTcp("localhost" + port, PlainTcp::kLoopbackOnly, Patience());
  EXPECT_TRUE(channel.ok()) << channel.status();
}

TEST(TcpChannelTest, RefusedConnectNamesTheAddress) {
  std::string address;
  {
    auto listener = TcpListener::Listen("127.0.0.1:0", {});
    ASSERT_TRUE(listener.ok()) << listener.status();
    address = (*listener)->address();
  }
  const absl::Status status = ConnectTcp(address, PlainTcp::kLoopbackOnly, Patience()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find(address), absl::string_view::npos) << status;
}

// A listener whose queue is full answers no one, as a host behind a firewall does not.
TEST(TcpChannelTest, ConnectWithoutAnswerEndsAtItsDeadline) {
  const UniqueFd deaf(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(deaf.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(deaf.get(), 0), 0);
  ASSERT_EQ(getsockname(deaf.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string target = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  std::vector<std::unique_ptr<Channel>> filling;
  absl::Status status;
  while (filling.size() < 8 && status.ok()) {
    auto channel = ConnectTcp(target, PlainTcp::kLoopbackOnly, Deadline::After(Clock::Monotonic(), 50 * kNsPerMs));
    status = channel.status();
    if (channel.ok()) filling.push_back(std::move(*channel));
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

TEST(TcpChannelTest, SmallSendsDoNotWaitAndIdlePeersAreProbed) {
  auto listener = TcpListener::Listen("127.0.0.1:0", {});
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto client = Connect(**listener);
  ASSERT_TRUE(SendByte(*client, 'x').ok());
  auto server = (*listener)->Accept(Patience());
  ASSERT_TRUE(server.ok()) << server.status();
  for (const Channel* channel : {client.get(), server->get()}) {
    EXPECT_EQ(OptionOf(*channel, IPPROTO_TCP, TCP_NODELAY), 1);
    EXPECT_EQ(OptionOf(*channel, SOL_SOCKET, SO_KEEPALIVE), 1);
    EXPECT_GT(OptionOf(*channel, IPPROTO_TCP, TCP_KEEPIDLE), 0);
    EXPECT_LE(OptionOf(*channel, IPPROTO_TCP, TCP_KEEPIDLE), 60);
  }
}

TEST(TcpChannelTest, SilentConnectionsAreDroppedAtTheirDeadline) {
  ManualClock clock;
  TcpListenerOptions options;
  options.clock = &clock;
  auto listener = TcpListener::Listen("127.0.0.1:0", options);
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto silent = Connect(**listener);
  EXPECT_EQ((*listener)->Accept(Deadline::Passed()).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ((*listener)->half_open(), 1u);
  clock.Advance(options.first_bytes_ns);
  EXPECT_EQ((*listener)->Accept(Deadline::Passed()).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ((*listener)->half_open(), 0u);
  EXPECT_TRUE(IsStreamOver(ReceiveByte(*silent)));
}

TEST(TcpChannelTest, LateAcceptStillTakesWhoSpokeInTime) {
  ManualClock clock;
  TcpListenerOptions options;
  options.clock = &clock;
  auto listener = TcpListener::Listen("127.0.0.1:0", options);
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto client = Connect(**listener);
  EXPECT_FALSE((*listener)->Accept(Deadline::Passed()).ok());
  ASSERT_TRUE(SendByte(*client, 'x').ok());
  clock.Advance(2 * options.first_bytes_ns);
  auto server = (*listener)->Accept(Patience());
  EXPECT_TRUE(server.ok()) << server.status();
}

TEST(TcpChannelTest, FirstBytesMustAllBeThere) {
  TcpListenerOptions options;
  options.first_bytes = 3;
  auto listener = TcpListener::Listen("127.0.0.1:0", options);
  ASSERT_TRUE(listener.ok()) << listener.status();
  auto slow = Connect(**listener), quitter = Connect(**listener);
  ASSERT_TRUE(SendByte(*slow, 'a').ok());
  ASSERT_TRUE(SendByte(*quitter, 'a').ok());
  quitter->Close();
  EXPECT_FALSE((*listener)->Accept(Deadline::After(Clock::Monotonic(), 20 * kNsPerMs)).ok());
  EXPECT_EQ((*listener)->half_open(), 1u);
  ASSERT_TRUE(SendByte(*slow, 'b').ok());
  ASSERT_TRUE(SendByte(*slow, 'c').ok());
  auto server = (*listener)->Accept(Patience());
  ASSERT_TRUE(server.ok()) << server.status();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(ReceiveByte(**server).ok());
}

TEST(TcpChannelTest, FloodOfSilentConnectionsDoesNotLockOutWhoSpeaks) {
  TcpListenerOptions options;
  options.max_half_open = 8;
  auto listener = TcpListener::Listen("127.0.0.1:0", options);
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::vector<std::unique_ptr<Channel>> flood;
  for (int i = 0; i < 50; ++i) flood.push_back(Connect(**listener));
  auto honest = Connect(**listener);
  ASSERT_TRUE(SendByte(*honest, 'x').ok());
  for (int i = 0; i < 5; ++i) flood.push_back(Connect(**listener));
  auto server = (*listener)->Accept(Patience());
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_LE((*listener)->half_open(), 8u);
  EXPECT_TRUE(ReceiveByte(**server).ok());
}

TEST(TcpChannelTest, BurstOfSpeakersBeyondTheLimitIsTakenWhole) {
  TcpListenerOptions options;
  options.max_half_open = 2;
  auto listener = TcpListener::Listen("127.0.0.1:0", options);
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::vector<std::unique_ptr<Channel>> burst;
  for (int i = 0; i < 20; ++i) {
    burst.push_back(Connect(**listener));
    ASSERT_TRUE(SendByte(*burst.back(), 'x').ok());
  }
  for (int i = 0; i < 20; ++i) {
    auto server = (*listener)->Accept(Patience());
    ASSERT_TRUE(server.ok()) << i << ": " << server.status();
  }
}

TEST(TcpChannelTest, ClosedListenerEndsAccept) {
  auto listener = TcpListener::Listen("127.0.0.1:0", {});
  ASSERT_TRUE(listener.ok()) << listener.status();
  std::thread accepting(
      [&] { EXPECT_EQ((*listener)->Accept(Patience()).status().code(), absl::StatusCode::kCancelled); });
  (*listener)->Close();
  accepting.join();
}

}  // namespace
}  // namespace xpool::transport
