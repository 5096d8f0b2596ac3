#include "wire/hello.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/testing/written.h"

namespace xpool::wire {
namespace {

using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

ResumeToken Token(int value) {
  ResumeToken token;
  token.fill(std::byte(value));
  return token;
}

Hello AHello() {
  Hello hello;
  hello.lane = LaneKind::kBulk;
  hello.session_id = 77;
  hello.resume_token = Token(3);
  hello.received = 1234;
  return hello;
}

Welcome AWelcome() { return {.received = 5}; }

TEST(HelloTest, HelloComesBackAsItWasSent) {
  const auto read = ReadHello(Written(AHello()).frame());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, AHello());
}

TEST(HelloTest, EveryCutIsRefused) {
  const Written written(AHello());
  const Frame whole = written.frame();
  for (size_t size = 0; size < whole.payload.size(); ++size)
    EXPECT_TRUE(absl::IsInvalidArgument(ReadHello({whole.header, whole.payload.first(size)}).status())) << size;
}

TEST(HelloTest, BytesAfterTheEndAreRefused) {
  Written written(AHello());
  written.payload().push_back(std::byte{0});
  EXPECT_TRUE(absl::IsInvalidArgument(ReadHello(written.frame()).status()));
}

TEST(HelloTest, ForeignBytesAreRefused) {
  Written written(AHello());
  written.payload()[0] ^= std::byte{1};
  EXPECT_THAT(Message(ReadHello(written.frame()).status()), HasSubstr("magic"));
}

TEST(HelloTest, OtherVersionIsNamedWhateverFollows) {
  Hello hello = AHello();
  hello.versions = {kMaxVersion + 1, kMaxVersion + 4};
  Written written(hello);
  written.payload().resize(8);  // a later version may look quite different after the versions
  const absl::Status status = ReadHello(written.frame()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(Message(status), HasSubstr("versions 2 to 5, this side 1 to 1"));
}

TEST(HelloTest, LaneOfNoSessionIsRefused) {
  Hello hello = AHello();
  hello.session_id = 0;
  EXPECT_TRUE(absl::IsInvalidArgument(ReadHello(Written(hello).frame()).status()));
}

TEST(HelloTest, UnknownLaneIsRefused) {
  Hello hello = AHello();
  hello.lane = static_cast<LaneKind>(2);
  EXPECT_TRUE(absl::IsInvalidArgument(ReadHello(Written(hello).frame()).status()));
}

TEST(HelloTest, LimitsNothingCanWorkWithAreRefused) {
  Hello hello = AHello();
  hello.limits.max_frame_bytes = 1;
  EXPECT_THAT(Message(ReadHello(Written(hello).frame()).status()), HasSubstr("max_frame_bytes is 1;"));
}

TEST(HelloAnswerTest, WelcomeComesBackAsItWasSent) {
  const auto read = ReadHelloAnswer(Written(AWelcome()).frame(), AHello());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, AWelcome());
}

TEST(HelloAnswerTest, WelcomeBeyondWhatWasOfferedIsRefused) {
  std::vector<Welcome> bad(3, AWelcome());
  bad[0].version = kMaxVersion + 1;
  bad[1].limits.credit_bytes += 1;
  bad[2].limits.max_chunk_bytes = 1;
  for (size_t i = 0; i < bad.size(); ++i)
    EXPECT_TRUE(absl::IsInvalidArgument(ReadHelloAnswer(Written(bad[i]).frame(), AHello()).status())) << i;
}

TEST(HelloAnswerTest, EveryCutIsRefused) {
  const Written written(AWelcome());
  const Frame whole = written.frame();
  for (size_t size = 0; size < whole.payload.size(); ++size) {
    const Frame cut = {whole.header, whole.payload.first(size)};
    EXPECT_TRUE(absl::IsInvalidArgument(ReadHelloAnswer(cut, AHello()).status())) << size;
  }
}

TEST(HelloAnswerTest, RefusalIsAnAnswer) {
  const Refusal refusal = {.code = RefusalCode::kNoSuchSession, .message = "it has ended"};
  const absl::Status status = ReadHelloAnswer(Written(refusal).frame(), AHello()).status();
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_THAT(Message(status), HasSubstr("it has ended"));
}

TEST(HelloAnswerTest, AnythingElseIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(ReadHelloAnswer(Written(AHello()).frame(), AHello()).status()));
}

TEST(LimitsTest, SmallerOfEachHolds) {
  Limits small_frames;
  small_frames.max_frame_bytes /= 2;
  Limits small_window;
  small_window.credit_bytes /= 2;
  const Limits both = Minimum(small_frames, small_window);
  EXPECT_EQ(both.max_frame_bytes, small_frames.max_frame_bytes);
  EXPECT_EQ(both.credit_bytes, small_window.credit_bytes);
  EXPECT_EQ(Minimum(Limits{}, Limits{}), Limits{});
  EXPECT_TRUE(CheckLimits(both).ok());
}

TEST(LimitsTest, WindowMustHoldTheLargestFrame) {
  Limits limits;
  limits.resend_bytes = kFrameHeaderBytes + limits.max_frame_bytes;
  EXPECT_TRUE(CheckLimits(limits).ok());
  --limits.resend_bytes;
  EXPECT_TRUE(absl::IsInvalidArgument(CheckLimits(limits)));
}

TEST(LimitsTest, SmallLimitsOfBothAreStillWorkableTogether) {
  Limits a;  // much room for frames, little for windows
  a.credit_bytes = a.resend_bytes = kFrameHeaderBytes + a.max_frame_bytes;
  Limits b;  // the other way round
  b.max_frame_bytes = 16 * kKiB;
  b.max_inline_bytes = 8 * kKiB;
  b.max_chunk_bytes = 4 * kKiB;
  ASSERT_TRUE(CheckLimits(a).ok() && CheckLimits(b).ok());
  EXPECT_TRUE(CheckLimits(Minimum(a, b)).ok());
}

}  // namespace
}  // namespace xpool::wire
