#include "wire/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace xpool::wire {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int> Numbers(const Writer& writer) {
  std::vector<int> numbers;
  for (const std::byte byte : writer.Flatten()) numbers.push_back(std::to_integer<int>(byte));
  return numbers;
}

std::vector<std::byte> Block(size_t size, int value) { return std::vector<std::byte>(size, std::byte(value)); }

TEST(WriterTest, IntegersAreLittleEndianWithoutPadding) {
  Writer writer;
  writer.U8(1);
  writer.U32(0x05040302);
  writer.U16(0x0706);
  writer.I32(-2);
  EXPECT_THAT(Numbers(writer), ElementsAre(1, 2, 3, 4, 5, 6, 7, 0xfe, 0xff, 0xff, 0xff));
}

TEST(WriterTest, FloatsTravelAsTheirBits) {
  Writer writer;
  writer.F32(1.0f);
  writer.F64(-2.0);
  EXPECT_THAT(Numbers(writer), ElementsAre(0, 0, 0x80, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0));
}

TEST(WriterTest, LengthsGoBeforeTheirBytes) {
  Writer writer;
  writer.Bytes(Block(2, 7));
  writer.Bytes64(Block(1, 8));
  writer.Raw(Block(1, 9));
  EXPECT_THAT(Numbers(writer), ElementsAre(2, 0, 0, 0, 7, 7, 1, 0, 0, 0, 0, 0, 0, 0, 8, 9));
}

TEST(WriterTest, NullPointersAreOneByte) {
  Writer writer;
  writer.CString(nullptr);
  writer.NullableArray<uint32_t>(nullptr, 7);
  EXPECT_THAT(Numbers(writer), ElementsAre(0, 0));
}

TEST(WriterTest, CStringCountsItsNul) {
  Writer writer;
  writer.CString("ab");
  EXPECT_THAT(Numbers(writer), ElementsAre(1, 3, 0, 0, 0, 'a', 'b', 0));
}

TEST(WriterTest, ArraysCarryTheirCountAndElementsDoNot) {
  const uint16_t values[] = {3, 4};
  Writer writer;
  writer.Array(values, 2);
  writer.Elements(values, 1);
  writer.Array<uint64_t>(nullptr, 0);
  EXPECT_THAT(Numbers(writer), ElementsAre(2, 0, 0, 0, 3, 0, 4, 0, 3, 0, 0, 0, 0, 0));
}

TEST(WriterTest, ReferencedBytesAreNotCopiedAndKeepTheirPlace) {
  const std::vector<std::byte> large = Block(5000, 9);
  Writer writer;
  writer.U8(1);
  writer.Bytes64ByReference(large);
  writer.U8(2);
  std::vector<iovec> pieces;
  writer.Iovecs(&pieces);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].iov_len, 9u);
  EXPECT_EQ(pieces[1].iov_base, large.data());
  EXPECT_EQ(pieces[1].iov_len, large.size());
  EXPECT_EQ(pieces[2].iov_len, 1u);
  EXPECT_EQ(writer.size(), 9 + 5000 + 1u);
  EXPECT_EQ(writer.Flatten().size(), writer.size());
}

TEST(WriterTest, NeighbouringReferencesMakeNoEmptyPieces) {
  const std::vector<std::byte> large = Block(5000, 9);
  Writer writer;
  writer.RawByReference(large);
  writer.RawByReference(large);
  std::vector<iovec> pieces;
  writer.Iovecs(&pieces);
  EXPECT_EQ(pieces.size(), 2u);
}

TEST(WriterTest, ShortReferencesAreCopied) {
  const std::vector<std::byte> small = Block(10, 9);
  Writer writer;
  writer.RawByReference(small);
  EXPECT_EQ(writer.buffer_size(), 10u);
}

TEST(WriterTest, PiecesStayRightWhenTheBufferGrows) {
  const std::vector<std::byte> large = Block(2000, 9);
  Writer writer;
  writer.RawByReference(large);
  for (int i = 0; i < 10'000; ++i) writer.U8(static_cast<uint8_t>(i));
  const std::vector<std::byte> flat = writer.Flatten();
  ASSERT_EQ(flat.size(), 12'000u);
  EXPECT_EQ(flat[1999], std::byte{9});
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(flat[2000 + i], std::byte(i));
}

TEST(WriterTest, PastItsLimitNothingIsAddedAndTheErrorStays) {
  Writer writer(6);
  writer.U32(1);
  writer.U32(2);
  EXPECT_TRUE(absl::IsResourceExhausted(writer.status()));
  writer.U8(3);
  EXPECT_EQ(writer.size(), 4u);
}

TEST(WriterTest, LimitCountsReferencedBytes) {
  const std::vector<std::byte> large = Block(5000, 9);
  Writer writer(6000);
  writer.RawByReference(large);
  EXPECT_TRUE(writer.ok());
  writer.RawByReference(large);
  EXPECT_FALSE(writer.ok());
  EXPECT_EQ(writer.size(), 5000u);
}

TEST(WriterTest, CountWhoseSizeOverflowsIsRefused) {
  const uint64_t value = 1;
  Writer writer;
  writer.Elements(&value, SIZE_MAX / 4);
  EXPECT_TRUE(absl::IsResourceExhausted(writer.status()));
  EXPECT_EQ(writer.size(), 0u);
}

TEST(WriterTest, RewindTakesBackBytesReferencesAndTheError) {
  const std::vector<std::byte> large = Block(5000, 9);
  Writer writer(6000);
  writer.U8(1);
  const Writer::Mark mark = writer.mark();
  writer.RawByReference(large);
  writer.RawByReference(large);
  ASSERT_FALSE(writer.ok());
  writer.Rewind(mark);
  EXPECT_TRUE(writer.ok());
  writer.U8(2);
  EXPECT_THAT(Numbers(writer), ElementsAre(1, 2));
}

TEST(WriterTest, RewindKeepsAnErrorFromBefore) {
  Writer writer(1);
  writer.U32(1);
  writer.Rewind(writer.mark());
  EXPECT_FALSE(writer.ok());
}

TEST(WriterTest, PatchOverwritesInPlace) {
  Writer writer;
  writer.U8(1);
  writer.U32(0);
  writer.U8(2);
  writer.PatchU32(1, 0x06050403);
  EXPECT_THAT(Numbers(writer), ElementsAre(1, 3, 4, 5, 6, 2));
}

TEST(WriterTest, PatchWhereNothingWasWrittenDoesNothing) {
  Writer writer;
  writer.U16(1);
  writer.PatchU32(0, 7);
  writer.PatchU32(SIZE_MAX, 7);
  EXPECT_THAT(Numbers(writer), ElementsAre(1, 0));
}

TEST(WriterTest, ClearedWriterStartsAnew) {
  Writer writer(4);
  writer.U64(1);
  ASSERT_FALSE(writer.ok());
  writer.Clear();
  EXPECT_TRUE(writer.ok());
  EXPECT_THAT(Numbers(writer), IsEmpty());
}

}  // namespace
}  // namespace xpool::wire
