#include "wire/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "wire/writer.h"

namespace xpool::wire {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

std::vector<std::byte> Bytes(std::initializer_list<int> numbers) {
  std::vector<std::byte> bytes;
  for (const int number : numbers) bytes.push_back(std::byte(number));
  return bytes;
}

TEST(ReaderTest, EveryKindOfValueComesBack) {
  const int32_t values[] = {-1, 7};
  const WireHandle handle = WireHandle::Make(3, 2, 1);
  Writer writer;
  writer.U8(200);
  writer.U16(65535);
  writer.U32(1u << 31);
  writer.U64(uint64_t{1} << 63);
  writer.I32(-5);
  writer.I64(-6);
  writer.F32(0.5f);
  writer.F64(-0.25);
  writer.Bool(true);
  writer.Handle(handle);
  writer.CString("name");
  writer.Array(values, 2);
  writer.NullableArray(&handle, 1);
  writer.Elements(values, 2);
  const std::vector<std::byte> bytes = writer.Flatten();

  Reader reader(bytes, "test");
  EXPECT_EQ(reader.U8("a"), 200);
  EXPECT_EQ(reader.U16("b"), 65535);
  EXPECT_EQ(reader.U32("c"), 1u << 31);
  EXPECT_EQ(reader.U64("d"), uint64_t{1} << 63);
  EXPECT_EQ(reader.I32("e"), -5);
  EXPECT_EQ(reader.I64("f"), -6);
  EXPECT_EQ(reader.F32("g"), 0.5f);
  EXPECT_EQ(reader.F64("h"), -0.25);
  EXPECT_TRUE(reader.Bool("i"));
  EXPECT_EQ(reader.Handle("j"), handle);
  EXPECT_STREQ(reader.CString("k"), "name");
  EXPECT_THAT(reader.Array<int32_t>("l"), ElementsAre(-1, 7));
  EXPECT_THAT(reader.NullableArray<WireHandle>("m"), ElementsAre(handle));
  EXPECT_THAT(reader.Elements<int32_t>("n", 2), ElementsAre(-1, 7));
  EXPECT_TRUE(reader.Finish().ok()) << reader.status();
}

TEST(ReaderTest, NanKeepsItsBits) {
  Writer writer;
  writer.F64(std::bit_cast<double>(uint64_t{0x7ff4000000000123}));
  const std::vector<std::byte> bytes = writer.Flatten();
  Reader reader(bytes, "test");
  EXPECT_EQ(std::bit_cast<uint64_t>(reader.F64("nan")), 0x7ff4000000000123);
}

TEST(ReaderTest, NullAndEmptyAreNotTheSame) {
  const uint32_t none = 0;
  Writer writer;
  writer.NullableArray<uint32_t>(nullptr, 0);
  writer.NullableArray(&none, 0);
  writer.CString(nullptr);
  writer.CString("");
  const std::vector<std::byte> bytes = writer.Flatten();
  Reader reader(bytes, "test");
  EXPECT_EQ(reader.NullableArray<uint32_t>("null").data(), nullptr);
  const std::span<const uint32_t> empty = reader.NullableArray<uint32_t>("empty");
  EXPECT_NE(empty.data(), nullptr);
  EXPECT_TRUE(empty.empty());
  EXPECT_EQ(reader.CString("null"), nullptr);
  EXPECT_STREQ(reader.CString("empty"), "");
  EXPECT_TRUE(reader.Finish().ok());
}

TEST(ReaderTest, FirstErrorNamesMessageFieldAndOffsetAndStays) {
  const std::vector<std::byte> bytes = Bytes({1, 2, 3});
  Reader reader(bytes, "clFinish");
  reader.U16("first");
  EXPECT_EQ(reader.U32("second"), 0u);
  EXPECT_EQ(reader.U8("third"), 0);  // one byte is there, but nothing is read after an error
  EXPECT_TRUE(absl::IsInvalidArgument(reader.Finish()));
  EXPECT_THAT(Message(reader.status()), HasSubstr("clFinish: second at offset 2 of 3 bytes needs 4 bytes where 1 are"));
}

TEST(ReaderTest, AfterAnErrorEverythingIsZeroOrEmpty) {
  const std::vector<std::byte> bytes(100, std::byte{1});
  Reader reader(bytes, "test");
  reader.Fail("own", "is bad");
  EXPECT_EQ(reader.U64("a"), 0u);
  EXPECT_FALSE(reader.Bool("b"));
  EXPECT_TRUE(reader.Handle("c").is_null());
  EXPECT_EQ(reader.CString("d"), nullptr);
  EXPECT_EQ(reader.Array<uint8_t>("e").data(), nullptr);
  EXPECT_TRUE(reader.Elements<uint8_t>("f", 3).empty());
  EXPECT_TRUE(reader.Bytes("g").empty());
  EXPECT_TRUE(reader.Rest().empty());
  EXPECT_EQ(reader.Count("h", 100, 1), 0u);
  EXPECT_EQ(reader.left(), 0u);
  EXPECT_THAT(Message(reader.Finish()), HasSubstr("own at offset 0 of 100 bytes is bad"));
}

TEST(ReaderTest, BytesLeftOverAreAnError) {
  const std::vector<std::byte> bytes = Bytes({1, 2, 3});
  Reader reader(bytes, "test");
  reader.U8("a");
  EXPECT_THAT(Message(reader.Finish()), HasSubstr("followed by 2 bytes"));
}

TEST(ReaderTest, LengthPastTheInputIsRefused) {
  const std::vector<std::byte> bytes = Bytes({0xff, 0xff, 0xff, 0xff, 1});
  Reader reader(bytes, "test");
  EXPECT_TRUE(reader.Bytes("data").empty());
  EXPECT_FALSE(reader.ok());
}

TEST(ReaderTest, Length64ThatWouldOverflowIsRefused) {
  Writer writer;
  writer.U64(UINT64_MAX - 3);
  writer.U8(0);
  const std::vector<std::byte> bytes = writer.Flatten();
  Reader reader(bytes, "test");
  EXPECT_TRUE(reader.Bytes64("data").empty());
  EXPECT_FALSE(reader.ok());
}

TEST(ReaderTest, LengthPastTheCallersLimitIsRefused) {
  Writer writer;
  writer.Bytes(std::vector<std::byte>(9));
  const std::vector<std::byte> bytes = writer.Flatten();
  Reader exact(bytes, "test");
  EXPECT_EQ(exact.Bytes("data", 9).size(), 9u);
  Reader strict(bytes, "test");
  EXPECT_TRUE(strict.Bytes("data", 8).empty());
  EXPECT_THAT(Message(strict.status()), HasSubstr("says 9 where at most 8"));
}

TEST(ReaderTest, CountIsBoundedByItsLimitAndByWhatCanFollow) {
  Writer writer;
  writer.U32(4);
  writer.U64(0);
  const std::vector<std::byte> bytes = writer.Flatten();
  Reader fits(bytes, "test");
  EXPECT_EQ(fits.Count("n", 4, 2), 4u);
  Reader strict(bytes, "test");
  EXPECT_EQ(strict.Count("n", 3, 2), 0u);
  EXPECT_FALSE(strict.ok());
  Reader too_short(bytes, "test");
  EXPECT_EQ(too_short.Count("n", 4, 3), 0u);
  EXPECT_FALSE(too_short.ok());
}

TEST(ReaderTest, ElementsWhoseSizeOverflowsAreRefused) {
  const std::vector<std::byte> bytes(64);
  Reader reader(bytes, "test");
  EXPECT_TRUE(reader.Elements<uint64_t>("n", UINT64_MAX / 8 + 2).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(ReaderTest, FlagsAreZeroOrOne) {
  const std::vector<std::byte> bytes = Bytes({2});
  Reader reader(bytes, "test");
  EXPECT_FALSE(reader.Bool("blocking"));
  EXPECT_FALSE(reader.ok());
}

TEST(ReaderTest, HandleWithoutTypeOrGenerationIsRefused) {
  for (const uint64_t bits : {uint64_t{7}, uint64_t{3} << 56, uint64_t{9} << 32}) {
    Writer writer;
    writer.U64(bits);
    const std::vector<std::byte> bytes = writer.Flatten();
    Reader reader(bytes, "test");
    EXPECT_TRUE(reader.Handle("queue").is_null());
    EXPECT_FALSE(reader.ok()) << bits;
  }
}

TEST(ReaderTest, StringMustEndExactlyWhereItsLengthSays) {
  const std::vector<std::vector<std::byte>> bad = {
      Bytes({1, 0, 0, 0, 0}),               // no NUL at all
      Bytes({1, 2, 0, 0, 0, 'a', 'b'}),     // no NUL at the end
      Bytes({1, 3, 0, 0, 0, 'a', 0, 0}),    // a NUL inside
      Bytes({1, 9, 0, 0, 0, 'a', 'b', 0}),  // longer than the input
  };
  for (const std::vector<std::byte>& bytes : bad) {
    Reader reader(bytes, "test");
    EXPECT_EQ(reader.CString("options"), nullptr);
    EXPECT_FALSE(reader.ok()) << bytes.size();
  }
}

TEST(ReaderTest, StringLimitCountsCharacters) {
  Writer writer;
  writer.CString("abc");
  const std::vector<std::byte> bytes = writer.Flatten();
  Reader fits(bytes, "test");
  EXPECT_STREQ(fits.CString("options", 3), "abc");
  Reader strict(bytes, "test");
  EXPECT_EQ(strict.CString("options", 2), nullptr);
}

TEST(ReaderTest, UnalignedArraysAreCopiedAlignedOnesViewed) {
  alignas(8) std::byte bytes[32] = {};
  bytes[8] = std::byte{5};
  bytes[17] = std::byte{6};
  Reader reader(bytes, "test");
  reader.U64("skipped");
  const std::span<const uint64_t> viewed = reader.Elements<uint64_t>("viewed", 1);
  EXPECT_EQ(static_cast<const void*>(viewed.data()), bytes + 8);
  reader.U8("skipped");
  const std::span<const uint64_t> copied = reader.Elements<uint64_t>("copied", 1);
  EXPECT_NE(static_cast<const void*>(copied.data()), bytes + 17);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(copied.data()) % alignof(uint64_t), 0u);
  EXPECT_EQ(copied[0], 6u);
}

TEST(ReaderTest, ManyUnalignedArraysKeepTheirValues) {
  Writer writer;
  std::vector<uint64_t> values(100);
  for (uint64_t i = 0; i < 20; ++i) {
    writer.U8(0);
    std::fill(values.begin(), values.end(), i);
    writer.Elements(values.data(), i * 5);
  }
  const std::vector<std::byte> bytes = writer.Flatten();
  Reader reader(bytes, "test");
  std::vector<std::span<const uint64_t>> arrays;
  for (uint64_t i = 0; i < 20; ++i) {
    reader.U8("skipped");
    arrays.push_back(reader.Elements<uint64_t>("array", i * 5));
  }
  ASSERT_TRUE(reader.Finish().ok());
  for (uint64_t i = 0; i < 20; ++i) {
    ASSERT_EQ(arrays[i].size(), i * 5);
    for (const uint64_t value : arrays[i]) ASSERT_EQ(value, i);
  }
}

TEST(ReaderTest, ViewsPointIntoTheInput) {
  const std::vector<std::byte> bytes = Bytes({1, 0, 0, 0, 'x', 'r', 'e', 's', 't'});
  Reader reader(bytes, "test");
  EXPECT_EQ(reader.Bytes("data").data(), bytes.data() + 4);
  EXPECT_EQ(reader.Rest().size(), 4u);
  EXPECT_TRUE(reader.Finish().ok());
}

TEST(ReaderTest, EmptyInputReadsAsNothing) {
  Reader reader({}, "test");
  EXPECT_TRUE(reader.Rest().empty());
  EXPECT_TRUE(reader.Raw("nothing", 0).empty());
  EXPECT_TRUE(reader.Finish().ok());
  EXPECT_EQ(reader.U8("something"), 0);
  EXPECT_FALSE(reader.ok());
}

}  // namespace
}  // namespace xpool::wire
