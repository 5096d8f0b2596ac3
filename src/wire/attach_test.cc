#include "wire/attach.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/control.h"
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

Attach AnAttach() {
  Attach attach;
  attach.token = std::vector<std::byte>(100, std::byte{5});
  attach.slice = "s7";
  attach.program = "train";
  return attach;
}

Attached AnAttached() {
  return {.session_id = 77,
          .resume_token = Token(3),
          .certificate = "-----BEGIN CERTIFICATE-----\nMIIB\n",
          .node = "gpu-1",
          .slice_id = "s7",
          .memory_limit_bytes = uint64_t{1} << 33};
}

TEST(PreambleTest, PreambleComesBackAsItWasSent) {
  for (const Preamble& preamble :
       {Preamble{}, Preamble{Purpose::kLane, Security::kTls, 9}, Preamble{Purpose::kPeer, Security::kTls, 3},
        Preamble{Purpose::kLane, Security::kRing, UINT64_MAX}}) {
    const auto read = DecodePreamble(EncodePreamble(preamble));
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, preamble);
  }
}

TEST(PreambleTest, EveryOtherByteInAFixedPlaceIsRefused) {
  const auto good = EncodePreamble({Purpose::kLane, Security::kPlain, 9});
  for (size_t at : {0, 1, 2, 3, 4, 5, 6, 7, 16, 20, 23}) {
    auto bad = good;
    bad[at] ^= std::byte{0x40};
    EXPECT_TRUE(absl::IsInvalidArgument(DecodePreamble(bad).status())) << at;
  }
}

TEST(PreambleTest, SessionBelongsToALaneAlone) {
  EXPECT_FALSE(DecodePreamble(EncodePreamble({Purpose::kLane, Security::kPlain, 0})).ok());
  EXPECT_FALSE(DecodePreamble(EncodePreamble({Purpose::kAttach, Security::kPlain, 1})).ok());
}

TEST(AttachTest, AttachComesBackAsItWasSent) {
  const auto read = ReadAttach(Written(AnAttach()).frame());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, AnAttach());
}

TEST(AttachTest, LargestMessagesFitBeforeLimitsAreAgreed) {
  Attach attach = AnAttach();
  attach.token.assign(kMaxSliceTokenBytes, std::byte{1});
  attach.slice = attach.program = std::string(kMaxNameBytes, 'x');
  EXPECT_TRUE(ReadAttach(Written(attach).frame()).ok());
  Attached attached = AnAttached();
  attached.certificate.assign(kMaxCertificateBytes, 'x');
  attached.node = attached.slice_id = std::string(kMaxNameBytes, 'x');
  EXPECT_TRUE(ReadAttachAnswer(Written(attached).frame(), attach).ok());
  const Refusal refusal = {.message = std::string(kMaxSentenceBytes, 'x')};
  EXPECT_TRUE(ReadRefusal(Written(refusal).frame()).ok());
}

TEST(AttachTest, WhatIsTooLongIsNotSent) {
  Writer writer;
  Attach attach = AnAttach();
  attach.token.resize(kMaxSliceTokenBytes + 1);
  EXPECT_TRUE(absl::IsResourceExhausted(WriteAttach(&writer, attach)));
  attach = AnAttach();
  attach.program.assign(kMaxNameBytes + 1, 'x');
  EXPECT_TRUE(absl::IsResourceExhausted(WriteAttach(&writer, attach)));
  const Refusal refusal = {.message = std::string(kMaxSentenceBytes + 1, 'x')};
  EXPECT_TRUE(absl::IsResourceExhausted(WriteRefusal(&writer, refusal)));
  EXPECT_EQ(writer.size(), 0u);
}

TEST(AttachTest, EveryCutIsRefused) {
  const Written attach(AnAttach()), attached(AnAttached());
  for (size_t size = 0; size < attach.frame().payload.size(); ++size) {
    const Frame cut = {attach.frame().header, attach.frame().payload.first(size)};
    EXPECT_TRUE(absl::IsInvalidArgument(ReadAttach(cut).status())) << size;
  }
  for (size_t size = 0; size < attached.frame().payload.size(); ++size) {
    const Frame cut = {attached.frame().header, attached.frame().payload.first(size)};
    EXPECT_TRUE(absl::IsInvalidArgument(ReadAttachAnswer(cut, AnAttach()).status())) << size;
  }
}

TEST(AttachTest, NamesAreMadePrintable) {
  Attach attach = AnAttach();
  attach.program = "a\nb\x1b[2J";
  EXPECT_EQ(ReadAttach(Written(attach).frame()).value().program, "a?b?[2J");
}

TEST(AttachTest, OtherVersionIsNamedWhateverFollows) {
  Attach attach = AnAttach();
  attach.versions = {kMaxVersion + 1, kMaxVersion + 4};
  Written written(attach);
  written.payload().resize(8);
  EXPECT_TRUE(absl::IsFailedPrecondition(ReadAttach(written.frame()).status()));
}

TEST(AttachAnswerTest, AttachedComesBackAsItWasSent) {
  const auto read = ReadAttachAnswer(Written(AnAttached()).frame(), AnAttach());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, AnAttached());
}

TEST(AttachAnswerTest, AnswerThatWasNotOfferedIsRefused) {
  Attached other_version = AnAttached(), no_session = AnAttached();
  other_version.version = kMaxVersion + 1;
  no_session.session_id = 0;
  for (const Attached& bad : {other_version, no_session})
    EXPECT_TRUE(absl::IsInvalidArgument(ReadAttachAnswer(Written(bad).frame(), AnAttach()).status()));
}

TEST(AttachAnswerTest, RefusalIsTheStatusOfItsCode) {
  const auto status = [](RefusalCode code) {
    return ReadAttachAnswer(Written(Refusal{.code = code, .message = "no such slice: train"}).frame(), AnAttach())
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

TEST(AttachAnswerTest, RefusalOfAnotherVersionIsUnderstood) {
  const Refusal refusal = {.versions = {7, 9}, .code = RefusalCode::kVersion, .message = "too old"};
  const absl::Status status = ReadAttachAnswer(Written(refusal).frame(), AnAttach()).status();
  EXPECT_THAT(Message(status), HasSubstr("too old (it speaks versions 7 to 9)"));
}

TEST(RefusalTest, StatusSurvivesTheWayToTheClient) {
  for (const absl::Status& status : {absl::NotFoundError("n"), absl::PermissionDeniedError("p"),
                                     absl::UnavailableError("u"), absl::InternalError("i")}) {
    EXPECT_EQ(RefusalStatus(RefusalFor(status)).code(), status.code());
  }
}

TEST(VersionTest, NewestCommonVersionIsChosen) {
  EXPECT_EQ(CommonVersion({1, 4}, {2, 9}).value(), 4);
  EXPECT_EQ(CommonVersion({3, 9}, {1, 3}).value(), 3);
  EXPECT_FALSE(CommonVersion({1, 2}, {3, 4}).ok());
  EXPECT_FALSE(CommonVersion({1, 9}, {5, 4}).ok());  // nonsense of a peer
}

TEST(TokenTest, TokensAreComparedInFull) {
  ResumeToken other = Token(3);
  EXPECT_TRUE(SameSecret(Token(3), other));
  other.back() = std::byte{4};
  EXPECT_FALSE(SameSecret(Token(3), other));
}

}  // namespace
}  // namespace xpool::wire
