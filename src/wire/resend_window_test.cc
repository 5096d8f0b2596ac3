#include "wire/resend_window.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace xpool::wire {
namespace {

const std::vector<std::byte> kTen(10);

// Adds a frame of ten bytes.
absl::Status AddTen(ResendWindow* window) { return window->Add(window->next_sequence(), kTen); }

std::vector<uint64_t> Kept(const ResendWindow& window) {
  std::vector<uint64_t> sequences;
  for (const ResendWindow::KeptFrame& frame : window.kept()) sequences.push_back(frame.sequence);
  return sequences;
}

TEST(ResendWindowTest, KeepsFramesUntilTheyAreAcknowledged) {
  ResendWindow window(100);
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(AddTen(&window).ok());
  EXPECT_EQ(window.kept_bytes(), 40u);
  ASSERT_TRUE(window.Acknowledge(3).ok());
  EXPECT_EQ(Kept(window), std::vector<uint64_t>{4});
  EXPECT_EQ(window.kept_bytes(), 10u);
  EXPECT_EQ(window.acknowledged(), 3u);
}

TEST(ResendWindowTest, FullWindowTakesNothingUntilAnAck) {
  ResendWindow window(25);
  ASSERT_TRUE(AddTen(&window).ok());
  ASSERT_TRUE(AddTen(&window).ok());
  EXPECT_TRUE(window.HasRoom(5));
  EXPECT_FALSE(window.HasRoom(6));
  EXPECT_FALSE(window.HasRoom(UINT64_MAX));
  EXPECT_TRUE(absl::IsResourceExhausted(AddTen(&window)));
  EXPECT_EQ(window.next_sequence(), 3u);
  ASSERT_TRUE(window.Acknowledge(1).ok());
  EXPECT_TRUE(AddTen(&window).ok());
}

TEST(ResendWindowTest, FrameOutOfTurnIsRefused) {
  ResendWindow window(100);
  EXPECT_TRUE(absl::IsInvalidArgument(window.Add(2, kTen)));
  EXPECT_TRUE(absl::IsInvalidArgument(window.Add(0, kTen)));
  EXPECT_TRUE(window.Add(1, kTen).ok());
}

TEST(ResendWindowTest, OldAcksAreIgnoredAndFutureOnesRefused) {
  ResendWindow window(100);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(AddTen(&window).ok());
  ASSERT_TRUE(window.Acknowledge(2).ok());
  EXPECT_TRUE(window.Acknowledge(1).ok());
  EXPECT_TRUE(window.Acknowledge(0).ok());
  EXPECT_EQ(window.acknowledged(), 2u);
  EXPECT_TRUE(absl::IsInvalidArgument(window.Acknowledge(4)));
  EXPECT_TRUE(absl::IsInvalidArgument(window.Acknowledge(UINT64_MAX)));
  EXPECT_EQ(Kept(window), std::vector<uint64_t>{3});
}

TEST(ResendWindowTest, ResumeLeavesWhatThePeerLacks) {
  ResendWindow window(100);
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(AddTen(&window).ok());
  ASSERT_TRUE(window.Acknowledge(1).ok());
  ASSERT_TRUE(window.Resume(3).ok());
  EXPECT_EQ(Kept(window), (std::vector<uint64_t>{4, 5}));
  EXPECT_EQ(window.next_sequence(), 6u);
}

TEST(ResendWindowTest, PeerThatForgotWhatItAcknowledgedCannotResume) {
  ResendWindow window(100);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(AddTen(&window).ok());
  ASSERT_TRUE(window.Acknowledge(2).ok());
  EXPECT_TRUE(absl::IsDataLoss(window.Resume(1)));
  EXPECT_TRUE(absl::IsInvalidArgument(window.Resume(4)));
  EXPECT_TRUE(window.Resume(2).ok());
}

TEST(ResendWindowTest, BorrowedBytesCountAndAreNotCopied) {
  const std::vector<std::byte> chunk(50);
  ResendWindow window(100);
  ASSERT_TRUE(window.Add(1, kTen, chunk).ok());
  EXPECT_EQ(window.kept_bytes(), 60u);
  EXPECT_EQ(window.kept().front().borrowed.data(), chunk.data());
  EXPECT_NE(window.kept().front().bytes.data(), kTen.data());
  EXPECT_TRUE(absl::IsResourceExhausted(window.Add(2, kTen, chunk)));
}

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

// For the smallest limits and generous ones: a sender that has no room for the largest frame has an ack coming.
TEST(AckPolicyTest, SenderThatIsFullAlwaysHasAnAckDue) {
  Limits smallest;
  smallest.resend_bytes = 16 + smallest.max_frame_bytes;
  Limits tight = smallest;
  tight.resend_bytes += 100'000;
  ASSERT_TRUE(CheckLimits(smallest).ok());
  for (const Limits& limits : {smallest, tight, Limits{}}) {
    const std::vector<std::byte> frame(5000);
    const uint64_t largest = 16 + uint64_t{limits.max_frame_bytes};
    ResendWindow sender(limits.resend_bytes);
    ReceiveWindow receiver(AckPolicyFor(limits));
    for (int i = 0; i < 5000; ++i) {
      ASSERT_TRUE(sender.HasRoom(largest));
      ASSERT_TRUE(sender.Add(sender.next_sequence(), frame).ok());
      ASSERT_TRUE(receiver.Accept(sender.next_sequence() - 1, frame.size()).ok());
      const std::optional<uint64_t> ack = receiver.TakeAck();
      ASSERT_TRUE(ack.has_value() || sender.HasRoom(largest)) << "stuck with " << sender.kept_bytes() << " kept";
      if (!ack.has_value()) continue;
      ASSERT_TRUE(sender.Acknowledge(*ack).ok());
    }
  }
}

}  // namespace
}  // namespace xpool::wire
