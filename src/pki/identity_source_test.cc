#include "pki/identity_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "pki/testing/test_lab.h"

namespace xpool::pki {
namespace {

using ::testing::HasSubstr;

class IdentitySourceTest : public testing::Test {
 protected:
  void Put(const Identity& identity, mode_t mode = 0600) {
    ASSERT_TRUE(WriteFileDurably(path_, IdentityText(identity.tls, identity.own), mode, IfExists::kReplace).ok());
  }
  absl::Status Refresh() { return source_.Refresh(lab_.now_unix_s); }
  std::string serial() const { return source_.current()->identity.own.serial; }

  TestLab lab_;
  const std::string path_ = lab_.Path("node.pem");
  IdentitySource source_{path_, Role::kNode};
};

TEST_F(IdentitySourceTest, WithoutAFileThereIsNoneUntilItComes) {
  EXPECT_TRUE(absl::IsNotFound(Refresh()));
  EXPECT_EQ(source_.current(), nullptr);
  Put(lab_.Node("gpu1"));
  EXPECT_TRUE(Refresh().ok());
  EXPECT_EQ(source_.current()->identity.own.name, "gpu1");
  EXPECT_NE(source_.current()->context, nullptr);
}

TEST_F(IdentitySourceTest, FilesThatAreTheSameAreNotReadAgain) {
  Put(lab_.Node("gpu1"));
  EXPECT_TRUE(Refresh().ok());
  const auto before = source_.current();
  EXPECT_TRUE(Refresh().ok());
  EXPECT_EQ(source_.current(), before);
}

TEST_F(IdentitySourceTest, NewIdentityAndNewListsAreTaken) {
  Put(lab_.Node("gpu1"));
  EXPECT_TRUE(Refresh().ok());
  const auto before = source_.current();
  const Identity renewed = lab_.Node("gpu1");
  Put(renewed);
  EXPECT_TRUE(Refresh().ok());
  EXPECT_EQ(serial(), renewed.own.serial);
  EXPECT_NE(before->identity.own.serial, serial());  // and the old one is whole as long as somebody has it

  lab_.User("ada");
  EXPECT_TRUE(lab_.Open().Revoke("ada", lab_.now_unix_s).ok());
  const std::string lists = lab_.Read(lab_.authority_folder() + "/crl.pem");
  ASSERT_TRUE(WriteFileDurably(RevocationsBeside(path_), lists, 0644, IfExists::kRefuse).ok());
  EXPECT_TRUE(Refresh().ok());
  EXPECT_EQ(source_.current()->identity.revocations.at(0).revoked_count, 1u);
}

TEST_F(IdentitySourceTest, WhatCannotBeUsedIsSaidAndTheLastStays) {
  const Identity good = lab_.Node("gpu1");
  Put(good);
  EXPECT_TRUE(Refresh().ok());
  Put(lab_.User("ada"));
  for (int i = 0; i < 2; ++i) EXPECT_THAT(std::string(Refresh().message()), HasSubstr("a node's is needed"));
  EXPECT_EQ(serial(), good.own.serial);
  Put(good, 0640);
  EXPECT_TRUE(absl::IsPermissionDenied(Refresh()));
  ASSERT_EQ(chmod(path_.c_str(), 0600), 0);
  EXPECT_TRUE(Refresh().ok());
  ASSERT_TRUE(WriteFileDurably(RevocationsBeside(path_), "nonsense", 0644, IfExists::kRefuse).ok());
  EXPECT_FALSE(Refresh().ok());
  EXPECT_EQ(serial(), good.own.serial);
}

}  // namespace
}  // namespace xpool::pki
