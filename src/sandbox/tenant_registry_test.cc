#include "sandbox/tenant_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace xpool::sandbox {
namespace {

using Kind = TenantIdentity::Kind;

constexpr UserRange kUsers = {500000, 3};

TenantIdentity Certificate(const std::string& name) { return {Kind::kCertificate, name}; }

TEST(TenantRegistryTest, EachTenantHasANumberAndAUserAndKeepsThem) {
  TenantRegistry registry(kUsers);
  const auto a = registry.FindOrAdd(Certificate("a")), b = registry.FindOrAdd(Certificate("b"));
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_NE(a->number, b->number);
  EXPECT_NE(a->user, b->user);
  EXPECT_EQ(registry.FindOrAdd(Certificate("a"))->user, a->user);
}

TEST(TenantRegistryTest, KindIsPartOfTheIdentity) {
  TenantRegistry registry(kUsers);
  const auto certificate = registry.FindOrAdd(Certificate("1000"));
  const auto user = registry.FindOrAdd({Kind::kLocalUser, "1000"});
  ASSERT_TRUE(certificate.ok() && user.ok());
  EXPECT_NE(certificate->user, user->user);
}

TEST(TenantRegistryTest, HostileNamesSurviveTheFileByteForByte) {
  const std::vector<std::string> names = {"../../etc", std::string("a\0b", 3),
                                          "a\nb",      "x y",
                                          "\xff\xfe",  "-",
                                          "user",      std::string(kMaxTenantNameBytes, '/')};
  TenantRegistry before(UserRange{500000, 100});
  for (const std::string& name : names) ASSERT_TRUE(before.FindOrAdd(Certificate(name)).ok());
  TenantRegistry after(UserRange{500000, 100});
  ASSERT_TRUE(after.Parse(before.Serialize()).ok());
  for (const std::string& name : names) {
    ASSERT_NE(after.Find(Certificate(name)), nullptr);
    EXPECT_EQ(after.Find(Certificate(name))->user, before.Find(Certificate(name))->user);
  }
  EXPECT_EQ(after.Serialize(), before.Serialize());
}

TEST(TenantRegistryTest, RetiredNumbersAndUsersAreNotGivenAgain) {
  TenantRegistry before(kUsers);
  const auto a = before.FindOrAdd(Certificate("a"));
  ASSERT_TRUE(before.Retire(Certificate("a")));
  TenantRegistry after(kUsers);
  ASSERT_TRUE(after.Parse(before.Serialize()).ok());
  const auto again = after.FindOrAdd(Certificate("a"));
  ASSERT_TRUE(a.ok() && again.ok());
  EXPECT_NE(again->number, a->number);
  EXPECT_NE(again->user, a->user);
}

TEST(TenantRegistryTest, ExhaustedRangeIsSaidSo) {
  TenantRegistry registry(kUsers);
  for (uint32_t i = 0; i < kUsers.count; ++i) ASSERT_TRUE(registry.FindOrAdd(Certificate(absl::StrCat(i))).ok());
  EXPECT_EQ(registry.FindOrAdd(Certificate("more")).status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(registry.FindOrAdd(Certificate("0")).ok());
}

TEST(TenantRegistryTest, AnotherRangeLeavesOldTenantsTheirUsers) {
  TenantRegistry before(kUsers);
  const auto a = before.FindOrAdd(Certificate("a"));
  TenantRegistry after(UserRange{700000, 10});
  ASSERT_TRUE(after.Parse(before.Serialize()).ok());
  EXPECT_EQ(after.FindOrAdd(Certificate("a"))->user, a->user);
  EXPECT_EQ(after.FindOrAdd(Certificate("b"))->user, 700000u);
}

TEST(TenantRegistryTest, WithoutARangeNobodyHasAUser) {
  TenantRegistry registry(std::nullopt);
  EXPECT_EQ(registry.FindOrAdd(Certificate("a"))->user, 0u);
  EXPECT_EQ(registry.FindOrAdd(Certificate("b"))->number, 2u);
}

TEST(TenantRegistryTest, EmptyAndLongNamesAreRefused) {
  TenantRegistry registry(kUsers);
  EXPECT_EQ(registry.FindOrAdd(Certificate("")).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(registry.FindOrAdd(Certificate(std::string(kMaxTenantNameBytes + 1, 'a'))).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(TenantRegistryTest, DamagedFileIsDataLossAndNotGuessedAt) {
  const std::string head = "xpool-tenants 1\n";
  for (const std::string& text :
       {std::string(), std::string("\n"), std::string("xpool-tenants 2\n"), head + "1 5 certificate 61", head + "\n",
        head + "x 5 certificate 61\n", head + "1 5 certificate 6\n", head + "1 5 certificate zz\n",
        head + "1 5 certificate \n", head + "1 5 stranger 61\n", head + "0 5 certificate 61\n",
        head + "4294967295 5 certificate 61\n", head + "1 -5 certificate 61\n",
        head + "1 5 certificate 61\n1 6 certificate 62\n", head + "1 5 certificate 61\n2 5 certificate 62\n",
        head + "1 5 certificate 61\n2 6 certificate 61\n", head + "1 5 certificate 61 62\n"}) {
    TenantRegistry registry(kUsers);
    EXPECT_EQ(registry.Parse(text).code(), absl::StatusCode::kDataLoss) << text;
  }
}

}  // namespace
}  // namespace xpool::sandbox
