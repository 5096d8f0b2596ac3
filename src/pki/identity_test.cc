#include "pki/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include <filesystem>

#include "pki/pem.h"
#include "pki/revocations.h"
#include "pki/testing/test_lab.h"
#include "transport/tls_x509.h"

namespace xpool::pki {
namespace {

using ::testing::HasSubstr;

// Its file's text.
std::string TextOf(const Identity& identity) { return IdentityText(identity.tls, identity.own); }

class IdentityTest : public testing::Test {
 protected:
  absl::StatusOr<Identity> Load(const std::string& text, Role role = Role::kUser, mode_t mode = 0600) {
    EXPECT_TRUE(WriteFileDurably(path_, text, mode, IfExists::kReplace).ok());
    return LoadIdentity(path_, role, lab_.now_unix_s);
  }
  std::string ErrorOf(const std::string& text, Role role = Role::kUser, mode_t mode = 0600) {
    const absl::Status status = Load(text, role, mode).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(path_)) << "which file?";
    return std::string(status.message());
  }
  std::string NewLists() const { return lab_.Read(lab_.authority_folder() + "/crl.pem"); }

  TestLab lab_;
  std::string path_ = lab_.Path("identity.pem");
};

TEST_F(IdentityTest, WhatIsIssuedIsLoaded) {
  const Identity node = lab_.Node("gpu1");
  const absl::StatusOr<Identity> loaded = Load(TextOf(node), Role::kNode);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->own, node.own);
  EXPECT_EQ(loaded->tls.certificate, node.tls.certificate);
  EXPECT_EQ(loaded->authorities.at(0).name, "lab");
  EXPECT_EQ(loaded->revocations.at(0).revoked_count, 0u);
  EXPECT_EQ(loaded->own.fingerprint.size(), 64u);
}

TEST_F(IdentityTest, MissingOneIsToldWhereToComeFrom) {
  const absl::Status user = LoadIdentity(lab_.Path("none"), Role::kUser, lab_.now_unix_s).status();
  EXPECT_TRUE(absl::IsNotFound(user));
  EXPECT_THAT(std::string(user.message()), HasSubstr("xpool ca issue user"));
  const absl::Status node = LoadIdentity(lab_.Path("none"), Role::kNode, lab_.now_unix_s).status();
  EXPECT_THAT(std::string(node.message()), HasSubstr("xpool ca issue node"));
}

TEST_F(IdentityTest, FileThatOthersCanReadIsRefused) {
  EXPECT_THAT(ErrorOf(TextOf(lab_.User("ada")), Role::kUser, 0640), HasSubstr("chmod 600"));
  EXPECT_TRUE(absl::IsPermissionDenied(LoadIdentity(path_, Role::kUser, lab_.now_unix_s).status()));
}

TEST_F(IdentityTest, ExpiredAndEarlyOnesSayWhen) {
  const std::string text = TextOf(lab_.User("ada", 2));
  const int64_t issued = lab_.now_unix_s;
  lab_.now_unix_s = issued + 2 * kSecondsPerDay + 1;
  EXPECT_THAT(ErrorOf(text), HasSubstr("was valid until " + FormatUtc(issued + 2 * kSecondsPerDay)));
  lab_.now_unix_s = issued - kBackdateSeconds - 1;
  EXPECT_THAT(ErrorOf(text), HasSubstr("is not valid before " + FormatUtc(issued - kBackdateSeconds)));
  lab_.now_unix_s = issued - kBackdateSeconds;  // clocks differ a little
  EXPECT_TRUE(Load(text).ok());
}

TEST_F(IdentityTest, UsersCannotBeNodesButNodesCanAsk) {
  EXPECT_THAT(ErrorOf(TextOf(lab_.User("ada")), Role::kNode),
              HasSubstr("that of user ada, and here a node's is needed"));
  EXPECT_TRUE(Load(TextOf(lab_.Node("gpu1")), Role::kUser).ok());
}

TEST_F(IdentityTest, KeyOfAnotherCertificateIsNoticed) {
  Identity mixed = lab_.User("ada");
  mixed.tls.key = lab_.User("eve").tls.key;
  EXPECT_THAT(ErrorOf(TextOf(mixed)), HasSubstr("private key does not belong"));
}

TEST_F(IdentityTest, AuthorityThatDidNotSignItIsNoticed) {
  TestLab other;
  Identity mixed = lab_.User("ada");
  mixed.tls.ca = other.User("eve").tls.ca;
  mixed.tls.crl.clear();
  EXPECT_THAT(ErrorOf(TextOf(mixed)), HasSubstr("signed by lab, which is none of the authorities"));
}

TEST_F(IdentityTest, RevokedOneIsToldByANewerListBesideIt) {
  const std::string text = TextOf(lab_.User("ada"));
  EXPECT_EQ(lab_.Open().Revoke("ada", lab_.now_unix_s)->size(), 1u);
  EXPECT_TRUE(Load(text).ok());
  ASSERT_TRUE(WriteFileDurably(RevocationsBeside(path_), NewLists(), 0644, IfExists::kRefuse).ok());
  EXPECT_THAT(ErrorOf(text), HasSubstr("user ada was revoked"));
}

TEST_F(IdentityTest, OlderListBesideItDoesNotUndoARevocation) {
  lab_.User("eve");
  const std::string old_lists = NewLists();
  EXPECT_TRUE(lab_.Open().Revoke("eve", lab_.now_unix_s).ok());
  const Identity identity = lab_.User("ada");
  ASSERT_TRUE(WriteFileDurably(RevocationsBeside(path_), old_lists, 0644, IfExists::kRefuse).ok());
  const absl::StatusOr<Identity> loaded = Load(TextOf(identity));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->revocations.at(0).revoked_count, 1u);
}

TEST_F(IdentityTest, ListThatCannotBeUsedIsNotIgnored) {
  const std::string text = TextOf(lab_.User("ada"));
  const std::string beside = RevocationsBeside(path_);
  const auto error_with = [&](const std::string& lists, mode_t mode = 0644) {
    EXPECT_TRUE(WriteFileDurably(beside, lists, mode, IfExists::kReplace).ok());
    const absl::Status status = Load(text).status();
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(beside));
    return std::string(status.message());
  };
  EXPECT_THAT(error_with(""), HasSubstr("no revocation list"));
  EXPECT_THAT(error_with(text), HasSubstr("line 3: this is no revocation list"));
  EXPECT_THAT(error_with(NewLists().substr(0, 200)), HasSubstr("was the file cut?"));
  EXPECT_THAT(error_with(NewLists(), 0666), HasSubstr("written by others"));
}

TEST_F(IdentityTest, ListsOfOthersAreNoListsAtAll) {
  TestLab other;
  Identity without = lab_.User("ada");
  without.tls.crl.clear();
  const std::string theirs = other.Read(other.authority_folder() + "/crl.pem");
  const absl::Status status = AddRevocations(theirs, &without);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another laboratory's"));
  Identity with = lab_.User("ada");
  EXPECT_TRUE(AddRevocations(theirs, &with).ok());  // it goes on with its own
  EXPECT_EQ(with.revocations.size(), 1u);
}

TEST_F(IdentityTest, WhatIsNoIdentitySaysWhatIsMissing) {
  const Identity good = lab_.User("ada");
  const transport::TlsIdentity& tls = good.tls;
  EXPECT_THAT(ErrorOf(""), HasSubstr("no certificate before the private key"));
  EXPECT_THAT(ErrorOf("nonsense\n"), HasSubstr("no certificate before the private key"));
  EXPECT_THAT(ErrorOf(tls.certificate + tls.ca), HasSubstr("no private key"));
  EXPECT_THAT(ErrorOf(tls.key + tls.certificate + tls.ca), HasSubstr("no certificate before the private key"));
  EXPECT_THAT(ErrorOf(tls.certificate + tls.ca + tls.key), HasSubstr("no authority's certificate after"));
  EXPECT_THAT(ErrorOf(tls.certificate + tls.key + tls.key + tls.ca), HasSubstr("a second private key"));
  EXPECT_THAT(ErrorOf(tls.ca + tls.key + tls.ca), HasSubstr("does not belong"));
  EXPECT_THAT(ErrorOf(tls.certificate + tls.key + tls.certificate), HasSubstr("is no authority's"));
  const std::string lines = "-----BEGIN SSH KEY-----\nabc\n-----END SSH KEY-----\n";
  EXPECT_THAT(ErrorOf(tls.certificate + lines + tls.key + tls.ca), HasSubstr("this has no place"));
  EXPECT_THAT(ErrorOf(std::string(kMostIdentityBytes + 1, 'x')), HasSubstr("longer than"));
}

TEST_F(IdentityTest, AuthoritysOwnCertificateIsNobodysIdentity) {
  const std::string certificate = lab_.Read(lab_.authority_folder() + "/authority-1.pem");
  const std::string key = lab_.Read(lab_.authority_folder() + "/authority-1.key");
  EXPECT_THAT(ErrorOf(certificate + key + certificate), HasSubstr("nobody's identity"));
}

TEST_F(IdentityTest, CutFilesAreNoticedWhereverTheyAreCut) {
  const std::string text = TextOf(lab_.User("ada"));
  const size_t whole = text.rfind("-----END X509 CRL-----") + std::string("-----END X509 CRL-----").size();
  const size_t lists = text.find("-----BEGIN X509 CRL-----");
  for (size_t size = 0; size < whole; size += 7) {
    if (size > lists - 2 && size <= lists) continue;  // an identity without lists
    EXPECT_FALSE(ParseIdentity(text.substr(0, size)).ok()) << size;
  }
  EXPECT_TRUE(ParseIdentity(text.substr(0, whole)).ok());
}

TEST_F(IdentityTest, KeyWithAPassphraseIsToldSo) {
  const Identity good = lab_.User("ada");
  const transport::KeyPtr key = transport::NextKey(transport::PemReader(good.tls.key).get());
  const transport::BioPtr bio(BIO_new(BIO_s_mem()));
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), EVP_aes_128_cbc(), "x", 1, nullptr, nullptr), 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  const std::string locked(text, static_cast<size_t>(size));
  EXPECT_THAT(ErrorOf(good.tls.certificate + locked + good.tls.ca), HasSubstr("has a passphrase"));
}

TEST_F(IdentityTest, OwnAuthorityWithoutListsWorksAsWell) {
  Identity identity = lab_.User("ada");
  identity.tls.crl.clear();
  const absl::StatusOr<Identity> loaded = Load("made with cat(1)\r\n" + TextOf(identity));
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_TRUE(loaded->revocations.empty());
  EXPECT_TRUE(transport::TlsContext::Create(loaded->tls).ok());
}

TEST(PemTest, TooManyBlocksAreRefused) {
  std::string text;
  for (size_t i = 0; i <= kMostPemBlocks; ++i) text += "-----BEGIN A-----\n-----END A-----\n";
  EXPECT_FALSE(SplitPem(text).ok());
}

TEST(CertificateFactsTest, NamesThatWeWouldNotPrintAreNotTaken) {
  // Signed by an authority whose word somebody takes, but not made by us.
  const transport::KeyPtr key = transport::NewKey().value();
  for (const std::string& name : {std::string("evil\n"), std::string("ada\0root", 8), std::string("a b")}) {
    const transport::CertificateSpec spec{.name = name, .not_after_unix_s = 1'000'000};
    const auto certificate = transport::MakeCertificate(spec, key.get(), {nullptr, key.get()});
    ASSERT_TRUE(certificate.ok());
    EXPECT_TRUE(absl::IsDataLoss(DescribeCertificate(certificate->get()).status()));
  }
  EXPECT_TRUE(absl::IsDataLoss(DescribeCertificate(std::string_view("no DER at all")).status()));
  EXPECT_TRUE(absl::IsDataLoss(DescribeCertificate(std::string_view()).status()));
}

}  // namespace
}  // namespace xpool::pki
