#include "transport/emulated_link.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "transport/testing/channel_pairs.h"

namespace xpool::transport {
namespace {

// program <-> a [link] b <-> worker, with a clock that the test moves.
class EmulatedLinkTest : public testing::Test {
 protected:
  void Make(const EmulatedLinkOptions& options) {
    ChannelPair near = MakeUnixPair(), far = MakeUnixPair();
    program_ = std::move(near.left);
    worker_ = std::move(far.right);
    link_ = std::make_unique<EmulatedLink>(std::move(near.right), std::move(far.left), options, &clock_);
  }
  static void Send(Channel& channel, const std::string& text) {
    const iovec piece{const_cast<char*>(text.data()), text.size()};
    ASSERT_TRUE(SendAll(channel, {&piece, 1}, Deadline::Passed()).ok());
  }
  // What is there now; "closed" after the end.
  static std::string Receive(Channel& channel) {
    std::string text(100'000, '?');
    const absl::StatusOr<size_t> size = channel.Receive(std::as_writable_bytes(std::span(text)));
    return size.ok() ? text.substr(0, *size) : IsPeerClosed(size.status()) ? "closed" : size.status().ToString();
  }
  int64_t StepAt(int64_t now_ns) {
    clock_.Set(now_ns);
    return link_->Step();
  }

  ManualClock clock_;
  std::unique_ptr<Channel> program_, worker_;
  std::unique_ptr<EmulatedLink> link_;
};

TEST_F(EmulatedLinkTest, LatencyDelaysEachWay) {
  Make({.latency_ns = 1000});
  Send(*program_, "ping");
  EXPECT_EQ(StepAt(0), 1000);
  StepAt(999);
  EXPECT_EQ(Receive(*worker_), "");
  StepAt(1000);
  EXPECT_EQ(Receive(*worker_), "ping");
  Send(*worker_, "pong");
  EXPECT_EQ(StepAt(1500), 2500);
  EXPECT_EQ(Receive(*program_), "");
  StepAt(2500);
  EXPECT_EQ(Receive(*program_), "pong");
}

TEST_F(EmulatedLinkTest, BandwidthSpreadsBytesOverTime) {
  Make({.bytes_per_second = 1'000'000'000});  // a nanosecond for each
  Send(*program_, std::string(40'000, 'x'));
  StepAt(0);
  EXPECT_EQ(Receive(*worker_), "");
  std::string received;
  for (int64_t now_ns = 0; now_ns < 40'000; now_ns += 1000) {
    StepAt(now_ns);
    received += Receive(*worker_);
    EXPECT_LE(static_cast<int64_t>(received.size()), now_ns);
  }
  StepAt(40'000);
  received += Receive(*worker_);
  EXPECT_EQ(received, std::string(40'000, 'x'));
}

TEST_F(EmulatedLinkTest, FullQueueHoldsTheSenderBack) {
  Make({.latency_ns = kNsPerSec, .queue_bytes = 32 * kKiB});
  const std::string block(16 * kKiB, 'x');
  size_t sent = 0;
  for (int i = 0; i < 1000; ++i) {
    const iovec piece{const_cast<char*>(block.data()), block.size()};
    sent += program_->Send({&piece, 1}).value();
    StepAt(0);
  }
  EXPECT_LT(sent, 2 * kMiB);
}

TEST_F(EmulatedLinkTest, CutAtAByteDeliversThoseBeforeItAndClosesBothEnds) {
  Make({.cut_after_bytes = 6});
  Send(*program_, "abcd");
  StepAt(0);
  Send(*worker_, "efgh");
  StepAt(1);
  EXPECT_TRUE(link_->over());
  EXPECT_EQ(link_->delivered_bytes(), 6u);
  EXPECT_EQ(Receive(*worker_), "abcd");
  EXPECT_EQ(Receive(*program_), "ef");
  EXPECT_EQ(Receive(*worker_), "closed");
  EXPECT_EQ(Receive(*program_), "closed");
}

TEST_F(EmulatedLinkTest, CutAtATimeCloses) {
  Make({.cut_after_ns = 500});
  StepAt(499);
  EXPECT_FALSE(link_->over());
  EXPECT_EQ(Receive(*worker_), "");
  StepAt(500);
  EXPECT_EQ(Receive(*worker_), "closed");
}

TEST_F(EmulatedLinkTest, OutageHoldsBackAndLosesNothing) {
  Make({.cut_after_ns = 100, .outage_ns = 1000});
  Send(*program_, "before");
  StepAt(0);
  EXPECT_EQ(Receive(*worker_), "before");
  EXPECT_EQ(StepAt(100), 1100);
  Send(*program_, "during");
  StepAt(1099);
  EXPECT_EQ(Receive(*worker_), "");
  StepAt(1100);
  EXPECT_EQ(Receive(*worker_), "during");
  EXPECT_FALSE(link_->over());
}

TEST_F(EmulatedLinkTest, SeedDecidesTheCut) {
  const auto cut_of = [this](uint64_t seed) {
    Make({.cut_within_bytes = 1'000'000, .seed = seed});
    return link_->cut_byte();
  };
  EXPECT_EQ(cut_of(7), cut_of(7));
  EXPECT_NE(cut_of(7), cut_of(8));
  EXPECT_GE(cut_of(9), 1u);
  EXPECT_LE(cut_of(9), 1'000'000u);
}

// When each of a few messages arrives.
std::vector<std::string> Arrivals(const EmulatedLinkOptions& options, ManualClock* clock) {
  ChannelPair near = MakeUnixPair(), far = MakeUnixPair();
  clock->Set(0);
  EmulatedLink link(std::move(near.right), std::move(far.left), options, clock);
  std::vector<std::string> arrivals;
  for (int64_t now_ns = 0; now_ns < 4000; now_ns += 10) {
    if (now_ns % 100 == 0 && now_ns < 2000) {
      const char letter = static_cast<char>('a' + now_ns / 100);
      const iovec piece{const_cast<char*>(&letter), 1};
      if (!near.left->Send({&piece, 1}).ok()) return {};
    }
    clock->Set(now_ns);
    link.Step();
    char letters[32];
    const size_t size = far.right->Receive(std::as_writable_bytes(std::span(letters))).value();
    if (size > 0) arrivals.push_back(std::to_string(now_ns) + std::string(letters, size));
  }
  return arrivals;
}

TEST_F(EmulatedLinkTest, JitterIsTheSeedsAndKeepsOrder) {
  const EmulatedLinkOptions options{.latency_ns = 200, .jitter_ns = 900, .seed = 3};
  const std::vector<std::string> first = Arrivals(options, &clock_), again = Arrivals(options, &clock_);
  EXPECT_EQ(first, again);
  std::string letters;
  for (const std::string& arrival : first)
    for (const char letter : arrival)
      if (letter >= 'a') letters += letter;
  EXPECT_EQ(letters, "abcdefghijklmnopqrst");
}

TEST_F(EmulatedLinkTest, WhatIsOnTheWayArrivesAfterItsSenderHasGone) {
  Make({.latency_ns = 1000});
  Send(*program_, "last words");
  program_->Close();
  StepAt(0);
  EXPECT_EQ(Receive(*worker_), "");
  StepAt(1000);
  EXPECT_EQ(Receive(*worker_), "last words");
  EXPECT_EQ(Receive(*worker_), "closed");
}

}  // namespace
}  // namespace xpool::transport
