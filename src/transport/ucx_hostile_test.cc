// UCX channels against peers that break the rules: of the greeting, of the window, of the control channel. What UCX
// itself makes of a hostile peer is another matter (ucx_options.h).
#include <gtest/gtest.h>

#include <thread>
#include <utility>

#include "transport/testing/channel_pairs.h"
#include "transport/ucx_channel.h"
#include "transport/ucx_greeting.h"
#include "transport/ucx_line.h"

namespace xpool::transport {
namespace {

Deadline Patience() { return Deadline::After(Clock::Monotonic(), 60 * kNsPerSec); }

UcxOptions Over(const std::string& transports) {
  UcxOptions options;
  options.transports = transports;
  return options;
}

// A side of the greeting that says what it likes.
class HostileGreetingTest : public testing::Test {
 protected:
  void SetUp() override {
    ChannelPair control = MakeUnixPair();
    hostile_ = std::move(control.left);
    victim_ = std::thread([this, end = std::move(control.right)]() mutable {
      status_ = UcxChannel::Upgrade(std::move(end), Over("sysv"), deadline_).status();
    });
  }
  void Say(const void* bytes, size_t size) {
    const iovec piece{const_cast<void*>(bytes), size};
    (void)SendAll(*hostile_, {&piece, 1}, Patience());  // the victim may have had enough before the end
  }
  // The victim's own hello.
  UcxHello Hear() {
    UcxHello hello;
    EXPECT_TRUE(ReceiveAll(*hostile_, std::as_writable_bytes(std::span(&hello, 1)), Patience()).ok());
    return hello;
  }
  absl::Status Result() {
    if (victim_.joinable()) victim_.join();
    return status_;
  }
  void TearDown() override {
    hostile_->Close();
    (void)Result();
  }

  Deadline deadline_ = Patience();
  std::unique_ptr<Channel> hostile_;
  std::thread victim_;
  absl::Status status_;
};

TEST_F(HostileGreetingTest, GarbageIsRefused) {
  const std::string garbage = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
  Say(garbage.data(), garbage.size());
  EXPECT_EQ(Result().code(), absl::StatusCode::kInvalidArgument) << status_;
}

TEST_F(HostileGreetingTest, HugeAddressIsRefusedBeforeItIsWaitedFor) {
  UcxHello hello = Hear();
  hello.address_bytes = UINT32_MAX;
  Say(&hello, sizeof(hello));
  EXPECT_EQ(Result().code(), absl::StatusCode::kInvalidArgument) << status_;
}

TEST_F(HostileGreetingTest, OtherUcxIsRefused) {
  UcxHello hello = Hear();
  hello.ucx_minor += 1;
  Say(&hello, sizeof(hello));
  EXPECT_EQ(Result().code(), absl::StatusCode::kFailedPrecondition) << status_;
}

TEST_F(HostileGreetingTest, TornAddressAndCloseIsTheEnd) {
  const UcxHello hello = Hear();
  Say(&hello, sizeof(hello));
  Say("x", 1);
  hostile_->Close();
  EXPECT_TRUE(IsStreamOver(Result())) << status_;
}

TEST(UcxGreetingDeadlineTest, SilentPeerEndsAtTheDeadline) {
  ChannelPair control = MakeUnixPair();
  const auto upgraded =
      UcxChannel::Upgrade(std::move(control.left), Over("sysv"), Deadline::After(Clock::Monotonic(), 30 * kNsPerMs));
  EXPECT_EQ(upgraded.status().code(), absl::StatusCode::kDeadlineExceeded) << upgraded.status();
}

// The peer answers as it should over the control channel, but has no transport in common.
TEST(UcxGreetingDeadlineTest, SidesWithoutACommonTransportSayBothSo) {
  ChannelPair control = MakeUnixPair();
  absl::Status status;
  std::thread other([&] { status = UcxChannel::Upgrade(std::move(control.right), Over("sysv"), Patience()).status(); });
  const absl::Status ours = UcxChannel::Upgrade(std::move(control.left), Over("tcp"), Patience()).status();
  other.join();
  for (const absl::Status& each : {ours, status}) EXPECT_TRUE(IsStreamOver(each)) << each;
}

// A peer that speaks UCX well and the rules of a channel badly.
class HostileLineTest : public testing::Test, private UcxLine::Listener {
 protected:
  void SetUp() override {
    ChannelPair control = MakeUnixPair();
    const UcxContext* const context = UcxContext::Get(Over("sysv")).value();
    line_ = UcxLine::Create(*context, kKey).value();
    std::thread greeting([this, end = std::move(control.right)]() mutable {
      victim_ = UcxChannel::Upgrade(std::move(end), Over("sysv"), Patience()).value();
    });
    control_ = std::move(control.left);
    Greet(*context);
    greeting.join();
  }
  ~HostileLineTest() override = default;

  void Send(uint64_t position, uint64_t consumed, size_t size) {
    const std::vector<std::byte> bytes(size);
    sent_ = false;
    line_->Send(0, position, consumed, bytes, false);
    while (!sent_) line_->Progress();
  }
  absl::Status VictimReceives() {
    std::byte byte;
    return ReceiveAll(*victim_, {&byte, 1}, Patience());
  }

  std::unique_ptr<UcxChannel> victim_;
  std::unique_ptr<Channel> control_;

 private:
  static constexpr uint64_t kKey = 4711;

  void Greet(const UcxContext& context) {
    const std::vector<std::byte> address = line_->Address().value();
    UcxHello hello, theirs;
    ASSERT_TRUE(ReceiveAll(*control_, std::as_writable_bytes(std::span(&theirs, 1)), Patience()).ok());
    hello.ucx_major = static_cast<uint16_t>(context.ucx().major());
    hello.ucx_minor = static_cast<uint16_t>(context.ucx().minor());
    hello.key = kKey;
    hello.window_bytes = UcxOptions::kMostWindowBytes;
    hello.address_bytes = static_cast<uint32_t>(address.size());
    const iovec pieces[] = {{&hello, sizeof(hello)}, {const_cast<std::byte*>(address.data()), address.size()}};
    ASSERT_TRUE(SendAll(*control_, pieces, Patience()).ok());
    std::vector<std::byte> their_address(theirs.address_bytes);
    ASSERT_TRUE(ReceiveAll(*control_, their_address, Patience()).ok());
    ASSERT_TRUE(line_->Connect(their_address, theirs.key, this).ok());
    line_->Greet();
    const iovec ready{const_cast<std::byte*>(&kUcxGetsThrough), 1};
    ASSERT_TRUE(SendAll(*control_, {&ready, 1}, Patience()).ok());
    std::byte said{};
    while (control_->Receive({&said, 1}).value() == 0) line_->Progress();
  }
  UcxReceiveWindow::Place OnMessage(const UcxHeader&, size_t) override { return {}; }
  void OnArrived(size_t) override {}
  void OnSent(size_t) override { sent_ = true; }
  void OnFlushed() override {}
  void OnPut(size_t) override {}
  void OnLost() override {}

  std::unique_ptr<UcxLine> line_;
  bool sent_ = false;
};

TEST_F(HostileLineTest, GoodMessageIsTaken) {
  Send(0, 0, 1);
  EXPECT_TRUE(VictimReceives().ok());
}

TEST_F(HostileLineTest, MessagePastTheWindowIsDataLoss) {
  Send(UcxOptions::kMostWindowBytes, 0, 1);
  EXPECT_TRUE(absl::IsDataLoss(VictimReceives()));
  const iovec piece{const_cast<char*>("x"), 1};
  EXPECT_TRUE(absl::IsDataLoss(victim_->Send({&piece, 1}).status()));
}

TEST_F(HostileLineTest, MessageOverAnotherIsDataLossAfterTheGoodOne) {
  Send(0, 0, 1);
  Send(0, 0, 1);
  EXPECT_TRUE(VictimReceives().ok());
  EXPECT_TRUE(absl::IsDataLoss(VictimReceives()));
}

TEST_F(HostileLineTest, ConsumingWhatWasNotSentIsDataLoss) {
  Send(0, 1, 1);
  EXPECT_TRUE(absl::IsDataLoss(VictimReceives()));
}

TEST_F(HostileLineTest, TalkOnTheControlChannelIsDataLoss) {
  const std::string talk(40, 'x');
  const iovec piece{const_cast<char*>(talk.data()), talk.size()};
  ASSERT_TRUE(SendAll(*control_, {&piece, 1}, Patience()).ok());
  EXPECT_TRUE(absl::IsDataLoss(VictimReceives()));
}

TEST_F(HostileLineTest, FarewellThatPromisesMoreThanComesIsALossAfterTheGrace) {
  const UcxFarewell farewell{kUcxMagic, UINT64_MAX};
  const iovec piece{const_cast<UcxFarewell*>(&farewell), sizeof(farewell)};
  ASSERT_TRUE(SendAll(*control_, {&piece, 1}, Patience()).ok());
  EXPECT_TRUE(absl::IsUnavailable(VictimReceives()));
}

}  // namespace
}  // namespace xpool::transport
