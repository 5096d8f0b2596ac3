#include "wire/outbox.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace xpool::wire {
namespace {

Limits LimitsOf(uint64_t credit_bytes, uint64_t resend_bytes) {
  Limits limits;
  limits.credit_bytes = credit_bytes;
  limits.resend_bytes = resend_bytes;
  return limits;
}

std::span<const std::byte> Bytes(const std::string& text) { return std::as_bytes(std::span(text)); }

// What may be sent, as text; |at_most| bytes of it are counted as sent.
std::string Send(Outbox* outbox, size_t at_most = SIZE_MAX) {
  std::string sent;
  std::array<iovec, 64> pieces;
  const size_t count = outbox->Sendable(pieces);
  for (size_t i = 0; i < count; ++i) sent.append(static_cast<const char*>(pieces[i].iov_base), pieces[i].iov_len);
  sent.resize(std::min(sent.size(), at_most));
  outbox->Sent(sent.size());
  return sent;
}

TEST(OutboxTest, SendsFramesInOrderOnce) {
  Outbox outbox(LimitsOf(1000, 1000));
  EXPECT_EQ(outbox.next_sequence(), 1u);
  outbox.Append(Bytes("abc"));
  outbox.Append(Bytes("defg"));
  EXPECT_EQ(outbox.next_sequence(), 3u);
  EXPECT_EQ(Send(&outbox), "abcdefg");
  EXPECT_EQ(Send(&outbox), "");
  EXPECT_EQ(outbox.unsent_bytes(), 0u);
  EXPECT_EQ(outbox.kept_bytes(), 7u);
}

TEST(OutboxTest, BorrowedBytesAreSentFromWhereTheyLie) {
  const std::string payload = "payload";
  Outbox outbox(LimitsOf(1000, 1000));
  outbox.Append(Bytes("head-"), Bytes(payload));
  outbox.Append(Bytes("next"));
  std::array<iovec, 4> pieces;
  ASSERT_EQ(outbox.Sendable(pieces), 3u);
  EXPECT_EQ(pieces[1].iov_base, payload.data());
  EXPECT_EQ(Send(&outbox), "head-payloadnext");
}

TEST(OutboxTest, SaysHowMuchOfAStartedFrameIsLeft) {
  Outbox outbox(LimitsOf(1000, 1000));
  outbox.Append(Bytes("abc"));
  outbox.Append(Bytes("defg"));
  EXPECT_EQ(outbox.started_bytes(), 0u);
  EXPECT_EQ(Send(&outbox, 1), "a");
  EXPECT_EQ(outbox.started_bytes(), 2u);
  EXPECT_EQ(Send(&outbox, 2), "bc");
  EXPECT_EQ(outbox.started_bytes(), 0u);
  EXPECT_EQ(Send(&outbox, 3), "def");
  EXPECT_EQ(outbox.started_bytes(), 1u);
}

TEST(OutboxTest, FramesWithoutCreditWait) {
  Outbox outbox(LimitsOf(5, 1000));
  outbox.Append(Bytes("abc"));
  outbox.Append(Bytes("defg"));
  EXPECT_EQ(Send(&outbox), "abc");
  ASSERT_TRUE(outbox.Grant(7).ok());
  EXPECT_EQ(Send(&outbox), "defg");
  EXPECT_TRUE(absl::IsInvalidArgument(outbox.Grant(13)));  // more than a window past what was spent
}

TEST(OutboxTest, AcknowledgedFramesAreForgotten) {
  Outbox outbox(LimitsOf(1000, 8));
  outbox.Append(Bytes("abc"));
  outbox.Append(Bytes("defg"));
  EXPECT_TRUE(outbox.HasRoom());
  outbox.Append(Bytes("h"));
  EXPECT_FALSE(outbox.HasRoom());
  Send(&outbox);
  ASSERT_TRUE(outbox.Acknowledge(2).ok());
  EXPECT_EQ(outbox.kept_bytes(), 1u);
  EXPECT_TRUE(outbox.HasRoom());
  EXPECT_TRUE(outbox.Acknowledge(1).ok());  // old news
}

TEST(OutboxTest, AckOfAFrameThatWasNotSentWholeIsRefused) {
  Outbox outbox(LimitsOf(1000, 1000));
  outbox.Append(Bytes("abc"));
  outbox.Append(Bytes("defg"));
  Send(&outbox, 5);
  EXPECT_EQ(outbox.last_sent(), 1u);
  EXPECT_TRUE(absl::IsInvalidArgument(outbox.Acknowledge(2)));
  EXPECT_TRUE(absl::IsInvalidArgument(outbox.Acknowledge(UINT64_MAX)));
  EXPECT_TRUE(outbox.Acknowledge(1).ok());
}

TEST(OutboxTest, ResumeSendsWhatThePeerLacks) {
  Outbox outbox(LimitsOf(1000, 1000));
  for (const char* frame : {"a", "bb", "ccc", "dddd"}) outbox.Append(Bytes(frame));
  EXPECT_EQ(Send(&outbox, 8), "abbcccdd");
  ASSERT_TRUE(outbox.Acknowledge(1).ok());
  ASSERT_TRUE(outbox.Resume(2).ok());
  EXPECT_EQ(Send(&outbox), "cccdddd");
  EXPECT_EQ(outbox.next_sequence(), 5u);
}

TEST(OutboxTest, PeerThatForgotWhatItAcknowledgedCannotResume) {
  Outbox outbox(LimitsOf(1000, 1000));
  for (const char* frame : {"a", "bb", "ccc"}) outbox.Append(Bytes(frame));
  Send(&outbox);
  ASSERT_TRUE(outbox.Acknowledge(2).ok());
  EXPECT_TRUE(absl::IsDataLoss(outbox.Resume(1)));
  EXPECT_TRUE(absl::IsInvalidArgument(outbox.Resume(4)));
  EXPECT_TRUE(outbox.Resume(2).ok());
}

TEST(OutboxTest, ResentFramesCostNoCreditAgain) {
  Outbox outbox(LimitsOf(7, 1000));
  outbox.Append(Bytes("abc"));
  outbox.Append(Bytes("defg"));
  EXPECT_EQ(Send(&outbox), "abcdefg");
  ASSERT_TRUE(outbox.Resume(0).ok());
  EXPECT_EQ(Send(&outbox), "abcdefg");
}

// Frames of all sizes, borrowed or not, sent and acknowledged at random: what comes out is what went in.
TEST(OutboxTest, StreamIsWhatWasAppended) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Outbox outbox(LimitsOf(uint64_t{1} << 40, uint64_t{1} << 40));
    std::vector<std::unique_ptr<std::string>> payloads;
    std::string appended, sent;
    for (int step = 0; step < 400; ++step) {
      if (random() % 2 == 0) {
        const std::string head(1 + random() % (random() % 8 == 0 ? 100 * kKiB : 200), static_cast<char>(random()));
        payloads.push_back(std::make_unique<std::string>(random() % 3 == 0 ? random() % 5000 : 0, 'p'));
        outbox.Append(Bytes(head), Bytes(*payloads.back()));
        appended += head + *payloads.back();
      } else {
        sent += Send(&outbox, random() % 50'000);
      }
      if (random() % 4 != 0) continue;
      ASSERT_TRUE(outbox.Acknowledge(random() % (outbox.last_sent() + 1)).ok());
    }
    while (outbox.unsent_bytes() > 0) sent += Send(&outbox);
    ASSERT_EQ(sent, appended);
  }
}

}  // namespace
}  // namespace xpool::wire
