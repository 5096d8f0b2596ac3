#include "wire/hello.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/control.h"

namespace xpool::wire {
namespace {

using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

ResumeToken Token(int value) {
  ResumeToken token;
  token.fill(std::byte(value));
  return token;
}

Hello NewSession() {
  Hello hello;
  hello.features = kFeatureResume | kFeatureBulkLane;
  hello.slice_token = std::vector<std::byte>(100, std::byte{5});
  hello.program = "train";
  return hello;
}

Hello Resumed() {
  Hello hello = NewSession();
  hello.lane = Lane::kBulk;
  hello.session_id = 77;
  hello.resume_token = Token(3);
  hello.received = 1234;
  return hello;
}

Welcome WelcomeTo(const Hello& hello) {
  return {.limits = hello.limits,
          .features = hello.features,
          .session_id = hello.session_id == 0 ? 77 : hello.session_id,
          .resume_token = Token(3),
          .received = hello.session_id == 0 ? 0u : 5u};
}

// What a message is written as, whole and parsed into its frame.
class Written {
 public:
  explicit Written(const Hello& hello) { Parse(WriteHello(&writer_, hello)); }
  explicit Written(const Welcome& welcome) { Parse(WriteWelcome(&writer_, welcome)); }
  explicit Written(const Refusal& refusal) { Parse(WriteRefusal(&writer_, refusal)); }

  Frame frame() const { return {header_, payload_}; }
  std::vector<std::byte>& payload() { return payload_; }

 private:
  void Parse(const absl::Status& written) {
    ASSERT_TRUE(written.ok()) << written;
    const std::vector<std::byte> bytes = writer_.Flatten();
    FrameParser parser(kMaxHelloBytes);
    std::span<const std::byte> input = bytes;
    auto frame = parser.Next(&input);
    ASSERT_TRUE(frame.ok() && frame->has_value()) << frame.status();
    header_ = (*frame)->header;
    payload_.assign((*frame)->payload.begin(), (*frame)->payload.end());
  }

  Writer writer_;
  FrameHeader header_;
  std::vector<std::byte> payload_;
};

TEST(HelloTest, HelloComesBackAsItWasSent) {
  for (const Hello& hello : {NewSession(), Resumed()}) {
    const auto read = ReadHello(Written(hello).frame());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, hello);
  }
}

TEST(HelloTest, LargestHelloFitsBeforeLimitsAreAgreed) {
  Hello hello = NewSession();
  hello.slice_token.assign(kMaxSliceTokenBytes, std::byte{1});
  hello.program.assign(kMaxProgramBytes, 'x');
  EXPECT_TRUE(ReadHello(Written(hello).frame()).ok());
  const Refusal refusal = {.message = std::string(kMaxSentenceBytes, 'x')};
  EXPECT_TRUE(ReadRefusal(Written(refusal).frame()).ok());
}

TEST(HelloTest, WhatIsTooLongIsNotSent) {
  Writer writer;
  Hello hello = NewSession();
  hello.slice_token.resize(kMaxSliceTokenBytes + 1);
  EXPECT_TRUE(absl::IsResourceExhausted(WriteHello(&writer, hello)));
  hello = NewSession();
  hello.program.assign(kMaxProgramBytes + 1, 'x');
  EXPECT_TRUE(absl::IsResourceExhausted(WriteHello(&writer, hello)));
  const Refusal refusal = {.message = std::string(kMaxSentenceBytes + 1, 'x')};
  EXPECT_TRUE(absl::IsResourceExhausted(WriteRefusal(&writer, refusal)));
  EXPECT_EQ(writer.size(), 0u);
}

TEST(HelloTest, EveryCutIsRefused) {
  const Written written(Resumed());
  const Frame whole = written.frame();
  for (size_t size = 0; size < whole.payload.size(); ++size)
    EXPECT_TRUE(absl::IsInvalidArgument(ReadHello({whole.header, whole.payload.first(size)}).status())) << size;
}

TEST(HelloTest, BytesAfterTheEndAreRefused) {
  Written written(NewSession());
  written.payload().push_back(std::byte{0});
  EXPECT_TRUE(absl::IsInvalidArgument(ReadHello(written.frame()).status()));
}

TEST(HelloTest, ForeignBytesAreRefused) {
  Written written(NewSession());
  written.payload()[0] ^= std::byte{1};
  EXPECT_THAT(Message(ReadHello(written.frame()).status()), HasSubstr("magic"));
}

TEST(HelloTest, OtherVersionIsNamedWhateverFollows) {
  Hello hello = NewSession();
  hello.versions = {kMaxVersion + 1, kMaxVersion + 4};
  Written written(hello);
  written.payload().resize(8);  // a later version may look quite different after the versions
  const absl::Status status = ReadHello(written.frame()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(Message(status), HasSubstr("versions 2 to 5, this side 1 to 1"));
}

TEST(HelloTest, NewSessionIsOnTheCallLaneAndHasReceivedNothing) {
  Hello bulk = NewSession();
  bulk.lane = Lane::kBulk;
  EXPECT_TRUE(absl::IsInvalidArgument(ReadHello(Written(bulk).frame()).status()));
  Hello received = NewSession();
  received.received = 1;
  EXPECT_TRUE(absl::IsInvalidArgument(ReadHello(Written(received).frame()).status()));
}

TEST(HelloTest, UnknownLaneIsRefused) {
  Hello hello = Resumed();
  hello.lane = static_cast<Lane>(2);
  EXPECT_TRUE(absl::IsInvalidArgument(ReadHello(Written(hello).frame()).status()));
}

TEST(HelloTest, LimitsNothingCanWorkWithAreRefused) {
  Hello hello = NewSession();
  hello.limits.max_frame_bytes = 1;
  EXPECT_THAT(Message(ReadHello(Written(hello).frame()).status()), HasSubstr("max_frame_bytes is 1;"));
}

TEST(HelloTest, ProgramNameIsMadePrintable) {
  Hello hello = NewSession();
  hello.program = "a\nb\x1b[2J";
  EXPECT_EQ(ReadHello(Written(hello).frame()).value().program, "a?b?[2J");
}

TEST(HelloAnswerTest, WelcomeComesBackAsItWasSent) {
  for (const Hello& hello : {NewSession(), Resumed()}) {
    const Welcome welcome = WelcomeTo(hello);
    const auto read = ReadHelloAnswer(Written(welcome).frame(), hello);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, welcome);
  }
}

TEST(HelloAnswerTest, WelcomeBeyondWhatWasOfferedIsRefused) {
  const Hello hello = Resumed();
  std::vector<Welcome> bad(6, WelcomeTo(hello));
  bad[0].version = kMaxVersion + 1;
  bad[1].limits.credit_bytes += 1;
  bad[2].limits.max_chunk_bytes = 1;
  bad[3].features |= uint64_t{1} << 40;
  bad[4].session_id = 0;
  bad[5].session_id += 1;
  for (size_t i = 0; i < bad.size(); ++i)
    EXPECT_TRUE(absl::IsInvalidArgument(ReadHelloAnswer(Written(bad[i]).frame(), hello).status())) << i;
}

TEST(HelloAnswerTest, NewSessionCannotHaveReceivedAnything) {
  const Hello hello = NewSession();
  Welcome welcome = WelcomeTo(hello);
  welcome.received = 1;
  EXPECT_TRUE(absl::IsInvalidArgument(ReadHelloAnswer(Written(welcome).frame(), hello).status()));
}

TEST(HelloAnswerTest, EveryCutIsRefused) {
  const Written written(WelcomeTo(Resumed()));
  const Frame whole = written.frame();
  for (size_t size = 0; size < whole.payload.size(); ++size) {
    const Frame cut = {whole.header, whole.payload.first(size)};
    EXPECT_TRUE(absl::IsInvalidArgument(ReadHelloAnswer(cut, Resumed()).status())) << size;
  }
}

TEST(HelloAnswerTest, RefusalIsTheStatusOfItsCode) {
  const auto status = [](RefusalCode code) {
    return ReadHelloAnswer(Written(Refusal{.code = code, .message = "no such slice: train"}).frame(), NewSession())
        .status();
  };
  EXPECT_TRUE(absl::IsNotFound(status(RefusalCode::kNoSuchSlice)));
  EXPECT_TRUE(absl::IsNotFound(status(RefusalCode::kNoSuchSession)));
  EXPECT_TRUE(absl::IsPermissionDenied(status(RefusalCode::kNotEntitled)));
  EXPECT_TRUE(absl::IsUnavailable(status(RefusalCode::kBusy)));
  EXPECT_TRUE(absl::IsUnimplemented(status(RefusalCode::kVersion)));
  EXPECT_TRUE(absl::IsInternal(status(static_cast<RefusalCode>(9999))));
  EXPECT_THAT(Message(status(RefusalCode::kBusy)), HasSubstr("no such slice: train"));
}

TEST(HelloAnswerTest, RefusalOfAnotherVersionIsUnderstood) {
  const Refusal refusal = {.versions = {7, 9}, .code = RefusalCode::kVersion, .message = "too old"};
  const absl::Status status = ReadHelloAnswer(Written(refusal).frame(), NewSession()).status();
  EXPECT_THAT(Message(status), HasSubstr("too old (it speaks versions 7 to 9)"));
}

TEST(HelloAnswerTest, AnythingElseIsRefused) {
  EXPECT_TRUE(absl::IsInvalidArgument(ReadHelloAnswer(Written(NewSession()).frame(), NewSession()).status()));
}

TEST(VersionTest, NewestCommonVersionIsChosen) {
  EXPECT_EQ(CommonVersion({1, 4}, {2, 9}).value(), 4);
  EXPECT_EQ(CommonVersion({3, 9}, {1, 3}).value(), 3);
  EXPECT_FALSE(CommonVersion({1, 2}, {3, 4}).ok());
  EXPECT_FALSE(CommonVersion({1, 9}, {5, 4}).ok());  // nonsense of a peer
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

TEST(TokenTest, TokensAreComparedInFull) {
  ResumeToken other = Token(3);
  EXPECT_TRUE(SameToken(Token(3), other));
  other.back() = std::byte{4};
  EXPECT_FALSE(SameToken(Token(3), other));
}

}  // namespace
}  // namespace xpool::wire
