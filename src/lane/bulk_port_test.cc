#include "lane/bulk_port.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <random>
#include <thread>

#include "transport/testing/channel_pairs.h"

namespace xpool::lane {
namespace {

using transport::Deadline;
using Bytes = std::vector<std::byte>;

Bytes Random(uint64_t seed, size_t size) {
  std::mt19937_64 random(seed);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = std::byte(random());
  return bytes;
}

// A port whose lane is read by a thread, over connections that come one after the other.
class Side {
 public:
  explicit Side(const wire::Limits& limits = {}) : port(limits, Clock::Monotonic()) {}
  ~Side() { Stop(); }

  void Connect(std::shared_ptr<transport::Channel> channel, uint64_t peer_received) {
    ASSERT_TRUE(port.lane().Connect(channel, peer_received).ok());
    ended = false;
    reader_ = std::thread([this, channel] {
      while (true) {
        const absl::StatusOr<size_t> received = port.Receive();
        if (!received.ok()) {
          status = received.status();
          ended = true;
          return;
        }
        if (*received == 0) channel->Wait(transport::kToReceive, Deadline::Never()).IgnoreError();
      }
    });
  }
  // Ends the connection.
  void Stop() {
    if (const auto channel = port.lane().channel(); channel != nullptr) channel->Close();
    Join();
  }
  void Join() {
    if (reader_.joinable()) reader_.join();
    port.lane().Disconnect();
  }

  // Sends and waits until the memory is released.
  void Send(uint64_t transfer, const Bytes& bytes) {
    std::promise<void> released;
    port.Send(transfer, bytes, [&] { released.set_value(); });
    while (!port.Pump(Deadline::Never()).ok()) std::this_thread::yield();
    released.get_future().wait();
  }
  // Expects and waits.
  absl::Status Receive(uint64_t transfer, Bytes* target) {
    std::promise<absl::Status> arrived;
    port.Expect(transfer, *target, [&](const absl::Status& status) { arrived.set_value(status); });
    return arrived.get_future().get();
  }

  BulkPort port;
  absl::Status status;  // what the reader ended with; to be looked at after Join() or Stop()
  std::atomic<bool> ended{false};

 private:
  std::thread reader_;
};

void ConnectBoth(Side* a, Side* b, transport::ChannelPair* pair) {
  const uint64_t a_received = a->port.lane().received(), b_received = b->port.lane().received();
  a->Connect(std::move(pair->left), b_received);
  b->Connect(std::move(pair->right), a_received);
}

TEST(BulkPortTest, TransfersArriveOnEveryTransport) {
  const Bytes source = Random(1, 3'000'000);
  for (const auto& make : {+[] { return transport::MakeUnixPair(); }, +[] { return transport::MakeTcpPair(); },
                           +[] { return transport::MakeRingPair(); }}) {
    transport::ChannelPair pair = make();
    Side a, b;
    ConnectBoth(&a, &b, &pair);
    Bytes target(source.size());
    std::thread sender([&] { a.Send(7, source); });
    EXPECT_TRUE(b.Receive(7, &target).ok());
    sender.join();
    EXPECT_EQ(source, target);
  }
}

TEST(BulkPortTest, PartsArriveAsOneTransferAndEachIsWaitedFor) {
  transport::ChannelPair pair = transport::MakeUnixPair();
  Side a, b;
  ConnectBoth(&a, &b, &pair);
  const Bytes source = Random(4, 2'500'000);
  Bytes target(source.size());
  std::promise<absl::Status> arrived;
  b.port.Expect(9, target, [&](const absl::Status& status) { arrived.set_value(status); });
  a.port.Announce(9, source.size());
  Bytes part;  // the same memory for each
  for (size_t at = 0; at < source.size(); at += part.size()) {
    part.assign(source.begin() + at, source.begin() + std::min(at + 1'000'000, source.size()));
    ASSERT_TRUE(a.port.SendPart(part).ok());
  }
  EXPECT_TRUE(arrived.get_future().get().ok());
  EXPECT_EQ(source, target);
}

TEST(BulkPortTest, PartsSurviveALostConnection) {
  transport::ChannelPair first = transport::MakeUnixPair();
  Side a, b;
  ConnectBoth(&a, &b, &first);
  const Bytes source = Random(5, 20'000'000);  // more than there is credit for
  Bytes target(source.size());
  std::promise<absl::Status> arrived;
  b.port.Expect(9, target, [&](const absl::Status& status) { arrived.set_value(status); });
  a.port.Announce(9, source.size());
  std::thread sender([&] {
    for (size_t at = 0; at < source.size(); at += 5'000'000)
      EXPECT_TRUE(a.port.SendPart(std::span(source).subspan(at, 5'000'000)).ok());
  });
  while (b.port.lane().traffic().received_bytes < 7'000'000) std::this_thread::yield();
  a.Stop();
  b.Stop();
  transport::ChannelPair second = transport::MakeUnixPair();
  ConnectBoth(&a, &b, &second);
  sender.join();
  EXPECT_TRUE(arrived.get_future().get().ok());
  EXPECT_EQ(source, target);
}

TEST(BulkPortTest, PartEndsWhenTheSessionDoes) {
  Side a;
  const Bytes part(1000);
  a.port.Announce(9, 5000);
  std::thread failing([&] { a.port.Fail(absl::AbortedError("over")); });
  EXPECT_TRUE(absl::IsAborted(a.port.SendPart(part)));
  failing.join();
}

TEST(BulkPortTest, TransferIsHeldUntilItIsExpected) {
  transport::ChannelPair pair = transport::MakeUnixPair();
  Side a, b;
  ConnectBoth(&a, &b, &pair);
  const Bytes small = Random(1, 1000), large = Random(2, 20'000'000);  // more than there is credit for
  std::thread sender([&] {
    a.Send(1, small);
    a.Send(2, large);
  });
  while (b.port.lane().traffic().received_bytes < 1'000'000) std::this_thread::yield();
  Bytes small_target(small.size()), large_target(large.size());
  EXPECT_TRUE(b.Receive(2, &large_target).ok());
  EXPECT_TRUE(b.Receive(1, &small_target).ok());
  sender.join();
  EXPECT_EQ(large_target, large);
  EXPECT_EQ(small_target, small);
}

TEST(BulkPortTest, TransferOfAnotherSizeIsRefusedEitherWayRound) {
  {
    transport::ChannelPair pair = transport::MakeUnixPair();
    Side a, b;
    ConnectBoth(&a, &b, &pair);
    Bytes target(99);
    b.port.Expect(1, target, [](const absl::Status&) {});
    const Bytes source(100);
    a.port.Send(1, source, [] {});
    a.port.lane().Flush();
    b.Join();
    EXPECT_TRUE(absl::IsInvalidArgument(b.status)) << b.status;
  }
  transport::ChannelPair pair = transport::MakeUnixPair();
  Side a, b;
  ConnectBoth(&a, &b, &pair);
  a.Send(1, Bytes(100));
  Bytes target(99);
  EXPECT_TRUE(absl::IsInvalidArgument(b.Receive(1, &target)));
}

TEST(BulkPortTest, DataOutsideOfATransferIsRefused) {
  transport::ChannelPair pair = transport::MakeUnixPair();
  Side a, b;
  ConnectBoth(&a, &b, &pair);
  const Bytes data(10);
  {
    Lane::Sending sending(&a.port.lane());
    sending.PostBorrowed(wire::FrameKind::kBulk, 0, data);
    sending.Settle(Lane::Urgency::kNow);
  }
  b.Join();
  EXPECT_TRUE(absl::IsInvalidArgument(b.status)) << b.status;
}

// The parser may be in the middle of receiving to the first target.
TEST(BulkPortTest, TransferNamedTwiceIsRefusedAndStaysWhereItWas) {
  transport::ChannelPair pair = transport::MakeUnixPair();
  Side a, b;
  Bytes first(100), second(100);
  absl::Status to_first, to_second;
  b.port.Expect(1, first, [&](const absl::Status& status) { to_first = status; });
  b.port.Expect(1, second, [&](const absl::Status& status) { to_second = status; });
  b.port.Discard(1);
  EXPECT_TRUE(to_first.ok()) << "called";
  EXPECT_TRUE(absl::IsInvalidArgument(to_second)) << to_second;
  ConnectBoth(&a, &b, &pair);
  b.Join();
  EXPECT_TRUE(absl::IsInvalidArgument(b.status)) << b.status;
  b.port.Fail(absl::CancelledError("over"));
  EXPECT_TRUE(absl::IsCancelled(to_first)) << to_first;
}

TEST(BulkPortTest, TransfersUnderWayHaveABound) {
  Side a;
  std::byte target;
  size_t refused = 0;
  for (uint64_t transfer = 1; transfer <= BulkPort::kMostTransfers + 1; ++transfer)
    a.port.Expect(transfer, {&target, 1}, [&](const absl::Status& status) { refused += !status.ok(); });
  EXPECT_EQ(refused, 1u);
  EXPECT_TRUE(absl::IsResourceExhausted(a.port.Receive().status()));
}

TEST(BulkPortTest, EndOfTheSessionEndsAllThatIsUnderWay) {
  transport::ChannelPair pair = transport::MakeUnixPair();
  Side a;
  a.Connect(std::move(pair.left), 0);
  Bytes target(100);
  const Bytes source(100);
  absl::Status arrived;
  int released = 0;
  a.port.Expect(1, target, [&](const absl::Status& status) { arrived = status; });
  a.port.Send(2, source, [&] { ++released; });
  a.Stop();
  a.port.Fail(absl::UnavailableError("lost"));
  EXPECT_TRUE(absl::IsUnavailable(arrived));
  EXPECT_EQ(released, 1);
  arrived = absl::OkStatus();
  a.port.Expect(3, target, [&](const absl::Status& status) { arrived = status; });
  a.port.Send(4, source, [&] { ++released; });
  EXPECT_TRUE(absl::IsUnavailable(arrived));
  EXPECT_EQ(released, 2);
  EXPECT_TRUE(absl::IsUnavailable(a.port.Pump(Deadline::Never())));
}

// Transfers both ways at once over connections that are cut at random bytes.
TEST(BulkPortPropertyTest, TransfersSurviveCuts) {
  constexpr uint64_t kTransfers = 12;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(seed);
    wire::Limits limits;
    limits.max_frame_bytes = limits.max_chunk_bytes = 16 * 1024;
    limits.max_inline_bytes = 1024;
    limits.credit_bytes = limits.resend_bytes = 100 * 1024;
    Side sides[2] = {Side(limits), Side(limits)};
    std::vector<Bytes> sources[2], targets[2];
    for (uint64_t i = 0; i < kTransfers; ++i) {
      for (const int side : {0, 1}) {
        sources[side].push_back(Random(seed * 100 + i, 1 + (i * 7919 * seed) % 200'000));
        targets[side].push_back(Bytes(sources[side].back().size()));
      }
    }
    std::vector<std::thread> threads;
    std::atomic<int> left = 4;
    for (const int side : {0, 1}) {
      threads.emplace_back([&, side] {
        for (uint64_t i = 0; i < kTransfers; ++i) sides[side].Send(i + 1, sources[side][i]);
        --left;
      });
      threads.emplace_back([&, side] {
        for (uint64_t i = 0; i < kTransfers; ++i) EXPECT_TRUE(sides[1 - side].Receive(i + 1, &targets[side][i]).ok());
        --left;
      });
    }
    std::mt19937_64 random(seed);
    for (int connection = 0; left > 0; ++connection) {
      transport::EmulatedLinkOptions options;
      options.seed = random();
      options.cut_within_bytes = connection < 20 ? 400'000 : 0;
      transport::ChannelPair pair = transport::MakeEmulatedPair(options);
      ConnectBoth(&sides[0], &sides[1], &pair);
      while (left > 0 && pair.link != nullptr) {  // until it is cut: then both readers end
        const auto channel = sides[0].port.lane().channel();
        if (channel == nullptr ||
            channel->Wait(transport::kToSend, Deadline::Passed()).code() == absl::StatusCode::kCancelled) {
          break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        if (options.cut_within_bytes > 0 && sides[0].ended) break;
      }
      for (Side& side : sides) side.Stop();
    }
    for (std::thread& thread : threads) thread.join();
    for (const int side : {0, 1}) EXPECT_EQ(sources[side], targets[side]);
  }
}

}  // namespace
}  // namespace xpool::lane
