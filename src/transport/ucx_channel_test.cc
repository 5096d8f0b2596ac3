// Channels over UCX's TCP and shared-memory transports: the suite of all channels, and what is theirs alone. No test
// here ran on an RDMA adapter.
#include "transport/ucx_channel.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>
#include <utility>

#include "transport/socket_channel.h"
#include "transport/testing/channel_suite.h"
#include "transport/testing/ucx_pair.h"

namespace xpool::transport {
namespace {

// Without UCX none of these can run; with it, on a machine without any adapter, all can.
class UcxIsHere : public testing::Environment {
 public:
  void SetUp() override {
    const absl::Status usable = UcxChannel::Usable({});
    if (!usable.ok()) GTEST_SKIP() << usable;
  }
};
const auto* const environment = testing::AddGlobalTestEnvironment(new UcxIsHere());

Deadline Patience() { return Deadline::After(Clock::Monotonic(), 60 * kNsPerSec); }

UcxOptions Over(const std::string& transports, uint64_t rendezvous_bytes = 0) {
  UcxOptions options;
  options.transports = transports;
  options.rendezvous_bytes = rendezvous_bytes;
  return options;
}

UcxOptions SmallWindow(const std::string& transports) {
  UcxOptions options = Over(transports);
  options.window_bytes = UcxOptions::kLeastWindowBytes;
  return options;
}

UcxOptions Spinning() {
  UcxOptions options;
  options.spin_rounds = 1000;
  return options;
}

ChannelKind Kind(const std::string& name, const UcxOptions& options) {
  return {name, [options] { return MakeUcxPair(options); }};
}

INSTANTIATE_TEST_SUITE_P(
    All, ChannelSuite,
    testing::Values(Kind("UcxOfThisMachine", {}), Kind("UcxTcp", Over("tcp")), Kind("UcxTcpFetched", Over("tcp", 8192)),
                    Kind("UcxPosixFetched", Over("posix", 8192)), Kind("UcxCmaFetched", Over("sysv,cma", 8192)),
                    Kind("UcxSmallWindow", SmallWindow("sysv")), Kind("UcxTcpSmallWindow", SmallWindow("tcp")),
                    Kind("UcxSpinning", Spinning())),
    NameOfKind);

iovec Piece(std::string_view text) { return {const_cast<char*>(text.data()), text.size()}; }

absl::Status SendText(Channel& channel, const std::string& text) {
  const iovec piece = Piece(text);
  return SendAll(channel, {&piece, 1}, Patience());
}

std::string ReceiveText(Channel& channel, size_t size) {
  std::string text(size, '?');
  const absl::Status status = ReceiveAll(channel, std::as_writable_bytes(std::span(text)), Patience());
  return status.ok() ? text : status.ToString();
}

absl::Status ReceiveEnd(Channel& channel) {
  std::byte byte;
  return ReceiveAll(channel, {&byte, 1}, Patience());
}

bool IsReadable(const PollTarget& target, int timeout_ms) {
  pollfd polled{target.fd, target.events, 0};
  return poll(&polled, 1, timeout_ms) == 1;
}

// Over each of the transports that are tested.
class UcxChannelTest : public testing::TestWithParam<const char*> {
 protected:
  void Connect(const UcxOptions& options) { pair_ = MakeUcxEnds(options); }
  void Connect() { Connect(Over(GetParam())); }
  UcxChannel& left() { return *pair_.left; }
  UcxChannel& right() { return *pair_.right; }

  // Sends until nothing more is taken, and says how much was.
  size_t Fill(Channel& channel) {
    const std::string text(64 * kKiB, 'x');
    const iovec piece = Piece(text);
    size_t filled = 0;
    do {
      const absl::StatusOr<size_t> taken = channel.Send({&piece, 1});
      if (!taken.ok()) return 0;
      filled += *taken;
    } while (channel.Wait(kToSend, Deadline::After(Clock::Monotonic(), 50 * kNsPerMs)).ok());
    return filled;
  }

  UcxPair pair_;
};

INSTANTIATE_TEST_SUITE_P(Over, UcxChannelTest, testing::Values("tcp", "sysv", "posix"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(UcxChannelTest, PeerThatDoesNotReadGetsAWindowAndNoMore) {
  Connect();
  const size_t filled = Fill(left());
  EXPECT_LE(filled, UcxOptions::kMostWindowBytes);
  EXPECT_GE(filled, UcxOptions::kMostWindowBytes * 3 / 4);
}

TEST_P(UcxChannelTest, WindowsOfDifferentSizesAreBothHeld) {
  ChannelPair control = MakeUnixPair();
  std::thread small([&] {
    pair_.right = UcxChannel::Upgrade(std::move(control.right), SmallWindow(GetParam()), Patience()).value();
  });
  pair_.left = UcxChannel::Upgrade(std::move(control.left), Over(GetParam()), Patience()).value();
  small.join();
  EXPECT_LE(Fill(left()), UcxOptions::kLeastWindowBytes);
  EXPECT_GT(Fill(right()), UcxOptions::kLeastWindowBytes);
}

TEST_P(UcxChannelTest, SmallMessagesWithoutNumberArriveThoughThePeerReadsLate) {
  Connect();
  constexpr int kMessages = 5000;
  for (int i = 0; i < kMessages; ++i) {
    const iovec piece = Piece("x");
    ASSERT_EQ(left().Send({&piece, 1}).value(), 1u);
  }
  std::thread flusher([&] { EXPECT_TRUE(SendAll(left(), {}, Patience()).ok()); });
  EXPECT_EQ(ReceiveText(right(), kMessages), std::string(kMessages, 'x'));
  flusher.join();
}

TEST_P(UcxChannelTest, SendAllDoesNotNeedAPeerThatIsInACall) {
  Connect();
  ASSERT_TRUE(SendText(left(), std::string(200 * kKiB, 'x')).ok());
  EXPECT_EQ(ReceiveText(right(), 200 * kKiB), std::string(200 * kKiB, 'x'));
}

TEST_P(UcxChannelTest, WhatWasSentArrivesThoughTheSenderIsDestroyed) {
  Connect();
  ASSERT_TRUE(SendText(left(), std::string(200 * kKiB, 'x')).ok());
  left().Close();
  pair_.left.reset();
  EXPECT_EQ(ReceiveText(right(), 200 * kKiB), std::string(200 * kKiB, 'x'));
  const absl::Status end = ReceiveEnd(right());
  EXPECT_TRUE(IsPeerClosed(end)) << end;
}

TEST_P(UcxChannelTest, ForksChildMayDestroyItsCopies) {
  Connect();
  const pid_t child = fork();
  if (child == 0) {
    pair_ = {};
    _exit(UcxChannel::Usable(Over(GetParam())).code() == absl::StatusCode::kFailedPrecondition ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  ASSERT_TRUE(SendText(left(), "hello").ok());
  EXPECT_EQ(ReceiveText(right(), 5), "hello");
  ASSERT_TRUE(SendText(right(), "hello").ok());
  EXPECT_EQ(ReceiveText(left(), 5), "hello");
}

TEST_P(UcxChannelTest, ChannelDestroyedWithoutFarewellIsALoss) {
  Connect();
  ASSERT_TRUE(SendText(left(), "last words").ok());
  EXPECT_TRUE(right().Wait(kToReceive, Patience()).ok());
  pair_.left.reset();
  EXPECT_EQ(ReceiveText(right(), 10), "last words");
  EXPECT_TRUE(absl::IsUnavailable(ReceiveEnd(right())));
  EXPECT_TRUE(absl::IsUnavailable(SendText(right(), "who is there?")));
}

TEST_P(UcxChannelTest, ClosedWithBytesThatCannotArriveIsALossAfterTheGrace) {
  Connect(SmallWindow(GetParam()));
  ASSERT_GT(Fill(left()), 0u);
  const iovec piece = Piece("x");
  ASSERT_TRUE(right().Wait(kToReceive, Patience()).ok());
  // The window is full of small messages, so this one stays here.
  std::string rest(UcxOptions::kLeastWindowBytes, '?');
  ASSERT_TRUE(right().Receive(std::as_writable_bytes(std::span(rest))).ok());
  size_t taken = 0;
  while (left().Wait(kToSend, Deadline::After(Clock::Monotonic(), 50 * kNsPerMs)).ok()) {
    for (int i = 0; i < 100; ++i) taken += left().Send({&piece, 1}).value();
  }
  ASSERT_GT(taken, 16u);
  left().Close();
  absl::Status end;
  while (end.ok()) end = ReceiveEnd(right());
  EXPECT_TRUE(absl::IsUnavailable(end)) << end;
  EXPECT_NE(end.message().find("have arrived"), std::string::npos) << end;
}

TEST_P(UcxChannelTest, EventLoopIsNotWokenWhenNothingHappens) {
  Connect();
  ASSERT_TRUE(SendText(left(), "x").ok());
  ASSERT_EQ(ReceiveText(right(), 1), "x");
  for (int round = 0; round < 10; ++round) {  // what UCX may still have to say to itself
    const PollTarget target = right().PollFor(kToReceive);
    if (!target.ready && !IsReadable(target, 100)) return;
  }
  FAIL() << "woken ten times for nothing";
}

// UCX tells of an event once. What the sending thread finds is the receiving thread's, which sleeps.
TEST_P(UcxChannelTest, MessageTakenInByTheSenderWakesTheReceiver) {
  Connect();
  const PollTarget receiver = right().PollFor(kToReceive);
  ASSERT_FALSE(receiver.ready);
  ASSERT_TRUE(SendText(left(), "x").ok());
  ASSERT_TRUE(IsReadable(receiver, 60'000));
  (void)right().PollFor(kToSend);
  EXPECT_TRUE(IsReadable(receiver, 0));
  EXPECT_EQ(ReceiveText(right(), 1), "x");
}

TEST_P(UcxChannelTest, RoomFoundByTheReceiverWakesTheSender) {
  Connect();
  const size_t filled = Fill(right());
  const PollTarget sender = right().PollFor(kToSend);
  ASSERT_FALSE(sender.ready);
  EXPECT_EQ(ReceiveText(left(), filled).size(), filled);
  ASSERT_TRUE(IsReadable(sender, 60'000));
  (void)right().PollFor(kToReceive);
  EXPECT_TRUE(IsReadable(sender, 0));
  EXPECT_TRUE(SendText(right(), "x").ok());
}

TEST_P(UcxChannelTest, ControlMayBeTcpOrAnotherLink) {
  const ChannelPair controls[] = {MakeTcpPair(), MakeEmulatedPair({.latency_ns = 5 * kNsPerMs})};
  for (const ChannelPair& each : controls) {
    ChannelPair& control = const_cast<ChannelPair&>(each);
    std::thread other(
        [&] { pair_.right = UcxChannel::Upgrade(std::move(control.right), Over(GetParam()), Patience()).value(); });
    pair_.left = UcxChannel::Upgrade(std::move(control.left), Over(GetParam()), Patience()).value();
    other.join();
    ASSERT_TRUE(SendText(left(), "hello").ok());
    EXPECT_EQ(ReceiveText(right(), 5), "hello");
    left().Close();
    const absl::Status end = ReceiveEnd(right());
    EXPECT_TRUE(IsPeerClosed(end)) << end;
    pair_ = {};
  }
}

TEST_P(UcxChannelTest, UcxsOwnThreadTakesNoSignals) {
  Connect();
  int found = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string name, line;
    std::ifstream(task.path() / "comm") >> name;
    if (name != "async") continue;
    ++found;
    std::ifstream status(task.path() / "status");
    while (std::getline(status, line) && !line.starts_with("SigBlk:")) {
    }
    // All that can be blocked: neither SIGKILL, SIGSTOP, nor the C library's own two.
    EXPECT_EQ(std::stoull(line.substr(7), nullptr, 16) | 0x1'8004'0100, 0xffff'ffff'ffff'ffff) << line;
  }
  if (std::string_view(GetParam()) == "tcp") {
    EXPECT_EQ(found, 1);
  }
}

// A process of its own at the other end.
class PeerProcess {
 public:
  PeerProcess(const char* transports, size_t bytes) {
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) std::abort();
    const std::string fd = std::to_string(sockets[1]), size = std::to_string(bytes);
    pid_ = fork();
    if (pid_ == 0) {
      fcntl(sockets[1], F_SETFD, 0);
      execl(XPOOL_UCX_TEST_PEER, "ucx_test_peer", transports, fd.c_str(), size.c_str(), nullptr);
      _exit(127);
    }
    close(sockets[1]);
    control_ = std::make_unique<SocketChannel>(UniqueFd(sockets[0]), "the peer process");
  }
  ~PeerProcess() {
    if (pid_ > 0) Kill();
  }

  std::unique_ptr<UcxChannel> Connect(UcxOptions options) {
    options.bulk = true;
    return UcxChannel::Upgrade(std::move(control_), options, Patience()).value();
  }
  void Kill() {
    kill(pid_, SIGKILL);
    waitpid(std::exchange(pid_, -1), nullptr, 0);
  }
  // Its exit code, after it has ended by itself.
  int Join() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  std::unique_ptr<Channel> control_;
};

TEST_P(UcxChannelTest, ProcessThatCloses) {
  PeerProcess process(GetParam(), 100 * kKiB);
  const auto channel = process.Connect(Over(GetParam()));
  EXPECT_EQ(ReceiveText(*channel, 100 * kKiB).size(), 100 * kKiB);
  EXPECT_TRUE(SendText(*channel, std::string(kMiB, 'x')).ok());
  channel->Close();
  EXPECT_EQ(process.Join(), 0);
}

TEST_P(UcxChannelTest, ProcessKilledWhileItIsWaitedFor) {
  PeerProcess process(GetParam(), 0);
  const auto channel = process.Connect(Over(GetParam()));
  std::thread killer([&] {
    EXPECT_EQ(channel->Wait(kToReceive, Deadline::After(Clock::Monotonic(), 20 * kNsPerMs)).code(),
              absl::StatusCode::kDeadlineExceeded);
    process.Kill();
    EXPECT_TRUE(absl::IsUnavailable(ReceiveEnd(*channel)));
  });
  killer.join();
}

TEST_P(UcxChannelTest, ProcessKilledInTheMiddleOfBulk) {
  PeerProcess process(GetParam(), 64 * kMiB);
  const auto channel = process.Connect(Over(GetParam()));
  EXPECT_EQ(ReceiveText(*channel, kMiB).size(), kMiB);
  std::thread sender([&] {
    absl::Status end;
    while (end.ok()) end = SendText(*channel, std::string(100 * kKiB, 'x'));
    EXPECT_TRUE(absl::IsUnavailable(end)) << end;
  });
  process.Kill();
  absl::Status end;
  while (end.ok()) end = ReceiveEnd(*channel);
  EXPECT_TRUE(absl::IsUnavailable(end)) << end;
  sender.join();
}

}  // namespace
}  // namespace xpool::transport
