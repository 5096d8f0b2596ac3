#include "pki/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace xpool::pki {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(NamesTest, LettersDigitsAndMarksInsideAreNames) {
  for (const char* name : {"gpu1", "a", "Node-7_x.lab", "0"}) EXPECT_TRUE(CheckNodeName("name", name).ok()) << name;
  EXPECT_TRUE(CheckUserName("name", "ada@lab.example").ok());
  EXPECT_TRUE(CheckNodeName("name", std::string(kMostNameBytes, 'x')).ok());
}

TEST(NamesTest, HostileNamesAreRefusedAndShownHarmlessly) {
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("a\nb"), std::string("a\0b", 3), std::string("../x"),
        std::string("-rf"), std::string("x-"), std::string("\xc3\xa4"), std::string("a/b"), std::string("a,DNS:b"),
        std::string("\x1b[2J"), std::string(kMostNameBytes + 1, 'x'), std::string(1 << 20, 'x')}) {
    const absl::Status status = CheckUserName("name", name);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_LT(status.message().size(), 400u);
    for (const char c : status.message()) EXPECT_TRUE(c >= ' ' && c <= '~');
  }
  EXPECT_FALSE(CheckNodeName("name", "ada@lab").ok());
}

TEST(NamesTest, AddressesAreSortedIntoNamesAndNumbersInOneForm) {
  const auto addresses = ParseAddresses({"10.0.0.2", "GPU1.lab", "fe80:0::1", "gpu1.lab", "10.0.0.2"});
  ASSERT_TRUE(addresses.ok()) << addresses.status();
  EXPECT_THAT(addresses->dns_names, ElementsAre("gpu1.lab"));
  EXPECT_THAT(addresses->ip_addresses, ElementsAre("10.0.0.2", "fe80::1"));
}

TEST(NamesTest, WhatNobodyConnectsToIsNoAddress) {
  const auto error_of = [](const std::string& text) {
    const absl::Status status = ParseAddresses({text}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(status.message());
  };
  EXPECT_THAT(error_of("10.0.0.2:7070"), HasSubstr("without a port"));
  EXPECT_THAT(error_of("[::1]"), HasSubstr("without a port and brackets"));
  EXPECT_THAT(error_of("*.lab"), HasSubstr("wildcards"));
  EXPECT_THAT(error_of("0.0.0.0"), HasSubstr("those that clients use"));
  EXPECT_THAT(error_of("::"), HasSubstr("those that clients use"));
  for (const char* text :
       {"", "10.0.0", "10.0.0.256", "a..b", "-a", "a-", "a_b", "a b", "a,IP:1.2.3.4", "fe80::1%eth0"})
    error_of(text);
  error_of("a." + std::string(64, 'x'));
  error_of(std::string(300, 'a'));
}

TEST(NamesTest, NodeWithoutAnAddressIsToldHow) {
  const absl::Status status = ParseAddresses({}).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("--address 10.0.0.2"));
  std::vector<std::string> many;
  for (size_t i = 0; i <= kMostAddresses; ++i) many.push_back("n" + std::to_string(i));
  EXPECT_FALSE(ParseAddresses(many).ok());
}

}  // namespace
}  // namespace xpool::pki
