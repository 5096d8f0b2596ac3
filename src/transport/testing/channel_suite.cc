#include "transport/testing/channel_suite.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "base/bytes.h"

namespace xpool::transport {
namespace {

// Far beyond what any of these takes; a hang shows as this error and not as a killed test.
Deadline Patience() { return Deadline::After(Clock::Monotonic(), 60 * kNsPerSec); }

iovec Piece(std::span<const std::byte> bytes) { return {const_cast<std::byte*>(bytes.data()), bytes.size()}; }

absl::Status SendText(Channel& channel, const std::string& text) {
  const iovec piece{const_cast<char*>(text.data()), text.size()};
  return SendAll(channel, {&piece, 1}, Patience());
}

std::string ReceiveText(Channel& channel, size_t size) {
  std::string text(size, '?');
  const absl::Status status = ReceiveAll(channel, std::as_writable_bytes(std::span(text)), Patience());
  return status.ok() ? text : status.ToString();
}

// An endless stream of bytes that two sides know: a random block of a length that shares no factor with anything else.
class Pattern {
 public:
  static constexpr size_t kPeriod = 1'000'003;

  explicit Pattern(uint64_t seed) : block_(2 * kPeriod) {
    std::mt19937_64 random(seed);
    for (size_t i = 0; i < kPeriod; ++i) block_[i] = block_[i + kPeriod] = static_cast<std::byte>(random());
  }
  // REQUIRES: size <= kPeriod.
  std::span<const std::byte> At(uint64_t position, size_t size) const {
    return std::span(block_).subspan(position % kPeriod, size);
  }
  bool Matches(uint64_t position, std::span<const std::byte> bytes) const {
    return memcmp(At(position, bytes.size()).data(), bytes.data(), bytes.size()) == 0;
  }

 private:
  std::vector<std::byte> block_;
};

constexpr size_t kStep = 256 * kKiB;

absl::Status SendPattern(Channel& channel, const Pattern& pattern, uint64_t total) {
  for (uint64_t sent = 0; sent < total;) {
    const size_t size = std::min<uint64_t>(kStep, total - sent);
    const iovec piece = Piece(pattern.At(sent, size));
    const absl::Status status = SendAll(channel, {&piece, 1}, Patience());
    if (!status.ok()) return status;
    sent += size;
  }
  return absl::OkStatus();
}

absl::Status ReceivePattern(Channel& channel, const Pattern& pattern, uint64_t total, uint64_t start = 0) {
  std::vector<std::byte> buffer(kStep);
  for (uint64_t received = 0; received < total;) {
    const std::span<std::byte> part = std::span(buffer).first(std::min<uint64_t>(kStep, total - received));
    const absl::Status status = ReceiveAll(channel, part, Patience());
    if (!status.ok()) return status;
    if (!pattern.Matches(start + received, part)) return absl::InternalError("other bytes than were sent");
    received += part.size();
  }
  return absl::OkStatus();
}

// Receives until there is no more, and says how it ended.
absl::Status DrainUntilOver(Channel& channel) {
  std::vector<std::byte> buffer(kStep);
  while (true) {
    const absl::StatusOr<size_t> received = channel.Receive(buffer);
    if (!received.ok()) return received.status();
    if (*received > 0) continue;
    const absl::Status waited = channel.Wait(kToReceive, Patience());
    if (!waited.ok()) return waited;
  }
}

absl::Status SendUntilOver(Channel& channel) {
  const std::vector<std::byte> bytes(kStep);
  const iovec piece = Piece(bytes);
  while (true) {
    const absl::Status status = SendAll(channel, {&piece, 1}, Patience());
    if (!status.ok()) return status;
  }
}

TEST_P(ChannelSuite, PiecesArriveInOrderAndEmptyOnesAreNothing) {
  const std::string texts[] = {"abc", "", "defg", "h"};
  std::vector<iovec> pieces;
  for (const std::string& text : texts) pieces.push_back({const_cast<char*>(text.data()), text.size()});
  ASSERT_TRUE(SendAll(left(), pieces, Patience()).ok());
  EXPECT_EQ(ReceiveText(right(), 8), "abcdefgh");
  ASSERT_TRUE(SendText(right(), "back").ok());
  EXPECT_EQ(ReceiveText(left(), 4), "back");
}

TEST_P(ChannelSuite, NothingToReceiveIsZeroAndAWaitEndsAtItsDeadline) {
  std::byte byte;
  const absl::StatusOr<size_t> received = left().Receive({&byte, 1});
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(*received, 0u);
  EXPECT_EQ(left().Wait(kToReceive, Deadline::Passed()).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(left().Wait(kToSend, Patience()).ok());
  EXPECT_TRUE(left().Wait(kToBoth, Patience()).ok());
}

TEST_P(ChannelSuite, OneSendTakesMorePiecesThanTheKernelWouldAtOnce) {
  const Pattern pattern(1);
  std::vector<iovec> pieces;
  for (size_t i = 0; i < 1500; ++i) pieces.push_back(Piece(pattern.At(i * 2, 2)));
  const absl::StatusOr<size_t> sent = left().Send(pieces);
  ASSERT_TRUE(sent.ok()) << sent.status();
  ASSERT_GE(*sent, 2u);
  EXPECT_TRUE(ReceivePattern(right(), pattern, *sent).ok());
}

TEST_P(ChannelSuite, PeerThatReadsNothingHoldsTheSenderBackAndLosesNothing) {
  const Pattern pattern(2);
  constexpr uint64_t kTooMuch = 256 * kMiB;
  uint64_t sent = 0;
  while (sent < kTooMuch) {
    const iovec piece = Piece(pattern.At(sent, kStep));
    const absl::StatusOr<size_t> taken = left().Send({&piece, 1});
    ASSERT_TRUE(taken.ok()) << taken.status();
    sent += *taken;
    if (*taken == 0 && !left().Wait(kToSend, Deadline::After(Clock::Monotonic(), 100 * kNsPerMs)).ok()) break;
  }
  ASSERT_LT(sent, kTooMuch);
  ASSERT_GT(sent, 0u);
  std::thread flusher([this] { EXPECT_TRUE(SendAll(left(), {}, Patience()).ok()); });
  EXPECT_TRUE(ReceivePattern(right(), pattern, sent).ok());
  flusher.join();
  EXPECT_TRUE(left().Wait(kToSend, Patience()).ok());
  ASSERT_TRUE(SendText(left(), "go on").ok());
  EXPECT_EQ(ReceiveText(right(), 5), "go on");
}

TEST_P(ChannelSuite, RandomPiecesAndBuffersKeepEveryByte) {
  constexpr uint64_t kTotal = 8 * kMiB;
  const Pattern pattern(3);
  std::thread sender([&] {
    std::mt19937_64 random(4);
    for (uint64_t sent = 0; sent < kTotal;) {
      std::vector<iovec> pieces(random() % 40);
      for (iovec& piece : pieces) {
        const size_t most = size_t{1} << (random() % 18);
        const size_t size = std::min<uint64_t>(random() % most, kTotal - sent);
        piece = Piece(pattern.At(sent, size));
        sent += size;
      }
      ASSERT_TRUE(SendAll(left(), pieces, Patience()).ok());
    }
  });
  std::mt19937_64 random(5);
  std::vector<std::byte> buffer(kStep);
  for (uint64_t received = 0; received < kTotal;) {
    const size_t most = size_t{1} << (random() % 18);
    const absl::StatusOr<size_t> size = right().Receive(std::span(buffer).first(1 + random() % most));
    if (!size.ok() || !pattern.Matches(received, std::span(buffer).first(*size))) {
      ADD_FAILURE() << "at byte " << received << ": " << size.status();
      left().Close();
      break;
    }
    received += *size;
    if (*size == 0) {
      EXPECT_TRUE(right().Wait(kToReceive, Patience()).ok());
    }
  }
  sender.join();
}

// Left does both ways in one thread, as an event loop does; right has a thread for each.
TEST_P(ChannelSuite, SixtyFourMiBBothWaysAtOnce) {
  constexpr uint64_t kTotal = 64 * kMiB;
  const Pattern there(6), back(7);
  std::thread sender([&] { EXPECT_TRUE(SendPattern(right(), back, kTotal).ok()); });
  std::thread receiver([&] { EXPECT_TRUE(ReceivePattern(right(), there, kTotal).ok()); });
  std::vector<std::byte> buffer(kStep);
  uint64_t sent = 0, received = 0;
  bool flushed = false, good = true;
  while (good && (sent < kTotal || received < kTotal || !flushed)) {
    const iovec piece = Piece(there.At(sent, std::min<uint64_t>(kStep, kTotal - sent)));
    const absl::StatusOr<size_t> taken = left().Send({&piece, 1});
    const absl::StatusOr<size_t> come = left().Receive(std::span(buffer).first(std::min(kStep, kTotal - received)));
    const absl::StatusOr<bool> all = left().Flush();
    good = taken.ok() && come.ok() && all.ok() && back.Matches(received, std::span(buffer).first(*come));
    if (!good) break;
    sent += *taken;
    received += *come;
    flushed = *all;
    if (*taken == 0 && *come == 0 && (sent < kTotal || received < kTotal))
      good = left().Wait({received < kTotal, sent < kTotal}, Patience()).ok();
  }
  EXPECT_TRUE(good) << "after " << sent << " sent and " << received << " received";
  if (!good) left().Close();
  sender.join();
  receiver.join();
}

TEST_P(ChannelSuite, WhatWasSentBeforeCloseIsReceivedAndThenThePeerIsClosed) {
  constexpr uint64_t kTotal = 100 * kKiB;
  const Pattern pattern(8);
  std::thread receiver([&] {
    EXPECT_TRUE(ReceivePattern(right(), pattern, kTotal).ok());
    const absl::Status end = DrainUntilOver(right());
    EXPECT_TRUE(IsPeerClosed(end)) << end;
  });
  EXPECT_TRUE(SendPattern(left(), pattern, kTotal).ok());
  left().Close();
  receiver.join();
}

TEST_P(ChannelSuite, CloseEndsThePeersWaitToReceive) {
  std::thread waiting([this] {
    EXPECT_TRUE(SendText(right(), "!").ok());
    const absl::Status end = DrainUntilOver(right());
    EXPECT_TRUE(IsPeerClosed(end)) << end;
  });
  EXPECT_EQ(ReceiveText(left(), 1), "!");
  left().Close();
  waiting.join();
}

TEST_P(ChannelSuite, CloseEndsThePeersWaitToSend) {
  std::thread sending([this] {
    const absl::Status end = SendUntilOver(right());
    EXPECT_TRUE(IsStreamOver(end)) << end;
  });
  EXPECT_EQ(ReceiveText(left(), 1).size(), 1u);
  left().Close();
  sending.join();
}

TEST_P(ChannelSuite, CloseEndsTheWaitOfAnotherThreadOnThisSide) {
  std::thread waiting([this] {
    const iovec piece{const_cast<char*>("!"), 1};
    EXPECT_TRUE(left().Send({&piece, 1}).ok());  // SendAll would still look after the byte when it has been read
    const absl::Status end = DrainUntilOver(left());
    EXPECT_EQ(end.code(), absl::StatusCode::kCancelled) << end;
  });
  EXPECT_EQ(ReceiveText(right(), 1), "!");
  left().Close();
  waiting.join();
  EXPECT_EQ(left().Send({}).status().code(), absl::StatusCode::kCancelled);
  left().Close();
}

// SIGPIPE has its default action here, so a channel that raises it kills the test.
TEST_P(ChannelSuite, SendingToAClosedPeerIsAnErrorAndNoSignal) {
  ASSERT_EQ(signal(SIGPIPE, SIG_DFL), SIG_DFL);
  right().Close();
  const absl::Status end = SendUntilOver(left());
  EXPECT_TRUE(IsStreamOver(end)) << end;
}

TEST_P(ChannelSuite, PollForTellsWhenBytesHaveCome) {
  PollTarget target = left().PollFor(kToReceive);
  ASSERT_FALSE(target.ready);
  pollfd polled{target.fd, target.events, 0};
  EXPECT_EQ(poll(&polled, 1, 0), 0);
  ASSERT_TRUE(SendText(right(), "x").ok());
  std::byte byte;
  absl::StatusOr<size_t> received = 0;
  for (int round = 0; round < 100 && received.ok() && *received == 0; ++round) {
    target = left().PollFor(kToReceive);
    polled = {target.fd, target.events, 0};
    if (!target.ready) {
      EXPECT_EQ(poll(&polled, 1, 60'000), 1);
    }
    received = left().Receive({&byte, 1});
  }
  ASSERT_TRUE(received.ok()) << received.status();
  EXPECT_EQ(*received, 1u);
  EXPECT_EQ(byte, std::byte{'x'});
}

TEST_P(ChannelSuite, PollForBothWaysWakesForEither) {
  PollTarget target = left().PollFor(kToBoth);
  pollfd polled{target.fd, target.events, 0};
  EXPECT_TRUE(target.ready || poll(&polled, 1, 60'000) == 1);  // there is room
  left().Close();
  EXPECT_TRUE(left().PollFor(kToReceive).ready);
}

class DyingPeer {
 public:
  // The child holds |pair|'s right end (and copies of all the rest, which is why it must die for the end to be seen).
  explicit DyingPeer(ChannelPair* pair) : pid_(fork()) {
    if (pid_ == 0) {
      while (true) pause();
    }
    pair->right.reset();
  }
  void Kill() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  const pid_t pid_;
};

TEST_P(ChannelSuite, KilledPeerEndsAWaitToReceive) {
  ASSERT_TRUE(SendText(right(), "last words").ok());
  EXPECT_TRUE(left().Wait(kToReceive, Patience()).ok());
  DyingPeer peer(&pair_);
  absl::Status end;
  std::thread waiting([&] {
    EXPECT_EQ(ReceiveText(left(), 10), "last words");
    end = DrainUntilOver(left());
  });
  peer.Kill();
  waiting.join();
  EXPECT_TRUE(IsStreamOver(end)) << end;
}

TEST_P(ChannelSuite, KilledPeerEndsAWaitToSend) {
  DyingPeer peer(&pair_);
  absl::Status end;
  std::thread sending([&] { end = SendUntilOver(left()); });
  peer.Kill();
  sending.join();
  EXPECT_TRUE(IsStreamOver(end)) << end;
}

}  // namespace
}  // namespace xpool::transport
