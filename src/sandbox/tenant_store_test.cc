#include "sandbox/tenant_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/status.h"
#include "sandbox/testing/child.h"

namespace xpool::sandbox {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

const TenantIdentity kAlice = {TenantIdentity::Kind::kCertificate, "alice"};
const TenantIdentity kBob = {TenantIdentity::Kind::kCertificate, "../bob\n"};

std::optional<UserRange> Users() {
  if (geteuid() != 0) return std::nullopt;
  return UserRange{2999000, 50};
}

class TenantStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = "/tmp/xpool-tenants-XXXXXX";
    base_ = mkdtemp(pattern.data());
    chmod(base_.c_str(), 0711);
    root_ = base_ + "/root";
    Reopen();
  }
  void TearDown() override {
    store_.reset();
    fs::remove_all(base_);
  }
  void Reopen() {
    store_.reset();
    auto store = TenantStore::Open(root_, Users());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  TenantDirectory Admit(const TenantIdentity& identity) {
    auto tenant = store_->Admit(identity);
    EXPECT_TRUE(tenant.ok()) << tenant.status();
    return tenant.value_or(TenantDirectory{});
  }
  // A compiled program as PoCL lays it out, last used |age| seconds ago.
  static std::string MakeProgram(const TenantDirectory& tenant, const std::string& name, size_t bytes, int age) {
    const std::string directory = tenant.cache() + "/AB/" + name;
    fs::create_directories(directory + "/k/1-1-1");
    std::ofstream(directory + "/k/1-1-1/k.so") << std::string(bytes, 'x');
    std::ofstream(directory + "/last_accessed") << "";
    const auto used = fs::file_time_type::clock::now() - std::chrono::seconds(age);
    const auto made = used - std::chrono::hours(1);
    for (const auto& entry : fs::recursive_directory_iterator(directory)) fs::last_write_time(entry.path(), made);
    fs::last_write_time(directory, made);
    fs::last_write_time(directory + "/last_accessed", used);
    return directory;
  }
  std::string base_, root_;
  std::unique_ptr<TenantStore> store_;
};

TEST_F(TenantStoreTest, DirectoryIsPrivateToTheTenantsUser) {
  const TenantDirectory tenant = Admit(kAlice);
  for (const std::string& path : {tenant.path, tenant.cache(), tenant.temporary()}) {
    struct stat info;
    ASSERT_EQ(stat(path.c_str(), &info), 0) << path;
    EXPECT_EQ(info.st_mode & 07777u, 0700u);
    EXPECT_EQ(info.st_uid, tenant.identity ? tenant.identity->uid : geteuid());
  }
}

TEST_F(TenantStoreTest, TenantsHaveDifferentDirectoriesAndUsers) {
  const TenantDirectory alice = Admit(kAlice), bob = Admit(kBob);
  EXPECT_NE(alice.path, bob.path);
  if (geteuid() == 0) {
    EXPECT_NE(alice.identity->uid, bob.identity->uid);
  }
  EXPECT_EQ(fs::path(bob.path).parent_path(), root_);  // whatever its name
}

TEST_F(TenantStoreTest, MappingSurvivesARestart) {
  const TenantDirectory before = Admit(kBob);
  std::ofstream(before.cache() + "/kept") << "x";
  Reopen();
  const TenantDirectory other = Admit(kAlice), after = Admit(kBob);
  EXPECT_EQ(after.path, before.path);
  EXPECT_NE(other.path, before.path);
  EXPECT_TRUE(fs::exists(after.cache() + "/kept"));
  EXPECT_THAT(store_->List(), ::testing::UnorderedElementsAre(kAlice, kBob));
}

TEST_F(TenantStoreTest, LinkInPlaceOfTheCacheIsReplaced) {
  const TenantDirectory tenant = Admit(kAlice);
  fs::create_directory(base_ + "/victim");
  fs::remove_all(tenant.cache());
  fs::create_directory_symlink(base_ + "/victim", tenant.cache());
  Admit(kAlice);
  EXPECT_FALSE(fs::is_symlink(tenant.cache()));
  struct stat info;
  ASSERT_EQ(stat((base_ + "/victim").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, geteuid());  // it was not given away
}

TEST_F(TenantStoreTest, FileInPlaceOfTheCacheIsReplaced) {
  const TenantDirectory tenant = Admit(kAlice);
  fs::remove_all(tenant.cache());
  std::ofstream(tenant.cache()) << "x";
  Admit(kAlice);
  EXPECT_TRUE(fs::is_directory(tenant.cache()));
}

TEST_F(TenantStoreTest, TrimRemovesWhatWasUsedLongestAgo) {
  const TenantDirectory tenant = Admit(kAlice);
  const std::string old_program = MakeProgram(tenant, "old", 200000, 300);
  const std::string new_program = MakeProgram(tenant, "new", 200000, 10);
  const std::string older_but_used = MakeProgram(tenant, "used", 200000, 5);
  const auto result = store_->Trim(kAlice, 450000 + 100000);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(fs::exists(old_program));
  EXPECT_TRUE(fs::exists(new_program) && fs::exists(older_but_used));
  EXPECT_EQ(result->removed, 1u);
  EXPECT_GT(result->before_bytes, 600000u);
  EXPECT_LE(result->after_bytes, 550000u);
}

TEST_F(TenantStoreTest, TrimBelowTheBoundRemovesNothing) {
  const TenantDirectory tenant = Admit(kAlice);
  const std::string program = MakeProgram(tenant, "only", 1000, 300);
  const auto result = store_->Trim(kAlice, 1 << 20);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->removed, 0u);
  EXPECT_EQ(result->after_bytes, result->before_bytes);
  EXPECT_TRUE(fs::exists(program));
}

TEST_F(TenantStoreTest, TrimRemovesWhatNoDriverPutsThere) {
  const TenantDirectory tenant = Admit(kAlice);
  const std::string program = MakeProgram(tenant, "kept", 1000, 10);
  std::ofstream(tenant.path + "/stranger") << std::string(100000, 'x');
  fs::create_directories(tenant.path + "/strange/directory");
  std::string deep = tenant.cache();
  for (int i = 0; i < 40; ++i) deep += "/d";
  fs::create_directories(deep);
  const auto result = store_->Trim(kAlice, 1 << 20);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(fs::exists(tenant.path + "/stranger") || fs::exists(tenant.path + "/strange"));
  EXPECT_FALSE(fs::exists(tenant.cache() + "/d/d"));
  EXPECT_TRUE(fs::exists(program));
}

TEST_F(TenantStoreTest, TrimDoesNotFollowLinks) {
  const TenantDirectory tenant = Admit(kAlice);
  fs::create_directory(base_ + "/victim");
  std::ofstream(base_ + "/victim/precious") << std::string(100000, 'x');
  fs::create_directory_symlink(base_ + "/victim", tenant.cache() + "/AB");
  fs::create_directory_symlink(base_ + "/victim", tenant.path + "/stranger");
  ASSERT_TRUE(store_->Trim(kAlice, 0).ok());
  EXPECT_TRUE(fs::exists(base_ + "/victim/precious"));
}

TEST_F(TenantStoreTest, TrimSurvivesManyFiles) {
  const TenantDirectory tenant = Admit(kAlice);
  for (int i = 0; i < 5000; ++i) std::ofstream(absl::StrCat(tenant.cache(), "/", i)) << "";
  for (int i = 0; i < 100; ++i) std::ofstream(absl::StrCat(tenant.temporary(), "/", i)) << std::string(5000, 'x');
  const auto result = store_->Trim(kAlice, 0);
  ASSERT_TRUE(result.ok());
  EXPECT_LE(result->after_bytes, 0u);
}

TEST_F(TenantStoreTest, ForgottenTenantComesBackAsAnother) {
  const TenantDirectory before = Admit(kAlice);
  MakeProgram(before, "p", 10, 1);
  ASSERT_TRUE(store_->Forget(kAlice).ok());
  EXPECT_FALSE(fs::exists(before.path));
  Reopen();
  EXPECT_NE(Admit(kAlice).path, before.path);
}

TEST_F(TenantStoreTest, UnknownTenantIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(store_->Trim(kBob, 0).status()));
  EXPECT_TRUE(absl::IsNotFound(store_->Forget(kBob)));
}

TEST_F(TenantStoreTest, SecondAgentOnTheSameRootIsRefused) {
  EXPECT_TRUE(absl::IsUnavailable(TenantStore::Open(root_, Users()).status()));
}

TEST_F(TenantStoreTest, DamagedListIsDataLossAndLeftAlone) {
  Admit(kAlice);
  store_.reset();
  std::ofstream(root_ + "/tenants") << "nonsense\n";
  const auto store = TenantStore::Open(root_, Users());
  EXPECT_TRUE(absl::IsDataLoss(store.status())) << store.status();
  std::ifstream file(root_ + "/tenants");
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, "nonsense");
}

TEST_F(TenantStoreTest, RootThatOthersCanWriteIsRefused) {
  const std::string shared = base_ + "/shared";
  fs::create_directory(shared);
  chmod(shared.c_str(), 0777);
  EXPECT_TRUE(absl::IsFailedPrecondition(TenantStore::Open(shared, Users()).status()));
}

TEST_F(TenantStoreTest, RootOutOfTheTenantsReachIsRefused) {
  if (geteuid() != 0) GTEST_SKIP() << "without root, tenants have the agent's user";
  fs::create_directory(base_ + "/closed");
  chmod((base_ + "/closed").c_str(), 0700);
  const auto store = TenantStore::Open(base_ + "/closed/root", Users());
  EXPECT_TRUE(absl::IsFailedPrecondition(store.status()));
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("cannot pass through"));
}

TEST_F(TenantStoreTest, RootMustHaveUsersAndOthersCannot) {
  if (geteuid() != 0) {
    EXPECT_TRUE(absl::IsFailedPrecondition(TenantStore::Open(base_ + "/x", UserRange{5, 5}).status()));
    return;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(TenantStore::Open(base_ + "/x", std::nullopt).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(TenantStore::Open(base_ + "/x", UserRange{0, 5}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(TenantStore::Open(base_ + "/x", UserRange{4294967290u, 100}).status()));
}

TEST_F(TenantStoreTest, TenantReachesItsOwnDirectoryAndNoOther) {
  if (geteuid() != 0) GTEST_SKIP() << "without root, tenants have the agent's user";
  const TenantDirectory alice = Admit(kAlice), bob = Admit(kBob);
  const Outcome outcome = RunInChild([&]() -> std::string {
    if (setresgid(alice.identity->gid, alice.identity->gid, alice.identity->gid) != 0 ||
        setresuid(alice.identity->uid, alice.identity->uid, alice.identity->uid) != 0) {
      return "cannot become the tenant";
    }
    const auto opens = [](const std::string& path) {
      return UniqueFd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)).valid();
    };
    return absl::StrCat(opens(alice.cache()), opens(bob.path), opens(bob.cache()), opens(root_));
  });
  EXPECT_EQ(outcome.said, "1000");
}

}  // namespace
}  // namespace xpool::sandbox
