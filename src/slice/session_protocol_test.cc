#include "slice/session_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace xpool {
namespace {

using testing::HasSubstr;

std::vector<std::byte> Bytes(const auto& message) {
  const auto span = MessageBytes(message);
  return {span.begin(), span.end()};
}

TEST(SessionProtocolTest, MessageComesBackAsItWasSent) {
  Hello hello = NewMessage<Hello>();
  SetString(hello.slice, "trainer");
  hello.memory_held_bytes = 77;
  const absl::StatusOr<Hello> parsed = ParseMessage<Hello>(MessageBytes(hello));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(GetString(parsed->slice), "trainer");
  EXPECT_EQ(parsed->memory_held_bytes, 77u);
}

TEST(SessionProtocolTest, OneByteMoreOrLessIsRefused) {
  std::vector<std::byte> bytes = Bytes(NewMessage<MemoryRequest>());
  bytes.push_back(std::byte{0});
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(bytes).status()));
  bytes.resize(bytes.size() - 2);
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(bytes).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage({}).status()));
}

TEST(SessionProtocolTest, SizeThatLiesIsRefused) {
  MemoryRequest request = NewMessage<MemoryRequest>();
  request.header.size += 1;
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(MessageBytes(request)).status()));
}

TEST(SessionProtocolTest, TypeThatDoesNotFitTheSizeIsRefused) {
  MemoryRequest request = NewMessage<MemoryRequest>();
  request.header.type = MessageType::kWelcome;
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(MessageBytes(request)).status()));
  request.header.type = static_cast<MessageType>(99);
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(MessageBytes(request)).status()));
}

TEST(SessionProtocolTest, MessageOfAnotherTypeIsNotParsed) {
  EXPECT_TRUE(absl::IsInvalidArgument(ParseMessage<MemoryReturn>(MessageBytes(NewMessage<MemoryRequest>())).status()));
}

TEST(SessionProtocolTest, OtherVersionIsNamed) {
  Hello hello = NewMessage<Hello>();
  hello.header.version = 9;
  const absl::Status status = CheckMessage(MessageBytes(hello)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("version 9, this side 1"));
}

TEST(SessionProtocolTest, ForeignBytesAreRefused) {
  Hello hello = NewMessage<Hello>();
  hello.header.magic ^= 1;
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(MessageBytes(hello)).status()));
}

TEST(SessionProtocolTest, StringThatDoesNotEndIsRefused) {
  Hello hello = NewMessage<Hello>();
  std::memset(hello.slice, 'x', sizeof(hello.slice));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(MessageBytes(hello)).status()));
  EXPECT_EQ(GetString(hello.slice).size(), sizeof(hello.slice));
}

TEST(SessionProtocolTest, LongStringIsCutAndSaysSo) {
  char array[4];
  EXPECT_TRUE(SetString(array, "abc"));
  EXPECT_FALSE(SetString(array, "abcd"));
  EXPECT_EQ(GetString(array), "abc");
}

}  // namespace
}  // namespace xpool
