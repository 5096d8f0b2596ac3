#include "wire/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>
#include <vector>

namespace xpool::wire {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint32_t kMaxPayload = 1000;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

FrameHeader CallHeader(uint64_t sequence) { return {.call = 5, .kind = FrameKind::kCall, .sequence = sequence}; }

std::vector<std::byte> Payload(size_t size, int seed) {
  std::vector<std::byte> payload(size);
  for (size_t i = 0; i < size; ++i) payload[i] = std::byte(seed + static_cast<int>(i));
  return payload;
}

void AddFrame(Writer* writer, uint64_t sequence, const std::vector<std::byte>& payload) {
  const Writer::Mark begun = BeginFrame(writer, CallHeader(sequence));
  writer->Raw(payload);
  ASSERT_TRUE(EndFrame(writer, begun, kMaxPayload).ok());
}

absl::Status DecodeStatus(const FrameHeader& header) {
  return DecodeHeader(EncodeHeader(header), kMaxPayload).status();
}

TEST(FrameTest, HeaderIsLaidOutAsDocumented) {
  const auto bytes = EncodeHeader(
      {.length = 0x04030201, .call = 0x0605, .kind = FrameKind::kBulk, .flags = 9, .sequence = 0x1817161514131211});
  std::vector<int> numbers;
  for (const std::byte byte : bytes) numbers.push_back(std::to_integer<int>(byte));
  EXPECT_THAT(numbers, ElementsAre(1, 2, 3, 4, 5, 6, 3, 9, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18));
}

TEST(FrameTest, HeaderOfEachKindComesBack) {
  const FrameHeader headers[] = {
      {.length = 7, .call = 1, .kind = FrameKind::kCall, .flags = kFlagNeedsAnswer, .sequence = 1},
      {.length = kMaxPayload, .call = 0xFEFF, .kind = FrameKind::kAnswer, .flags = kFlagFailed, .sequence = UINT64_MAX},
      {.length = 0, .call = 0, .kind = FrameKind::kBulk, .flags = kFlagFirst, .sequence = 2},
      {.length = 8, .call = 0xFF09, .kind = FrameKind::kControl, .flags = 0, .sequence = 0}};
  for (const FrameHeader& header : headers) {
    const auto decoded = DecodeHeader(EncodeHeader(header), kMaxPayload);
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(*decoded, header);
  }
}

TEST(FrameTest, HeaderThatBreaksARuleIsRefused) {
  const FrameHeader good = {.length = 1, .call = 1, .kind = FrameKind::kCall, .flags = 0, .sequence = 1};
  ASSERT_TRUE(DecodeStatus(good).ok());
  std::vector<FrameHeader> bad(11, good);
  bad[0].kind = FrameKind{0};
  bad[1].kind = FrameKind{5};
  bad[2].kind = FrameKind::kBulk;     // with a call
  bad[3].kind = FrameKind::kControl;  // with a call's ID
  bad[4].call = 0;
  bad[5].call = kFirstControl;
  bad[6].flags = kFlagFailed;  // an answer's
  bad[7].flags = 0x80;
  bad[8].sequence = 0;
  bad[9].length = kMaxPayload + 1;
  bad[10] = {.length = 1, .call = 0xFF0C, .kind = FrameKind::kControl};  // no such control message
  for (size_t i = 0; i < bad.size(); ++i) EXPECT_TRUE(absl::IsInvalidArgument(DecodeStatus(bad[i]))) << i;
  EXPECT_THAT(Message(DecodeStatus(bad[9])), HasSubstr("longer than the limit of 1000"));
}

TEST(FrameTest, NumberedControlFrameIsRefused) {
  FrameHeader header = ControlHeader(Control::kPing);
  EXPECT_TRUE(DecodeStatus(header).ok());
  header.sequence = 1;
  EXPECT_TRUE(absl::IsInvalidArgument(DecodeStatus(header)));
}

TEST(FrameTest, TooLongFrameIsTakenOutAndTheOneBeforeStays) {
  Writer writer;
  AddFrame(&writer, 1, Payload(3, 0));
  const size_t before = writer.size();
  const Writer::Mark begun = BeginFrame(&writer, CallHeader(2));
  writer.Raw(Payload(kMaxPayload + 1, 0));
  EXPECT_TRUE(absl::IsResourceExhausted(EndFrame(&writer, begun, kMaxPayload)));
  EXPECT_EQ(writer.size(), before);
  EXPECT_TRUE(writer.ok());
}

TEST(FrameTest, FrameThatTheWriterHadNoRoomForIsTakenOut) {
  Writer writer(30);
  AddFrame(&writer, 1, Payload(3, 0));
  const Writer::Mark begun = BeginFrame(&writer, CallHeader(2));
  EXPECT_TRUE(absl::IsResourceExhausted(EndFrame(&writer, begun, kMaxPayload)));
  EXPECT_EQ(writer.size(), 19u);
}

TEST(FrameTest, LengthCountsReferencedBytes) {
  const std::vector<std::byte> large = Payload(5000, 1);
  Writer writer;
  const Writer::Mark begun = BeginFrame(&writer, CallHeader(1));
  writer.RawByReference(large);
  writer.U8(7);
  ASSERT_TRUE(EndFrame(&writer, begun, 6000).ok());
  FrameParser parser(6000);
  const std::vector<std::byte> stream = writer.Flatten();
  std::span<const std::byte> input = stream;
  const auto frame = parser.Next(&input);
  ASSERT_TRUE(frame.ok() && frame->has_value());
  EXPECT_EQ((*frame)->payload.size(), 5001u);
}

class FrameParserTest : public testing::Test {
 protected:
  FrameParserTest() {
    for (size_t i = 0; i < payloads_.size(); ++i) AddFrame(&writer_, i + 1, payloads_[i]);
    stream_ = writer_.Flatten();
  }

  // Feeds |input| until it is used up and collects the payloads.
  absl::Status Feed(FrameParser* parser, std::span<const std::byte> input) {
    while (true) {
      auto frame = parser->Next(&input);
      if (!frame.ok()) return frame.status();
      if (!frame->has_value()) return absl::OkStatus();
      EXPECT_EQ((*frame)->header.sequence, received_.size() + 1);
      received_.emplace_back((*frame)->payload.begin(), (*frame)->payload.end());
    }
  }

  // Takes most of the process's address space away.
  bool RefusesForWantOfMemory() {
    const rlimit limit = {.rlim_cur = 512 << 20, .rlim_max = 512 << 20};
    setrlimit(RLIMIT_AS, &limit);
    FrameParser parser(UINT32_MAX);
    FrameHeader header = CallHeader(1);
    header.length = UINT32_MAX;
    const bool header_taken = Feed(&parser, EncodeHeader(header)).ok();
    return header_taken && parser.Missing().empty() && absl::IsResourceExhausted(Feed(&parser, stream_));
  }

  const std::vector<std::vector<std::byte>> payloads_ = {Payload(3, 1), {}, Payload(900, 2), Payload(1, 3), {}};
  Writer writer_;
  std::vector<std::byte> stream_;
  std::vector<std::vector<std::byte>> received_;
};

TEST_F(FrameParserTest, PiecesOfAnySizeGiveTheSameFrames) {
  for (size_t piece = 1; piece <= stream_.size(); ++piece) {
    FrameParser parser(kMaxPayload);
    received_.clear();
    for (size_t at = 0; at < stream_.size(); at += piece)
      ASSERT_TRUE(Feed(&parser, std::span(stream_).subspan(at, std::min(piece, stream_.size() - at))).ok());
    ASSERT_EQ(received_, payloads_) << "pieces of " << piece;
  }
}

TEST_F(FrameParserTest, PayloadThatIsWholeIsNotCopied) {
  FrameParser parser(kMaxPayload);
  std::span<const std::byte> input = stream_;
  const auto frame = parser.Next(&input);
  ASSERT_TRUE(frame.ok() && frame->has_value());
  EXPECT_EQ((*frame)->payload.data(), stream_.data() + kFrameHeaderBytes);
}

TEST_F(FrameParserTest, TooLongFrameIsRefusedWithItsHeaderAndForGood) {
  FrameParser parser(899);
  absl::Status status;
  size_t fed = 0;
  for (; status.ok() && fed < stream_.size(); ++fed) status = Feed(&parser, std::span(stream_).subspan(fed, 1));
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_EQ(fed, kFrameHeaderBytes + 3 + kFrameHeaderBytes + kFrameHeaderBytes);
  EXPECT_EQ(Feed(&parser, stream_), status);
  EXPECT_EQ(received_.size(), 2u);
}

TEST_F(FrameParserTest, MissingBytesCanBeReceivedInPlace) {
  FrameParser parser(kMaxPayload);
  const size_t third = 2 * kFrameHeaderBytes + 3;
  ASSERT_TRUE(Feed(&parser, std::span(stream_).first(third + kFrameHeaderBytes + 10)).ok());
  ASSERT_EQ(parser.wanted(), 890u);
  const std::span<std::byte> missing = parser.Missing();
  ASSERT_EQ(missing.size(), 890u);
  std::copy_n(stream_.begin() + third + kFrameHeaderBytes + 10, 890, missing.begin());
  parser.Filled(890);
  ASSERT_TRUE(Feed(&parser, {}).ok());
  ASSERT_EQ(received_.size(), 3u);
  EXPECT_EQ(received_[2], payloads_[2]);
}

TEST_F(FrameParserTest, BetweenFramesNothingIsMissing) {
  FrameParser parser(kMaxPayload);
  EXPECT_TRUE(parser.Missing().empty());
  EXPECT_EQ(parser.wanted(), kFrameHeaderBytes);
  ASSERT_TRUE(Feed(&parser, std::span(stream_).first(5)).ok());
  EXPECT_EQ(parser.wanted(), kFrameHeaderBytes - 5);
}

TEST_F(FrameParserTest, PayloadGoesWhereItIsPlaced) {
  std::vector<std::byte> place(900);
  FrameParser parser(kMaxPayload, [&](const FrameHeader& header) {
    return header.length == 900 ? std::span(place) : std::span<std::byte>();
  });
  ASSERT_TRUE(Feed(&parser, stream_).ok());
  EXPECT_EQ(received_, payloads_);
  EXPECT_EQ(place, payloads_[2]);
}

TEST_F(FrameParserTest, PlaceThatIsTooSmallIsNotUsed) {
  std::vector<std::byte> place(899);
  FrameParser parser(kMaxPayload, [&](const FrameHeader&) { return std::span(place); });
  ASSERT_TRUE(Feed(&parser, stream_).ok());
  EXPECT_EQ(received_, payloads_);
}

TEST_F(FrameParserTest, ResetForgetsAHalfFrame) {
  FrameParser parser(kMaxPayload);
  ASSERT_TRUE(Feed(&parser, std::span(stream_).first(kFrameHeaderBytes + 1)).ok());
  parser.Reset();
  ASSERT_TRUE(Feed(&parser, stream_).ok());
  EXPECT_EQ(received_, payloads_);
}

TEST_F(FrameParserTest, PayloadWithoutMemoryForItIsAnError) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
  GTEST_SKIP() << "a sanitizer needs address space without a limit";
#endif
  EXPECT_EXIT(std::_Exit(RefusesForWantOfMemory() ? 0 : 1), testing::ExitedWithCode(0), "");
}

TEST_F(FrameParserTest, NewLimitHoldsFromTheNextHeaderOn) {
  FrameParser parser(3);
  ASSERT_TRUE(Feed(&parser, std::span(stream_).first(kFrameHeaderBytes)).ok());
  parser.set_max_payload_bytes(kMaxPayload);
  ASSERT_TRUE(Feed(&parser, std::span(stream_).subspan(kFrameHeaderBytes)).ok());
  EXPECT_EQ(received_, payloads_);
}

}  // namespace
}  // namespace xpool::wire
