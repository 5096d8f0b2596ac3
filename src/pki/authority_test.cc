#include "pki/authority.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <thread>

#include "pki/pem.h"
#include "pki/testing/test_lab.h"
#include "transport/tls_x509.h"

namespace xpool::pki {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

mode_t ModeOf(const std::string& path) {
  struct stat info {};
  EXPECT_EQ(stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

transport::CertificatePtr CertificateIn(const std::string& pem) {
  return transport::NextCertificate(transport::PemReader(pem).get());
}

absl::Status IssueStatus(const TestLab& lab, const IssueRequest& request) {
  return lab.Open().Issue(request, lab.now_unix_s).status();
}

class AuthorityTest : public testing::Test {
 protected:
  TestLab lab_;
};

TEST_F(AuthorityTest, ItsFolderAndKeysAreItsOwnersAlone) {
  EXPECT_EQ(ModeOf(lab_.authority_folder()), 0700u);
  for (const char* name : {"/authority-1.key", "/index.jsonl"})
    EXPECT_EQ(ModeOf(lab_.authority_folder() + name), 0600u);
  for (const char* name : {"/authority-1.pem", "/trust.pem", "/crl.pem"})
    EXPECT_EQ(ModeOf(lab_.authority_folder() + name), 0644u);
}

TEST_F(AuthorityTest, ItMaySignCertificatesAndListsButNoAuthorities) {
  const transport::CertificatePtr certificate = CertificateIn(lab_.Read(lab_.authority_folder() + "/authority-1.pem"));
  EXPECT_EQ(X509_check_ca(certificate.get()), 1);
  EXPECT_EQ(X509_get_pathlen(certificate.get()), 0);
  EXPECT_EQ(X509_get_key_usage(certificate.get()), uint32_t{KU_KEY_CERT_SIGN | KU_CRL_SIGN});
  EXPECT_NE(X509_get0_subject_key_id(certificate.get()), nullptr);
}

TEST_F(AuthorityTest, NothingIsOverwritten) {
  const std::string key = lab_.Read(lab_.authority_folder() + "/authority-1.key");
  const absl::Status again = Authority::Create(lab_.authority_folder(), "lab", 10, lab_.now_unix_s);
  EXPECT_TRUE(absl::IsAlreadyExists(again)) << again;
  EXPECT_THAT(std::string(again.message()), HasSubstr("xpool ca rotate"));
  std::filesystem::remove(lab_.authority_folder() + "/index.jsonl");
  EXPECT_TRUE(absl::IsAlreadyExists(Authority::Create(lab_.authority_folder(), "lab", 10, lab_.now_unix_s)));
  EXPECT_EQ(lab_.Read(lab_.authority_folder() + "/authority-1.key"), key);
}

TEST_F(AuthorityTest, FoldersThatOthersCanEnterAreRefused) {
  std::filesystem::create_directory(lab_.Path("open"));
  chmod(lab_.Path("open").c_str(), 0755);
  const absl::Status status = Authority::Create(lab_.Path("open"), "lab", 10, lab_.now_unix_s);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("chmod 700"));
  chmod(lab_.authority_folder().c_str(), 0770);
  EXPECT_TRUE(absl::IsPermissionDenied(Authority::Open(lab_.authority_folder()).status()));
  chmod(lab_.authority_folder().c_str(), 0700);
  chmod((lab_.authority_folder() + "/authority-1.key").c_str(), 0640);
  EXPECT_TRUE(absl::IsPermissionDenied(Authority::Open(lab_.authority_folder()).status()));
}

TEST_F(AuthorityTest, WithoutOneTheCureIsNamed) {
  const absl::Status status = Authority::Open(lab_.Path("none")).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("xpool ca init"));
  EXPECT_FALSE(std::filesystem::exists(lab_.Path("none")));
}

TEST_F(AuthorityTest, NodesServeAndAskAndHaveTheirAddresses) {
  const Identity node = lab_.Node("gpu1", {"10.0.0.2", "gpu1.lab"});
  EXPECT_EQ(node.own.name, "gpu1");
  EXPECT_EQ(node.own.role, Role::kNode);
  EXPECT_EQ(node.own.issuer, "lab");
  EXPECT_THAT(node.own.addresses, ElementsAre("gpu1.lab", "10.0.0.2"));
  EXPECT_EQ(node.own.not_before_unix_s, lab_.now_unix_s - kBackdateSeconds);
  EXPECT_EQ(node.own.not_after_unix_s, lab_.now_unix_s + kNodeDays * kSecondsPerDay);
  const transport::CertificatePtr certificate = CertificateIn(node.tls.certificate);
  EXPECT_EQ(X509_get_extended_key_usage(certificate.get()), uint32_t{XKU_SSL_SERVER | XKU_SSL_CLIENT});
  EXPECT_EQ(X509_get_key_usage(certificate.get()), uint32_t{KU_DIGITAL_SIGNATURE});
  EXPECT_EQ(X509_check_ca(certificate.get()), 0);
  EXPECT_EQ(X509_check_host(certificate.get(), "gpu1.lab", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "10.0.0.2", 0), 1);
}

TEST_F(AuthorityTest, UsersAskAlone) {
  const Identity user = lab_.User("ada@lab");
  EXPECT_EQ(user.own.role, Role::kUser);
  EXPECT_TRUE(user.own.addresses.empty());
  EXPECT_EQ(user.own.not_after_unix_s, lab_.now_unix_s + kUserDays * kSecondsPerDay);
  EXPECT_EQ(X509_get_extended_key_usage(CertificateIn(user.tls.certificate).get()), uint32_t{XKU_SSL_CLIENT});
}

TEST_F(AuthorityTest, SerialNumbersAre128RandomBits) {
  std::set<std::string> serials;
  bool high_bit = false;
  for (int i = 0; i < 20; ++i) {
    const std::string serial = lab_.User("ada").own.serial;
    EXPECT_EQ(serial.size(), 32u);
    high_bit |= serial[0] >= '8';
    serials.insert(serial);
  }
  EXPECT_EQ(serials.size(), 20u);
  EXPECT_TRUE(high_bit);
}

TEST_F(AuthorityTest, RequestsThatCannotBeMeantAreRefusedAndNotNoted) {
  const auto code_of = [&](const IssueRequest& request) { return IssueStatus(lab_, request).code(); };
  EXPECT_EQ(code_of({Role::kNode, "gpu1", {}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of({Role::kNode, "a b", {"10.0.0.2"}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of({Role::kUser, "a\nb", {}}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of({Role::kUser, "ada", {}, -1}), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of({Role::kUser, "ada", {}, kMostDays + 1}), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(lab_.Open().index().issued().empty());
}

TEST_F(AuthorityTest, NameOfANodeIsNoUsersUntilItIsTakenBack) {
  lab_.Node("gpu1");
  const absl::Status status = IssueStatus(lab_, {Role::kUser, "gpu1"});
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_TRUE(lab_.Open().Revoke("gpu1", lab_.now_unix_s).ok());
  EXPECT_TRUE(IssueStatus(lab_, {Role::kUser, "gpu1"}).ok());
}

TEST_F(AuthorityTest, NothingOutlivesTheAuthority) {
  const Issued issued = lab_.Open().Issue({Role::kUser, "ada", {}, kMostDays}, lab_.now_unix_s).value();
  EXPECT_TRUE(issued.shortened);
  EXPECT_EQ(issued.certificate.not_after_unix_s, lab_.Open().index().current().certificate.not_after_unix_s);
  lab_.now_unix_s += kAuthorityDays * kSecondsPerDay + 1;
  const absl::Status expired = IssueStatus(lab_, {Role::kUser, "ada"});
  EXPECT_THAT(std::string(expired.message()), HasSubstr("xpool ca rotate"));
}

TEST_F(AuthorityTest, WhatWasIssuedIsRemembered) {
  lab_.Node("gpu1");
  lab_.User("ada", 1);
  lab_.User("ada", 5);
  const Authority authority = lab_.Open();
  const std::vector<IssuedIdentity>& issued = authority.index().issued();
  ASSERT_EQ(issued.size(), 3u);
  const auto standing = [&](size_t i, int64_t days) {
    return authority.index().StandingOf(issued[i], lab_.now_unix_s + days * kSecondsPerDay);
  };
  EXPECT_EQ(standing(0, 0), Standing::kValid);
  EXPECT_EQ(standing(1, 0), Standing::kReplaced);
  EXPECT_EQ(standing(1, 2), Standing::kExpired);
  EXPECT_EQ(standing(2, 2), Standing::kValid);
}

TEST_F(AuthorityTest, RevokingANameTakesAllOfItBackAndOnceMoreIsNoError) {
  lab_.User("ada");
  lab_.User("ada");
  lab_.User("eve");
  EXPECT_EQ(lab_.Open().Revoke("ada", lab_.now_unix_s)->size(), 2u);
  EXPECT_EQ(lab_.Open().Revoke("ada", lab_.now_unix_s)->size(), 0u);
  EXPECT_EQ(lab_.Open().index().Accepted(lab_.now_unix_s).size(), 1u);
  const absl::Status unknown = lab_.Open().Revoke("nobody", lab_.now_unix_s).status();
  EXPECT_TRUE(absl::IsNotFound(unknown)) << unknown;
}

TEST_F(AuthorityTest, RevokingASerialNumberTakesThatOneBack) {
  const std::string serial = lab_.User("ada").own.serial;
  lab_.User("ada");
  std::string written;  // as openssl(1) prints it
  for (size_t i = 0; i < serial.size(); i += 2) {
    if (i > 0) written += ':';
    for (const char digit : serial.substr(i, 2)) written += static_cast<char>(toupper(digit));
  }
  EXPECT_EQ(lab_.Open().Revoke(written, lab_.now_unix_s)->size(), 1u);
  EXPECT_EQ(lab_.Open().index().Accepted(lab_.now_unix_s).size(), 1u);
}

RevocationFacts FactsOf(const TestLab& lab) {
  Identity identity = lab.User("reader");
  EXPECT_TRUE(AddRevocations(lab.Read(lab.authority_folder() + "/crl.pem"), &identity).ok());
  return identity.revocations.at(0);
}

TEST_F(AuthorityTest, LaterListsHaveHigherNumbersAlsoWhenTheClockGoesBack) {
  lab_.User("ada");
  const uint64_t before = FactsOf(lab_).number;
  lab_.now_unix_s -= 5000;
  EXPECT_TRUE(lab_.Open().Revoke("ada", lab_.now_unix_s).ok());
  EXPECT_GT(FactsOf(lab_).number, before);
  EXPECT_EQ(FactsOf(lab_).revoked_count, 1u);
}

TEST_F(AuthorityTest, ExpiredIdentitiesLeaveTheList) {
  lab_.User("ada", 1);
  EXPECT_TRUE(lab_.Open().Revoke("ada", lab_.now_unix_s).ok());
  lab_.now_unix_s += 3 * kSecondsPerDay;
  EXPECT_EQ(FactsOf(lab_).revoked_count, 0u);
  EXPECT_TRUE(absl::IsNotFound(lab_.Open().Revoke("ada", lab_.now_unix_s).status()));
}

TEST_F(AuthorityTest, ProcessesThatIssueAtTheSameTimeLoseNothing) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 5; ++round) lab_.User("user" + std::to_string(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(lab_.Open().index().issued().size(), 20u);
}

TEST_F(AuthorityTest, DamagedFilesAreRefusedAndKept) {
  lab_.User("ada");
  const std::string path = lab_.authority_folder() + "/index.jsonl";
  const std::string good = lab_.Read(path);
  for (const std::string& bad :
       {std::string(), std::string("{}\n"), std::string("nonsense\n"), good.substr(0, good.size() - 2), good + good,
        good + "{\"event\":\"revoked\",\"serial\":\"00\",\"at\":1}\n",
        good + "{\"event\":\"retired\",\"generation\":1,\"at\":1}\n"}) {
    ASSERT_TRUE(WriteFileDurably(path, bad, 0600, IfExists::kReplace).ok());
    const absl::Status status = Authority::Open(lab_.authority_folder()).status();
    EXPECT_TRUE(absl::IsDataLoss(status)) << status;
    EXPECT_EQ(lab_.Read(path), bad);
  }
  ASSERT_TRUE(WriteFileDurably(path, good, 0600, IfExists::kReplace).ok());
  TestLab other;
  const std::string key = lab_.authority_folder() + "/authority-1.key";
  const std::string theirs = other.Read(other.authority_folder() + "/authority-1.key");
  ASSERT_TRUE(WriteFileDurably(key, theirs, 0600, IfExists::kReplace).ok());
  EXPECT_TRUE(absl::IsDataLoss(Authority::Open(lab_.authority_folder()).status()));
}

TEST_F(AuthorityTest, ThousandsOfIdentitiesAreNoBurden) {
  // As after years: what is in the index is read, searched and listed in one pass each.
  IssueIndex index = lab_.Open().index();
  CertificateFacts facts = lab_.User("ada").own;
  for (int i = 0; i < 50'000; ++i) {
    facts.serial = std::to_string(i);
    facts.name = "user" + std::to_string(i % 5000);
    index.AddIssued(facts, {1}, lab_.now_unix_s);
  }
  const auto read = IssueIndex::Parse(index.text());
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->Accepted(lab_.now_unix_s).size(), 50'000u);
}

}  // namespace
}  // namespace xpool::pki
