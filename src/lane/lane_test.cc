#include "lane/lane.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "transport/testing/channel_pairs.h"

namespace xpool::lane {
namespace {

using wire::FrameKind;
using wire::LaneKind;

constexpr uint16_t kCall = 7;

absl::Status Write(wire::Writer& writer, const std::string& text) {
  writer.Raw(std::as_bytes(std::span(text)));
  return absl::OkStatus();
}

std::string Text(const wire::Frame& frame) {
  return std::string(reinterpret_cast<const char*>(frame.payload.data()), frame.payload.size());
}

// One side of a lane, and what it has received.
struct Side {
  explicit Side(LaneKind kind = LaneKind::kCalls, const wire::Limits& limits = {},
                const Clock* clock = Clock::Monotonic(), Lane::Placement placement = nullptr)
      : lane(kind, limits, clock, std::move(placement)) {}

  uint64_t Post(const std::string& text) {
    return *lane.PostNow(FrameKind::kCall, kCall, 0, [&](wire::Writer& writer) { return Write(writer, text); });
  }
  absl::StatusOr<size_t> Receive() {
    return lane.Receive([this](const wire::Frame& frame) {
      received.push_back(Text(frame));
      sequences.push_back(frame.header.sequence);
      return absl::OkStatus();
    });
  }
  // Until |count| frames have come.
  void ReceiveUntil(size_t count) {
    while (received.size() < count) {
      const absl::StatusOr<size_t> got = Receive();
      ASSERT_TRUE(got.ok()) << got.status();
      if (*got == 0) lane.channel()->Wait(transport::kToReceive, transport::Deadline::Never()).IgnoreError();
    }
  }

  Lane lane;
  std::vector<std::string> received;
  std::vector<uint64_t> sequences;
};

// Gives each side an end of a new connection.
void ConnectBoth(Side* a, Side* b, transport::ChannelPair pair) {
  const uint64_t a_received = a->lane.received(), b_received = b->lane.received();
  ASSERT_TRUE(a->lane.Connect(std::move(pair.left), b_received).ok());
  ASSERT_TRUE(b->lane.Connect(std::move(pair.right), a_received).ok());
}

TEST(LaneTest, FramesArriveInOrderOnEveryTransport) {
  for (transport::ChannelPair (*make)() : {&transport::MakeUnixPair, &transport::MakeTcpPair}) {
    Side a, b;
    ConnectBoth(&a, &b, make());
    for (const char* text : {"one", "", "three"}) a.Post(text);
    b.ReceiveUntil(3);
    EXPECT_EQ(b.received, (std::vector<std::string>{"one", "", "three"}));
    EXPECT_EQ(b.sequences, (std::vector<uint64_t>{1, 2, 3}));
    b.Post("back");
    a.ReceiveUntil(1);
    EXPECT_EQ(a.received.front(), "back");
  }
}

TEST(LaneTest, FrameThatCannotBeEncodedLeavesNoTrace) {
  Side a, b;
  ConnectBoth(&a, &b, transport::MakeUnixPair());
  const auto refused = a.lane.PostNow(FrameKind::kCall, kCall, 0, [](wire::Writer& writer) {
    writer.U64(1);
    return absl::InvalidArgumentError("no");
  });
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  const std::string huge(wire::Limits{}.max_frame_bytes + 1, 'x');
  EXPECT_TRUE(absl::IsResourceExhausted(
      a.lane.PostNow(FrameKind::kCall, kCall, 0, [&](wire::Writer& w) { return Write(w, huge); }).status()));
  EXPECT_EQ(a.Post("good"), 1u);
  b.ReceiveUntil(1);
  EXPECT_EQ(b.received.front(), "good");
}

TEST(LaneTest, FramesInARushTravelTogetherAndNotLate) {
  ManualClock clock;
  clock.Set(kNsPerSec);
  Side a(LaneKind::kCalls, {}, &clock), b;
  ConnectBoth(&a, &b, transport::MakeUnixPair());
  clock.Advance(Lane::kCoalesceNs);
  const auto post = [&](const std::string& text) {
    Lane::Sending sending(&a.lane);
    EXPECT_TRUE(sending.Post(FrameKind::kCall, kCall, 0, [&](wire::Writer& w) { return Write(w, text); }).ok());
    return sending.Settle(Lane::Urgency::kSoon);
  };
  EXPECT_TRUE(post("first"));  // the lane was idle
  b.ReceiveUntil(1);
  EXPECT_FALSE(post("second"));  // for somebody to flush
  EXPECT_TRUE(post("third"));    // ... who knows already
  EXPECT_EQ(*b.Receive(), 0u);
  a.lane.FlushDue();
  EXPECT_EQ(*b.Receive(), 0u);
  clock.Advance(Lane::kCoalesceNs);
  a.lane.FlushDue();
  b.ReceiveUntil(3);
  EXPECT_EQ(b.received.back(), "third");
}

TEST(LaneTest, ReceiverThatUsesNothingHoldsItsSenderBack) {
  wire::Limits limits;
  limits.max_frame_bytes = limits.max_chunk_bytes = 16 * 1024;
  limits.max_inline_bytes = 1024;
  limits.credit_bytes = 20 * 1024;
  Side a(LaneKind::kCalls, limits), b(LaneKind::kCalls, limits);
  ConnectBoth(&a, &b, transport::MakeUnixPair());
  const std::string big(8 * 1024 - 16, 'x');
  for (int i = 0; i < 4; ++i) a.Post(big);
  uint64_t kept = 0;
  const auto keep = [&](const wire::Frame& frame) {
    b.lane.KeepCredit();
    kept += wire::kFrameHeaderBytes + frame.payload.size();
    return absl::OkStatus();
  };
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(b.lane.Receive(keep).ok());
  EXPECT_EQ(kept, 16u * 1024);  // as much as there was credit for
  b.lane.Consumed(kept);
  ASSERT_TRUE(a.Receive().ok());  // the grant
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(b.lane.Receive(keep).ok());
  EXPECT_EQ(kept, 32u * 1024);
}

TEST(LaneTest, PeerThatIgnoresCreditIsRefused) {
  wire::Limits generous;
  wire::Limits strict = generous;
  strict.credit_bytes = wire::kFrameHeaderBytes + strict.max_frame_bytes;
  Side cheat(LaneKind::kCalls, generous), b(LaneKind::kCalls, strict);
  ConnectBoth(&cheat, &b, transport::MakeUnixPair());
  std::thread flood([&] {
    const std::string big(generous.max_frame_bytes, 'x');
    for (int i = 0; i < 3; ++i) cheat.Post(big);
    while (cheat.lane.blocked()) cheat.lane.Flush();
  });
  absl::Status status;
  const auto keep = [&](const wire::Frame&) {
    b.lane.KeepCredit();
    return absl::OkStatus();
  };
  while (status.ok()) {
    b.lane.channel()->Wait(transport::kToReceive, transport::Deadline::Never()).IgnoreError();
    status = b.lane.Receive(keep).status();
  }
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  b.lane.Disconnect();
  flood.join();
}

TEST(LaneTest, GoodbyeIsTheEndAndSaysWhy) {
  Side a, b;
  ConnectBoth(&a, &b, transport::MakeUnixPair());
  a.Post("last");
  a.lane.SayGoodbye(absl::ResourceExhaustedError("out of memory"));
  a.Post("never sent");
  absl::Status status;
  while (status.ok()) status = b.Receive().status();
  EXPECT_TRUE(absl::IsAborted(status));
  EXPECT_EQ(status.message(), "out of memory");
  EXPECT_EQ(b.received, std::vector<std::string>{"last"});
}

TEST(LaneTest, PingMeasuresTheRoundTrip) {
  ManualClock clock;
  clock.Set(5);
  Side a(LaneKind::kCalls, {}, &clock), b;
  ConnectBoth(&a, &b, transport::MakeUnixPair());
  a.lane.SendPing();
  ASSERT_TRUE(b.Receive().ok());
  clock.Advance(1234);
  ASSERT_TRUE(a.Receive().ok());
  EXPECT_EQ(a.lane.traffic().round_trip_ns, 1234);
  EXPECT_EQ(a.lane.last_heard_ns(), 1239);
}

// A peer that writes to a lane as it likes, and reads when it likes.
class Stranger {
 public:
  explicit Stranger(std::unique_ptr<transport::Channel> channel) : channel_(std::move(channel)) {}

  // All that is in |writer|.
  void Send(const wire::Writer& writer) {
    const iovec piece{const_cast<std::byte*>(writer.buffer().data()), writer.size()};
    ASSERT_TRUE(SendAll(*channel_, {&piece, 1}, transport::Deadline::Never()).ok());
  }
  // The cookies of all Pongs that have come.
  std::vector<uint64_t> Pongs() {
    std::vector<std::byte> buffer(64 * 1024);
    std::vector<uint64_t> cookies;
    while (true) {
      const absl::StatusOr<size_t> got = channel_->Receive(buffer);
      if (!got.ok() || *got == 0) return cookies;
      std::span<const std::byte> input = std::span(buffer).first(*got);
      while (true) {
        const auto frame = parser_.Next(&input);
        if (!frame.ok() || !frame->has_value()) break;
        const auto pong = wire::ReadControl<wire::Pong>(**frame);
        if (pong.ok()) cookies.push_back(pong->cookie);
      }
    }
  }

 private:
  const std::unique_ptr<transport::Channel> channel_;
  wire::FrameParser parser_{wire::kMaxHelloBytes};
};

TEST(LaneTest, WhatAPeerAsksForAndDoesNotReadHasABound) {
  transport::ChannelPair pair = transport::MakeUnixPair();
  Stranger stranger(std::move(pair.left));
  Side b;
  ASSERT_TRUE(b.lane.Connect(std::move(pair.right), 0).ok());
  constexpr uint64_t kPings = 200'000;
  wire::Writer writer;
  for (uint64_t cookie = 1; cookie <= kPings; ++cookie) {
    writer.Clear();
    WriteControl(&writer, wire::Ping{cookie});
    stranger.Send(writer);
    ASSERT_TRUE(b.Receive().ok());
  }
  EXPECT_TRUE(b.lane.blocked());
  std::vector<uint64_t> pongs;
  while (b.lane.blocked()) {
    const std::vector<uint64_t> more = stranger.Pongs();
    pongs.insert(pongs.end(), more.begin(), more.end());
    b.lane.Flush();
  }
  const std::vector<uint64_t> rest = stranger.Pongs();
  pongs.insert(pongs.end(), rest.begin(), rest.end());
  EXPECT_LT(pongs.size(), kPings / 4);  // what fits into the connection, and one
  EXPECT_EQ(pongs.back(), kPings);
}

TEST(LaneTest, PongThatNobodyAskedForDoesNoHarm) {
  ManualClock clock;
  clock.Set(5);
  transport::ChannelPair pair = transport::MakeUnixPair();
  Stranger stranger(std::move(pair.left));
  Side b(LaneKind::kCalls, {}, &clock);
  ASSERT_TRUE(b.lane.Connect(std::move(pair.right), 0).ok());
  wire::Writer writer;
  for (const uint64_t cookie : {uint64_t{6}, uint64_t{1} << 63, ~uint64_t{0}})
    WriteControl(&writer, wire::Pong{cookie});
  stranger.Send(writer);
  EXPECT_TRUE(b.Receive().ok());
  EXPECT_GE(b.lane.traffic().round_trip_ns, 0);
}

TEST(LaneTest, FrameOfTheOtherLaneIsRefused) {
  Side a(LaneKind::kBulk), b(LaneKind::kCalls);
  ConnectBoth(&a, &b, transport::MakeUnixPair());
  ASSERT_TRUE(a.lane.PostNow(FrameKind::kBulk, 0, 0, [](wire::Writer& w) { return Write(w, "data"); }).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(b.Receive().status()));
}

TEST(LaneTest, LostConnectionIsToldFromABrokenPeer) {
  Side a, b;
  ConnectBoth(&a, &b, transport::MakeUnixPair());
  a.lane.Disconnect();
  absl::StatusOr<size_t> got = b.Receive();
  while (got.ok()) got = b.Receive();
  EXPECT_TRUE(IsConnectionLost(got.status()));
  b.lane.Disconnect();
  EXPECT_FALSE(IsConnectionLost(b.Receive().status()));  // there is none to lose
  EXPECT_FALSE(b.lane.connected());
}

TEST(LaneTest, WhatIsPostedWithoutAConnectionGoesOutOnTheNext) {
  Side a, b;
  ConnectBoth(&a, &b, transport::MakeUnixPair());
  a.lane.Disconnect();
  b.lane.Disconnect();
  EXPECT_EQ(a.Post("kept"), 1u);
  ConnectBoth(&a, &b, transport::MakeUnixPair());
  b.ReceiveUntil(1);
  EXPECT_EQ(b.received.front(), "kept");
}

TEST(LaneTest, BulkDataIsReceivedWhereItBelongs) {
  std::vector<std::byte> target(300 * 1024);
  size_t placed = 0;
  const auto placement = [&](const wire::FrameHeader& header) {
    return std::span(target).subspan(placed, header.length);
  };
  Side a(LaneKind::kBulk), b(LaneKind::kBulk, {}, Clock::Monotonic(), placement);
  ConnectBoth(&a, &b, transport::MakeUnixPair());
  std::vector<std::byte> source(target.size());
  std::mt19937 random(1);
  for (std::byte& byte : source) byte = std::byte(random());
  std::thread sender([&] {
    {
      Lane::Sending sending(&a.lane);
      for (size_t at = 0; at < source.size(); at += 100 * 1024)
        sending.PostBorrowed(FrameKind::kBulk, 0, std::span(source).subspan(at, 100 * 1024));
      sending.Settle(Lane::Urgency::kNow);
    }
    while (a.lane.unsent_bytes() > 0) a.lane.Flush();
  });
  size_t copied = 0;
  while (placed < target.size()) {
    b.lane.channel()->Wait(transport::kToReceive, transport::Deadline::Never()).IgnoreError();
    ASSERT_TRUE(b.lane
                    .Receive([&](const wire::Frame& frame) {
                      copied += frame.payload.data() != target.data() + placed;
                      placed += frame.payload.size();
                      b.lane.HurryAck();
                      return absl::OkStatus();
                    })
                    .ok());
  }
  sender.join();
  EXPECT_EQ(copied, 0u);
  EXPECT_EQ(source, target);
  while (a.lane.acknowledged() < 3) ASSERT_TRUE(a.Receive().ok());
}

// The connection is cut at random bytes, again and again, while both sides send; a failure names its seed.
TEST(LanePropertyTest, EverythingArrivesOnceAndInOrderWhateverIsCut) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    wire::Limits limits;
    limits.max_frame_bytes = limits.max_chunk_bytes = 16 * 1024;
    limits.max_inline_bytes = 1024;
    limits.credit_bytes = limits.resend_bytes = 40 * 1024;
    Side sides[2] = {Side(LaneKind::kCalls, limits), Side(LaneKind::kCalls, limits)};
    std::vector<std::string> sent[2];
    int connections = 0;
    while (sides[0].received.size() < 200 || sides[1].received.size() < 200) {
      transport::EmulatedLinkOptions options;
      options.seed = random();
      options.cut_within_bytes = ++connections < 30 ? 60'000 : 0;
      ConnectBoth(&sides[0], &sides[1], transport::MakeEmulatedPair(options));
      bool lost = false;
      while (!lost && (sides[0].received.size() < 200 || sides[1].received.size() < 200)) {
        for (const int i : {0, 1}) {
          if (sent[i].size() < 200 && sides[i].lane.HasRoom()) {
            sent[i].push_back(std::string(random() % 1500, static_cast<char>('a' + random() % 26)));
            sides[i].Post(sent[i].back());
          }
          if (sides[i].lane.blocked()) sides[i].lane.Flush();
          const absl::StatusOr<size_t> got = sides[i].Receive();
          ASSERT_TRUE(got.ok() || IsConnectionLost(got.status())) << got.status();
          lost |= !got.ok();
        }
      }
      for (Side& side : sides) side.lane.Disconnect();
    }
    EXPECT_EQ(sides[0].received, sent[1]);
    EXPECT_EQ(sides[1].received, sent[0]);
    EXPECT_GT(connections, 2);
  }
}

}  // namespace
}  // namespace xpool::lane
