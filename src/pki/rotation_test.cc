// The exchange of an authority in a running laboratory, with real TLS handshakes among those who were issued before,
// during and after it. Revocation lists are in force throughout.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "pki/testing/test_lab.h"
#include "transport/testing/tls_pair.h"

namespace xpool::pki {
namespace {

using ::testing::HasSubstr;

// What became of |client| calling |server|: OK, or the first error of either.
absl::Status Call(const Identity& client, const Identity& server) {
  transport::TlsEnds ends = transport::ShakeHands(client.tls, server.tls);
  if (!ends.client.ok()) return ends.client.status();
  if (!ends.server.ok()) return ends.server.status();
  EXPECT_EQ((*ends.client)->peer_name(), server.own.name);
  EXPECT_EQ(DescribeCertificate((*ends.server)->peer_certificate()).value(), client.own);
  return absl::OkStatus();
}

std::vector<std::string> NamesOf(const std::vector<IssuedIdentity>& identities) {
  std::vector<std::string> names;
  for (const IssuedIdentity& identity : identities) names.push_back(identity.certificate.name);
  return names;
}

class RotationTest : public testing::Test {
 protected:
  void Rotate() {
    lab_.now_unix_s += 1;
    EXPECT_TRUE(lab_.Open().Rotate(kAuthorityDays, lab_.now_unix_s).ok());
  }
  void Retire(bool force) {
    lab_.now_unix_s += 1;
    const absl::Status status = lab_.Open().Retire(force, lab_.now_unix_s);
    EXPECT_TRUE(status.ok()) << status;
  }
  absl::Status Refresh(Identity* identity) const {
    return AddRevocations(lab_.Read(lab_.authority_folder() + "/crl.pem"), identity);
  }

  TestLab lab_;
};

TEST_F(RotationTest, AllOfOneGenerationKnowEachOther) {
  EXPECT_TRUE(Call(lab_.User("ada"), lab_.Node("gpu1")).ok());
  EXPECT_TRUE(Call(lab_.Node("gpu2"), lab_.Node("gpu1")).ok());
}

TEST_F(RotationTest, UserIsNoServer) {
  const absl::Status status = Call(lab_.User("ada"), lab_.User("eve"));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << status;
}

TEST_F(RotationTest, NodeIsRefusedUnderAnAddressThatWasNotGiven) {
  const absl::Status status = Call(lab_.User("ada"), lab_.Node("gpu1", {"10.0.0.2"}));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated) << status;
}

TEST_F(RotationTest, OldAndNewKnowEachOtherAsLongAsTheOldIsTrusted) {
  const Identity old_user = lab_.User("ada"), old_node = lab_.Node("gpu1");
  Rotate();
  const Identity new_user = lab_.User("ada"), new_node = lab_.Node("gpu1");
  for (const Identity* user : {&old_user, &new_user}) {
    for (const Identity* node : {&old_node, &new_node}) {
      const absl::Status status = Call(*user, *node);
      EXPECT_TRUE(status.ok()) << (user == &old_user) << (node == &old_node) << status;
    }
  }
  EXPECT_EQ(new_user.authorities.size(), 2u);
  EXPECT_EQ(new_user.revocations.size(), 2u);
}

TEST_F(RotationTest, NewerListsNeedNotComeInAnyOrder) {
  Identity old_node = lab_.Node("gpu1"), old_user = lab_.User("ada");
  Rotate();
  Identity new_node = lab_.Node("gpu2"), new_user = lab_.User("eve");
  ASSERT_TRUE(Refresh(&old_node).ok());
  EXPECT_TRUE(Call(new_user, old_node).ok());
  EXPECT_TRUE(Call(old_user, new_node).ok());
  ASSERT_TRUE(Refresh(&new_user).ok());
  ASSERT_TRUE(Refresh(&old_user).ok());
  for (const Identity* user : {&old_user, &new_user}) {
    EXPECT_TRUE(Call(*user, old_node).ok());
    EXPECT_TRUE(Call(*user, new_node).ok());
  }
}

TEST_F(RotationTest, RevokedIdentitiesOfEitherGenerationAreRefusedByBoth) {
  Identity old_node = lab_.Node("gpu1");
  const Identity old_thief = lab_.User("mallory"), honest = lab_.User("ada");
  Rotate();
  Identity new_node = lab_.Node("gpu2");
  const Identity new_thief = lab_.User("trudy");
  EXPECT_TRUE(lab_.Open().Revoke("mallory", lab_.now_unix_s).ok());
  EXPECT_TRUE(lab_.Open().Revoke("trudy", lab_.now_unix_s).ok());
  for (Identity* node : {&old_node, &new_node}) {
    EXPECT_TRUE(Call(old_thief, *node).ok());  // it has not heard of it
    ASSERT_TRUE(Refresh(node).ok());
    EXPECT_THAT(std::string(Call(old_thief, *node).message()), HasSubstr("revoked"));
    EXPECT_THAT(std::string(Call(new_thief, *node).message()), HasSubstr("revoked"));
    EXPECT_TRUE(Call(honest, *node).ok());
  }
}

TEST_F(RotationTest, RetiringWaitsForThoseThatWereNotIssuedAnew) {
  lab_.Node("gpu1");
  lab_.User("ada");
  EXPECT_TRUE(lab_.Open().ToIssueAnew(lab_.now_unix_s).empty());
  Rotate();
  EXPECT_THAT(NamesOf(lab_.Open().ToIssueAnew(lab_.now_unix_s)), testing::ElementsAre("gpu1", "ada"));
  lab_.User("ada");
  EXPECT_THAT(NamesOf(lab_.Open().ToIssueAnew(lab_.now_unix_s)), testing::ElementsAre("gpu1"));
  const absl::Status early = lab_.Open().Retire(false, lab_.now_unix_s);
  EXPECT_EQ(early.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(early.message()), HasSubstr("--old"));
  lab_.Node("gpu1");
  EXPECT_TRUE(lab_.Open().Retire(false, lab_.now_unix_s).ok());
  EXPECT_FALSE(lab_.Open().Retire(false, lab_.now_unix_s).ok());
}

TEST_F(RotationTest, AfterRetirementTheNewKnowEachOtherAndTheOldIsRefused) {
  const Identity old_user = lab_.User("ada"), old_node = lab_.Node("gpu1");
  Rotate();
  Identity between_user = lab_.User("ada"), between_node = lab_.Node("gpu1");
  Retire(false);
  const Identity late_user = lab_.User("eve"), late_node = lab_.Node("gpu2");
  EXPECT_EQ(late_user.authorities.size(), 1u);
  for (const Identity* user : std::initializer_list<const Identity*>{&between_user, &late_user}) {
    EXPECT_TRUE(Call(*user, between_node).ok());
    EXPECT_TRUE(Call(*user, late_node).ok());
  }
  EXPECT_FALSE(Call(old_user, late_node).ok());
  EXPECT_FALSE(Call(late_user, old_node).ok());
  // Those issued in between still believe the old key, until they get the list that takes back all it signed.
  EXPECT_TRUE(Call(old_user, between_node).ok());
  ASSERT_TRUE(Refresh(&between_node).ok());
  EXPECT_THAT(std::string(Call(old_user, between_node).message()), HasSubstr("revoked"));
  EXPECT_TRUE(Call(between_user, between_node).ok());
  EXPECT_EQ(NamesOf(lab_.Open().TrustingRetired(lab_.now_unix_s)).size(), 2u);
}

TEST_F(RotationTest, RetiredKeyIsGoneAlsoAfterACrashInBetween) {
  const std::string key = lab_.authority_folder() + "/authority-1.key";
  lab_.User("ada");
  Rotate();
  const std::string kept = lab_.Read(key);
  Retire(true);
  EXPECT_FALSE(std::filesystem::exists(key));
  // As if the process had died before it was deleted.
  ASSERT_TRUE(WriteFileDurably(key, kept, 0600, IfExists::kRefuse).ok());
  lab_.User("ada");
  EXPECT_FALSE(std::filesystem::exists(key));
}

TEST_F(RotationTest, OneRotationAtATime) {
  Rotate();
  const absl::Status again = lab_.Open().Rotate(kAuthorityDays, lab_.now_unix_s);
  EXPECT_EQ(again.code(), absl::StatusCode::kFailedPrecondition) << again;
  EXPECT_THAT(std::string(again.message()), HasSubstr("xpool ca retire"));
}

TEST_F(RotationTest, ManyRotationsInARow) {
  Identity user = lab_.User("ada");
  for (int round = 0; round < 4; ++round) {
    Rotate();
    const Identity node = lab_.Node("gpu1");
    EXPECT_TRUE(Call(user, node).ok()) << round;
    user = lab_.User("ada");
    EXPECT_TRUE(Call(user, node).ok()) << round;
    Retire(false);
    ASSERT_TRUE(Refresh(&user).ok()) << round;
  }
  EXPECT_EQ(lab_.Open().index().generations().size(), 5u);
}

TEST_F(RotationTest, ExpiredAuthorityCanStillBeReplaced) {
  lab_.now_unix_s += (kAuthorityDays + 1) * kSecondsPerDay;
  Rotate();
  const Identity user = lab_.User("ada");
  EXPECT_EQ(user.own.not_after_unix_s, lab_.now_unix_s + kUserDays * kSecondsPerDay);
  EXPECT_TRUE(CheckIdentity(user, Role::kUser, lab_.now_unix_s).ok())
      << CheckIdentity(user, Role::kUser, lab_.now_unix_s);
}

}  // namespace
}  // namespace xpool::pki
