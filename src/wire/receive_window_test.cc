#include "wire/receive_window.h"

#include <gtest/gtest.h>

namespace xpool::wire {
namespace {

TEST(ReceiveWindowTest, TakesEachFrameOnceAndInOrder) {
  using Arrival = ReceiveWindow::Arrival;
  ReceiveWindow window({.every_bytes = 1000, .every_frames = 1000});
  EXPECT_EQ(window.Accept(1, 10).value(), Arrival::kNew);
  EXPECT_EQ(window.Accept(2, 10).value(), Arrival::kNew);
  EXPECT_EQ(window.Accept(2, 10).value(), Arrival::kDuplicate);
  EXPECT_EQ(window.Accept(1, 10).value(), Arrival::kDuplicate);
  EXPECT_TRUE(absl::IsDataLoss(window.Accept(4, 10).status()));
  EXPECT_TRUE(absl::IsDataLoss(window.Accept(UINT64_MAX, 10).status()));
  EXPECT_EQ(window.received(), 2u);
  EXPECT_EQ(window.Accept(3, 10).value(), Arrival::kNew);
}

TEST(ReceiveWindowTest, AcksAfterSoManyFramesOrBytes) {
  ReceiveWindow window({.every_bytes = 100, .every_frames = 3});
  EXPECT_EQ(window.TakeAck(), std::nullopt);
  ASSERT_TRUE(window.Accept(1, 10).ok());
  ASSERT_TRUE(window.Accept(2, 10).ok());
  EXPECT_EQ(window.TakeAck(), std::nullopt);
  ASSERT_TRUE(window.Accept(3, 10).ok());
  EXPECT_EQ(window.TakeAck(), 3u);
  EXPECT_EQ(window.TakeAck(), std::nullopt);
  ASSERT_TRUE(window.Accept(4, 100).ok());
  EXPECT_EQ(window.TakeAck(), 4u);
}

TEST(ReceiveWindowTest, DuplicateIsAnsweredWithAnAck) {
  ReceiveWindow window({.every_bytes = 1000, .every_frames = 1000});
  ASSERT_TRUE(window.Accept(1, 10).ok());
  EXPECT_EQ(window.TakeAck(), std::nullopt);
  ASSERT_TRUE(window.Accept(1, 10).ok());
  EXPECT_EQ(window.TakeAck(), 1u);
  EXPECT_EQ(window.TakeAck(), std::nullopt);
}

TEST(ReceiveWindowTest, HurriedAckComesAtOnceIfThereIsNews) {
  ReceiveWindow window({.every_bytes = 1000, .every_frames = 1000});
  window.HurryAck();
  EXPECT_EQ(window.TakeAck(), std::nullopt);
  ASSERT_TRUE(window.Accept(1, 10).ok());
  window.HurryAck();
  EXPECT_EQ(window.TakeAck(), 1u);
  EXPECT_EQ(window.TakeAck(), std::nullopt);
}

// For the smallest limits and generous ones: a sender that has no room for the largest frame has an ack coming.
TEST(AckPolicyTest, SenderThatIsFullAlwaysHasAnAckDue) {
  Limits smallest;
  smallest.resend_bytes = 16 + smallest.max_frame_bytes;
  Limits tight = smallest;
  tight.resend_bytes += 100'000;
  ASSERT_TRUE(CheckLimits(smallest).ok());
  for (const Limits& limits : {smallest, tight, Limits{}}) {
    const uint64_t frame_bytes = 5000;
    const uint64_t largest = 16 + uint64_t{limits.max_frame_bytes};
    uint64_t kept_bytes = 0;
    ReceiveWindow receiver(AckPolicyFor(limits));
    for (uint64_t sequence = 1; sequence <= 5000; ++sequence) {
      ASSERT_LE(kept_bytes + largest, limits.resend_bytes);
      kept_bytes += frame_bytes;
      ASSERT_TRUE(receiver.Accept(sequence, frame_bytes).ok());
      const std::optional<uint64_t> ack = receiver.TakeAck();
      ASSERT_TRUE(ack.has_value() || kept_bytes + largest <= limits.resend_bytes) << "stuck with " << kept_bytes;
      if (ack.has_value()) kept_bytes = 0;
    }
  }
}

}  // namespace
}  // namespace xpool::wire
