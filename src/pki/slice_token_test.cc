#include "pki/slice_token.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "base/file.h"
#include "pki/token_keys.h"

namespace xpool::pki {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kNow = 1'000 * kNsPerSec;
constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

TokenKeys KeysOf(uint8_t first) {
  TokenKeys keys;
  keys.current.fill(first);
  return keys;
}

TokenHolder Ada() { return TokenHolder::OfCertificate(std::string(64, 'a')).value(); }

TokenGrant AttachGrant() { return {.slice = {7, 1'700'000'000}, .holder = Ada()}; }
TokenUse AttachUse() { return {TokenPurpose::kAttach, {7, 1'700'000'000}, Ada()}; }

std::string MadeToken(const TokenGrant& grant = AttachGrant()) {
  return MakeSliceToken(grant, TokenId{1, 2, 3}, KeysOf(1), kNow).value();
}

TokenFault FaultIn(const std::string& text, const TokenUse& use = AttachUse(), int64_t now_ns = kNow,
                   const TokenKeys& keys = KeysOf(1)) {
  const auto token = CheckSliceToken(text, use, keys, now_ns);
  EXPECT_NE(token.ok(), FaultOf(token.status()) != TokenFault::kNone) << token.status();
  return FaultOf(token.status());
}

TEST(SliceTokenTest, WhatIsMadeIsTaken) {
  const std::string text = MadeToken();
  EXPECT_EQ(text.size(), kSliceTokenChars);
  EXPECT_LE(text.size(), 512u);
  for (const char c : text) EXPECT_TRUE(c > ' ' && c <= '~');
  const auto token = CheckSliceToken(text, AttachUse(), KeysOf(1), kNow);
  ASSERT_TRUE(token.ok()) << token.status();
  const SliceToken expected{TokenId{1, 2, 3},    TokenPurpose::kAttach, {7, 1'700'000'000}, Ada(), kNow,
                            kNow + kTokenLifeNs, kUnlimitedUses};
  EXPECT_EQ(*token, expected);
}

TEST(SliceTokenTest, EveryMismatchIsItsOwnError) {
  const std::string text = MadeToken();
  TokenUse use = AttachUse();
  use.purpose = TokenPurpose::kPeerTransfer;
  EXPECT_EQ(FaultIn(text, use), TokenFault::kOtherPurpose);
  use = AttachUse();
  use.slice.number = 8;
  EXPECT_EQ(FaultIn(text, use), TokenFault::kOtherSlice);
  use = AttachUse();
  ++use.slice.created_unix_s;  // the number was given again
  EXPECT_EQ(FaultIn(text, use), TokenFault::kOtherSlice);
  use = AttachUse();
  use.holder = TokenHolder::OfCertificate(std::string(64, 'b')).value();
  EXPECT_EQ(FaultIn(text, use), TokenFault::kOtherHolder);
  use.holder = TokenHolder::OfUid(1000);
  EXPECT_EQ(FaultIn(text, use), TokenFault::kOtherHolder);
  EXPECT_EQ(FaultIn(text, AttachUse(), kNow, KeysOf(2)), TokenFault::kWrongKey);
}

TEST(SliceTokenTest, ItHoldsFromWhenItWasMadeUntilItsEnd) {
  const std::string text = MadeToken();
  EXPECT_EQ(FaultIn(text, AttachUse(), kNow - 1), TokenFault::kNotYetValid);
  EXPECT_EQ(FaultIn(text, AttachUse(), kNow), TokenFault::kNone);
  EXPECT_EQ(FaultIn(text, AttachUse(), kNow + kTokenLifeNs - 1), TokenFault::kNone);
  EXPECT_EQ(FaultIn(text, AttachUse(), kNow + kTokenLifeNs), TokenFault::kExpired);
}

TEST(SliceTokenTest, ErrorsSayWhatToDo) {
  const absl::Status expired =
      CheckSliceToken(MadeToken(), AttachUse(), KeysOf(1), kNow + kTokenLifeNs + 3 * kNsPerSec).status();
  EXPECT_THAT(std::string(expired.message()), HasSubstr("expired 3 s ago: ask the agent for another"));
  TokenUse use = AttachUse();
  use.holder = TokenHolder::OfUid(1000);
  const absl::Status other = CheckSliceToken(MadeToken(), use, KeysOf(1), kNow).status();
  EXPECT_THAT(std::string(other.message()), HasSubstr("shown by user 1000"));
}

TEST(SliceTokenTest, LivesAndUsesThatCannotBeMeantAreNotMade) {
  const auto made = [](int64_t life_ns, TokenPurpose purpose, uint32_t uses) {
    TokenGrant grant = AttachGrant();
    grant.life_ns = life_ns;
    grant.purpose = purpose;
    grant.most_uses = uses;
    return MakeSliceToken(grant, NewTokenId(), KeysOf(1), kNow).ok();
  };
  EXPECT_FALSE(made(0, TokenPurpose::kAttach, 0));
  EXPECT_FALSE(made(-1, TokenPurpose::kAttach, 0));
  EXPECT_FALSE(made(kMostTokenLifeNs + 1, TokenPurpose::kAttach, 0));
  EXPECT_TRUE(made(kMostTokenLifeNs, TokenPurpose::kAttach, 3));
  EXPECT_FALSE(made(kTokenLifeNs, TokenPurpose::kPeerTransfer, kUnlimitedUses));
  EXPECT_FALSE(made(kTokenLifeNs, TokenPurpose::kPeerTransfer, 2));
  EXPECT_TRUE(made(kTokenLifeNs, TokenPurpose::kPeerTransfer, 1));
}

TEST(SliceTokenTest, EveryFlippedBitIsRefused) {
  const std::string text = MadeToken();
  for (size_t i = 0; i < text.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string changed = text;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      EXPECT_NE(FaultIn(changed), TokenFault::kNone) << "bit " << bit << " of character " << i;
    }
  }
}

TEST(SliceTokenTest, EveryOtherCharacterIsRefused) {
  const std::string text = MadeToken();
  for (size_t i = text.find('.') + 1; i < text.size(); ++i) {
    for (const char* c = kAlphabet; *c != '\0'; ++c) {
      if (*c == text[i]) continue;
      std::string changed = text;
      changed[i] = *c;
      EXPECT_EQ(FaultIn(changed), TokenFault::kWrongKey) << i << *c;
    }
  }
}

TEST(SliceTokenTest, OtherLengthsAndAlphabetsAreMalformed) {
  const std::string text = MadeToken();
  for (size_t size = 0; size < text.size(); ++size) EXPECT_EQ(FaultIn(text.substr(0, size)), TokenFault::kMalformed);
  for (const std::string& bad : {text + "A", text + "=", text + "\n", " " + text, std::string(1 << 20, 'A'),
                                 "xpool-token-2." + text.substr(14), std::string(text.size(), 'A')})
    EXPECT_EQ(FaultIn(bad), TokenFault::kMalformed);
  for (const char c : {'=', '+', '/', ' ', '\n', '\0', '.', '\x80'}) {
    std::string bad = text;
    bad.back() = c;
    EXPECT_EQ(FaultIn(bad), TokenFault::kMalformed) << static_cast<int>(c);
  }
}

TEST(SliceTokenTest, RandomGrantsComeThroughAsTheyWere) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 500; ++round) {
    const TokenKeys keys = KeysOf(static_cast<uint8_t>(random()));
    const bool attach = random() % 2 == 0;
    TokenGrant grant;
    grant.purpose = attach ? TokenPurpose::kAttach : TokenPurpose::kPeerTransfer;
    grant.slice = {random(), static_cast<int64_t>(random())};
    grant.holder = random() % 2 == 0 ? TokenHolder::OfUid(static_cast<uid_t>(random())) : Ada();
    grant.most_uses = attach ? static_cast<uint32_t>(random()) : 1;
    const int64_t now_ns = static_cast<int64_t>(random() >> 2);
    const std::string text = MakeSliceToken(grant, NewTokenId(), keys, now_ns).value();
    const auto token = CheckSliceToken(text, {grant.purpose, grant.slice, grant.holder}, keys, now_ns);
    ASSERT_TRUE(token.ok()) << token.status();
    EXPECT_EQ(token->most_uses, grant.most_uses);
    EXPECT_EQ(token->slice, grant.slice);
    EXPECT_EQ(token->holder, grant.holder);
  }
}

TEST(SliceTokenTest, IdsDiffer) {
  std::set<TokenId> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(NewTokenId());
  EXPECT_EQ(ids.size(), 1000u);
}

TEST(SliceTokenTest, OnlyFingerprintsAreHoldersByCertificate) {
  for (const std::string& bad : {std::string(), std::string(63, 'a'), std::string(64, 'g'), std::string(65, 'a')})
    EXPECT_FALSE(TokenHolder::OfCertificate(bad).ok());
  EXPECT_EQ(TokenHolder::OfCertificate(std::string(64, 'A')).value(), Ada());
  EXPECT_FALSE(TokenHolder::OfUid(0) == TokenHolder::OfCertificate(std::string(64, '0')).value());
}

class TokenKeysTest : public testing::Test {
 protected:
  TokenKeysTest() : path_(std::string(mkdtemp(folder_)) + "/token.keys") {}
  ~TokenKeysTest() override { std::filesystem::remove_all(folder_); }
  TokenKeys Load(const std::string& boot = "boot") { return LoadTokenKeys(path_, boot).value(); }

  char folder_[32] = "/tmp/xpool-token-XXXXXX";
  const std::string path_;
};

TEST_F(TokenKeysTest, MadeOnFirstUseAndKept) {
  const TokenKeys first = Load();
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(Load().current, first.current);
  EXPECT_FALSE(first.previous.has_value());
}

TEST_F(TokenKeysTest, TwoWhoComeFirstGetTheSame) {
  std::vector<TokenKeys> loaded(8);
  std::vector<std::thread> threads;
  for (TokenKeys& keys : loaded) threads.emplace_back([&] { keys = Load(); });
  for (std::thread& thread : threads) thread.join();
  for (const TokenKeys& keys : loaded) EXPECT_EQ(keys.current, loaded[0].current);
}

TEST_F(TokenKeysTest, TokensHoldOverOneRotationAndNotOverTwo) {
  const std::string text = MakeSliceToken(AttachGrant(), NewTokenId(), Load(), kNow).value();
  const TokenKeys once = RotateTokenKeys(path_, "boot").value();
  EXPECT_EQ(FaultIn(text, AttachUse(), kNow, once), TokenFault::kNone);
  EXPECT_EQ(FaultIn(text, AttachUse(), kNow, Load()), TokenFault::kNone);
  const TokenKeys twice = RotateTokenKeys(path_, "boot").value();
  EXPECT_EQ(FaultIn(text, AttachUse(), kNow, twice), TokenFault::kWrongKey);
}

TEST_F(TokenKeysTest, TokensDoNotOutliveTheMachinesRun) {
  const std::string text = MakeSliceToken(AttachGrant(), NewTokenId(), Load("monday"), kNow).value();
  EXPECT_EQ(FaultIn(text, AttachUse(), kNow, Load("monday")), TokenFault::kNone);
  EXPECT_EQ(FaultIn(text, AttachUse(), kNow, Load("tuesday")), TokenFault::kWrongKey);
}

TEST_F(TokenKeysTest, FileThatOthersCouldHaveReadOrThatIsDamagedIsRefused) {
  Load();
  ASSERT_EQ(chmod(path_.c_str(), 0640), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(LoadTokenKeys(path_, "boot").status()));
  const std::string good = ReadFile(path_, 1000).value();
  for (const std::string& bad : {std::string(), good.substr(0, good.size() - 1), good + "x", good + good, "x" + good,
                                 good + std::string(64, 'g') + "\n", good + "\n\n"}) {
    ASSERT_TRUE(WriteFileDurably(path_, bad, 0600, IfExists::kReplace).ok());
    EXPECT_TRUE(absl::IsDataLoss(LoadTokenKeys(path_, "boot").status())) << bad;
    EXPECT_TRUE(absl::IsDataLoss(RotateTokenKeys(path_, "boot").status())) << bad;
    EXPECT_EQ(ReadFile(path_, 1000).value(), bad);
  }
}

}  // namespace
}  // namespace xpool::pki
