#include "transport/ucx_greeting.h"

#include <gtest/gtest.h>

#include "transport/bulk_lane.h"
#include "transport/ucx_options.h"

namespace xpool::transport {
namespace {

UcxHello GoodHello() {
  UcxHello hello;
  hello.ucx_major = 1;
  hello.ucx_minor = 13;
  hello.address_bytes = 300;
  hello.window_bytes = UcxOptions::kMostWindowBytes;
  return hello;
}

absl::StatusCode CodeOf(const UcxHello& hello) { return CheckHello(hello, GoodHello()).code(); }

TEST(UcxGreetingTest, HelloOfTheSameVersionsIsTaken) { EXPECT_EQ(CodeOf(GoodHello()), absl::StatusCode::kOk); }

TEST(UcxGreetingTest, HelloOfAnotherVersionIsRefusedWithBoth) {
  UcxHello hello = GoodHello();
  hello.ucx_minor = 17;
  const absl::Status status = CheckHello(hello, GoodHello());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("1.17"), std::string::npos);
  EXPECT_NE(status.message().find("1.13"), std::string::npos);
  hello = GoodHello();
  hello.version = 2;
  EXPECT_EQ(CodeOf(hello), absl::StatusCode::kFailedPrecondition);
}

TEST(UcxGreetingTest, HelloThatCannotBeIsRefused) {
  for (const uint32_t address_bytes : {uint32_t{0}, uint32_t{kMostUcxAddressBytes + 1}, UINT32_MAX}) {
    UcxHello hello = GoodHello();
    hello.address_bytes = address_bytes;
    EXPECT_EQ(CodeOf(hello), absl::StatusCode::kInvalidArgument) << address_bytes;
  }
  for (const uint64_t window_bytes :
       {uint64_t{0}, uint64_t{5000}, UcxOptions::kLeastWindowBytes / 2, UcxOptions::kMostWindowBytes * 2, UINT64_MAX}) {
    UcxHello hello = GoodHello();
    hello.window_bytes = window_bytes;
    EXPECT_EQ(CodeOf(hello), absl::StatusCode::kInvalidArgument) << window_bytes;
  }
  UcxHello hello = GoodHello();
  hello.magic = 0;
  EXPECT_EQ(CodeOf(hello), absl::StatusCode::kInvalidArgument);
}

TEST(UcxGreetingTest, FarewellSaysHowMuchWasSentAndNothingElseIsOne) {
  const UcxFarewell farewell{kUcxMagic, 12345};
  const auto bytes = std::as_bytes(std::span(&farewell, 1));
  EXPECT_EQ(ParseFarewell(bytes)->sent_bytes, 12345u);
  EXPECT_TRUE(absl::IsDataLoss(ParseFarewell(bytes.first(15)).status()));
  const std::vector<std::byte> zeros(sizeof(farewell));
  EXPECT_TRUE(absl::IsDataLoss(ParseFarewell(zeros).status()));
}

TEST(UcxGreetingTest, RegionKeyComesBackAsItWent) {
  const std::vector<std::byte> packed(100, std::byte{7});
  const UcxRegionKey key = ParseRegionKey(EncodeRegionKey({4096, 1 << 20, packed})).value();
  EXPECT_EQ(key.address, 4096u);
  EXPECT_EQ(key.size_bytes, uint64_t{1} << 20);
  EXPECT_EQ(key.packed, packed);
}

TEST(UcxGreetingTest, TornAndForgedRegionKeysAreRefused) {
  const std::vector<std::byte> good = EncodeRegionKey({4096, 1 << 20, std::vector<std::byte>(50)});
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(ParseRegionKey(std::span(good).first(size)).ok()) << size;
  std::vector<std::byte> longer = good;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(ParseRegionKey(longer).ok());
  EXPECT_FALSE(ParseRegionKey(std::vector<std::byte>(good.size())).ok());
  EXPECT_FALSE(ParseRegionKey(EncodeRegionKey({4096, 1, {}})).ok());
  EXPECT_FALSE(ParseRegionKey(EncodeRegionKey({4096, 1, std::vector<std::byte>(kMostBulkKeyBytes)})).ok());
  EXPECT_FALSE(ParseRegionKey(EncodeRegionKey({4096, UINT64_MAX, std::vector<std::byte>(50)})).ok());
}

}  // namespace
}  // namespace xpool::transport
