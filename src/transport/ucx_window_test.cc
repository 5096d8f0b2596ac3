#include "transport/ucx_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "base/bytes.h"

namespace xpool::transport {
namespace {

constexpr size_t kWindowBytes = 4 * kKiB;
constexpr size_t kMessageBytes = kWindowBytes / kUcxMessagesPerWindow;
constexpr uint64_t kFarBeyond = std::numeric_limits<uint64_t>::max();

size_t Take(UcxSendWindow* window, size_t size) {
  std::string bytes(size, 'x');
  const iovec piece{bytes.data(), size};
  PieceCursor left({&piece, 1});
  return window->Take(&left);
}

// Sends all that may be sent; the messages' slots.
std::vector<size_t> SendAllOf(UcxSendWindow* window) {
  std::vector<size_t> slots;
  while (const auto message = window->Next()) slots.push_back(message->slot);
  return slots;
}

TEST(UcxSendWindowTest, TakesAWindowAndNoMoreUntilThePeerHasConsumedSome) {
  UcxSendWindow window(kWindowBytes);
  EXPECT_EQ(Take(&window, 2 * kWindowBytes), kWindowBytes);
  EXPECT_EQ(Take(&window, 1), 0u);
  EXPECT_FALSE(window.HasQuarterFree());
  for (const size_t slot : SendAllOf(&window)) window.Sent(slot);
  EXPECT_EQ(Take(&window, 1), 0u);
  ASSERT_TRUE(window.Consumed(2).ok());
  EXPECT_TRUE(window.HasQuarterFree());
  EXPECT_EQ(Take(&window, kWindowBytes), 2 * kMessageBytes);
}

TEST(UcxSendWindowTest, BytesStayUntilTheMessageHasLeftEvenIfThePeerClaimsToHaveConsumedIt) {
  UcxSendWindow window(kWindowBytes);
  Take(&window, kWindowBytes);
  const std::vector<size_t> slots = SendAllOf(&window);
  ASSERT_TRUE(window.Consumed(slots.size()).ok());
  EXPECT_EQ(window.Room(), 0u);
  window.Sent(slots[1]);
  EXPECT_EQ(window.Room(), 0u);
  window.Sent(slots[0]);
  EXPECT_EQ(window.Room(), 2 * kMessageBytes);
}

TEST(UcxSendWindowTest, SmallPiecesBeyondTheMostMessagesLeaveTogether) {
  UcxSendWindow window(kWindowBytes);
  for (size_t i = 0; i < kMostUcxMessages + 10; ++i) {
    ASSERT_EQ(Take(&window, 1), 1u);
    if (const auto message = window.Next()) window.Sent(message->slot);
  }
  EXPECT_FALSE(window.AllSent());
  ASSERT_TRUE(window.Consumed(1).ok());
  const auto message = window.Next();
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->bytes.size(), 10u);
  EXPECT_FALSE(window.AllSent());
  window.Sent(message->slot);
  EXPECT_TRUE(window.AllSent());
}

TEST(UcxSendWindowTest, PeerThatConsumesWhatWasNotSentIsBroken) {
  UcxSendWindow window(kWindowBytes);
  Take(&window, 10);
  EXPECT_TRUE(absl::IsDataLoss(window.Consumed(1)));
  SendAllOf(&window);
  EXPECT_TRUE(window.Consumed(1).ok());
  EXPECT_TRUE(window.Consumed(0).ok());  // told late
  EXPECT_TRUE(absl::IsDataLoss(window.Consumed(kFarBeyond)));
}

TEST(UcxReceiveWindowTest, HandsOutInOrderWhatArrivesInAnyOrder) {
  UcxReceiveWindow window(kWindowBytes);
  const auto second = window.Expect(3, 3).value(), first = window.Expect(0, 3).value();
  memcpy(second.bytes.data(), "def", 3);
  window.Arrived(second.slot);
  std::string text(6, '?');
  const auto buffer = std::as_writable_bytes(std::span(text));
  EXPECT_FALSE(window.HasBytes());
  EXPECT_EQ(window.Read(buffer), 0u);
  EXPECT_EQ(window.arrived(), 0u);
  memcpy(first.bytes.data(), "abc", 3);
  window.Arrived(first.slot);
  EXPECT_EQ(window.arrived(), 6u);
  EXPECT_EQ(window.Read(buffer.first(4)), 4u);
  EXPECT_EQ(window.consumed_messages(), 1u);
  EXPECT_EQ(window.Read(buffer.subspan(4)), 2u);
  EXPECT_EQ(window.consumed_messages(), 2u);
  EXPECT_EQ(text, "abcdef");
}

TEST(UcxReceiveWindowTest, MessagesThatCannotBeAreRefused) {
  UcxReceiveWindow window(kWindowBytes);
  ASSERT_TRUE(window.Expect(100, 100).ok());
  EXPECT_FALSE(window.Expect(0, 0).ok());                 // nothing
  EXPECT_FALSE(window.Expect(0, kWindowBytes + 1).ok());  // more than the window
  EXPECT_FALSE(window.Expect(1, kWindowBytes).ok());      // beyond its end
  EXPECT_FALSE(window.Expect(kWindowBytes, 1).ok());      // behind it
  EXPECT_FALSE(window.Expect(kFarBeyond, 2).ok());        // around the end of numbers
  EXPECT_FALSE(window.Expect(2, kFarBeyond).ok());        //
  EXPECT_FALSE(window.Expect(100, 100).ok());             // the same again
  EXPECT_FALSE(window.Expect(0, 101).ok());               // over its beginning
  EXPECT_FALSE(window.Expect(199, 10).ok());              // over its end
  EXPECT_FALSE(window.Expect(110, 10).ok());              // into it
  EXPECT_TRUE(absl::IsDataLoss(window.Expect(110, 10).status()));
  EXPECT_TRUE(window.Expect(0, 100).ok());
  EXPECT_TRUE(window.Expect(200, 1).ok());
}

TEST(UcxReceiveWindowTest, MessageAcrossTheRingsEndIsRefused) {
  UcxReceiveWindow window(kWindowBytes);
  std::vector<std::byte> buffer(kWindowBytes);
  window.Arrived(window.Expect(0, 100).value().slot);
  ASSERT_EQ(window.Read(buffer), 100u);
  EXPECT_FALSE(window.Expect(100, kWindowBytes).ok());
  EXPECT_TRUE(window.Expect(100, kWindowBytes - 100).ok());
  EXPECT_FALSE(window.Expect(50, 10).ok());  // was read
}

TEST(UcxReceiveWindowTest, MoreMessagesThanAllowedAreRefused) {
  UcxReceiveWindow window(kWindowBytes);
  for (size_t i = 0; i < kMostUcxMessages; ++i) ASSERT_TRUE(window.Expect(i, 1).ok());
  EXPECT_FALSE(window.Expect(kMostUcxMessages, 1).ok());
}

// Both ends with messages that leave, arrive and are told of in random order: every byte comes out as it went in.
TEST(UcxWindowTest, RandomOrderKeepsEveryByte) {
  std::mt19937_64 random(1);
  UcxSendWindow out(kWindowBytes);
  UcxReceiveWindow in(kWindowBytes);
  struct Arriving {
    size_t from, to;
  };
  std::vector<Arriving> under_way;
  uint64_t sent = 0, received = 0;
  while (received < 100 * kWindowBytes) {
    std::vector<uint8_t> bytes(random() % 700);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>((sent + i) * 7 % 251);
    const iovec piece{bytes.data(), bytes.size()};
    PieceCursor left({&piece, 1});
    sent += out.Take(&left);
    while (const auto message = out.Next()) {
      const auto place = in.Expect(message->position, message->bytes.size()).value();
      std::copy(message->bytes.begin(), message->bytes.end(), place.bytes.begin());
      under_way.push_back({message->slot, place.slot});
    }
    std::shuffle(under_way.begin(), under_way.end(), random);
    for (size_t some = under_way.empty() ? 0 : 1 + random() % under_way.size(); some > 0; --some) {
      out.Sent(under_way.back().from);
      in.Arrived(under_way.back().to);
      under_way.pop_back();
    }
    std::vector<std::byte> buffer(random() % 900);
    const size_t size = in.Read(buffer);
    for (size_t i = 0; i < size; ++i) ASSERT_EQ(std::to_integer<uint64_t>(buffer[i]), (received + i) * 7 % 251);
    received += size;
    if (random() % 3 == 0) {
      ASSERT_TRUE(out.Consumed(in.consumed_messages()).ok());
    }
  }
}

}  // namespace
}  // namespace xpool::transport
