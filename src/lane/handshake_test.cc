#include "lane/handshake.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <thread>

#include "transport/testing/channel_pairs.h"

namespace xpool::lane {
namespace {

using transport::Deadline;

Deadline Soon() { return Deadline::After(Clock::Monotonic(), 5 * kNsPerSec); }

wire::Hello AHello() {
  wire::Hello hello;
  hello.session_id = 3;
  return hello;
}

void Send(transport::Channel& channel, std::string bytes) {
  const iovec piece{bytes.data(), bytes.size()};
  ASSERT_TRUE(transport::SendAll(channel, {&piece, 1}, Soon()).ok());
}

TEST(HandshakeTest, AnswerIsReadAndNothingPastIt) {
  transport::ChannelPair pair = transport::MakeUnixPair();
  std::thread server([&] {
    const auto received = ReceiveFrame(*pair.right, Soon());
    ASSERT_TRUE(received.ok() && wire::ReadHello(received->frame()).ok());
    wire::Writer writer;
    ASSERT_TRUE(WriteWelcome(&writer, {.received = 9}).ok());
    ASSERT_TRUE(SendWritten(*pair.right, writer, Soon()).ok());
    Send(*pair.right, "rest");
  });
  const auto welcome = SendHello(*pair.left, AHello(), Soon());
  ASSERT_TRUE(welcome.ok()) << welcome.status();
  EXPECT_EQ(welcome->received, 9u);
  std::array<std::byte, 4> rest;
  EXPECT_TRUE(transport::ReceiveAll(*pair.left, rest, Soon()).ok());
  server.join();
}

TEST(HandshakeTest, RefusalIsTheClientsStatus) {
  transport::ChannelPair pair = transport::MakeUnixPair();
  std::thread server([&] {
    ASSERT_TRUE(ReceiveFrame(*pair.right, Soon()).ok());
    SendRefusal(*pair.right, absl::PermissionDeniedError("your token has expired; ask for another"), Soon());
  });
  const absl::Status status = SendAttach(*pair.left, wire::Attach{.slice = "s1"}, Soon()).status();
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_NE(status.message().find("expired; ask for another"), std::string::npos);
  server.join();
}

TEST(HandshakeTest, LongFrameIsRefusedBeforeItIsRead) {
  transport::ChannelPair pair = transport::MakeUnixPair();
  auto header = wire::EncodeHeader(wire::ControlHeader(wire::Control::kHello));
  header[2] = std::byte{1};  // 64 KiB
  Send(*pair.left, std::string(reinterpret_cast<const char*>(header.data()), header.size()));
  EXPECT_TRUE(absl::IsInvalidArgument(ReceiveFrame(*pair.right, Soon()).status()));
}

TEST(HandshakeTest, PeerThatSaysNothingIsGivenUp) {
  transport::ChannelPair pair = transport::MakeUnixPair();
  const Deadline now = Deadline::After(Clock::Monotonic(), kNsPerMs);
  EXPECT_TRUE(absl::IsDeadlineExceeded(ReceiveFrame(*pair.right, now).status()));
}

}  // namespace
}  // namespace xpool::lane
