#include "gateway/worker_rooms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_cat.h"

namespace xpool::gateway {
namespace {

namespace fs = std::filesystem;

using sandbox::TenantIdentity;
using testing::ElementsAre;
using testing::IsEmpty;

class WorkerRoomsTest : public testing::Test {
 protected:
  WorkerRoomsTest() {
    char pattern[] = "/tmp/xpool-rooms-XXXXXX";
    folder_ = mkdtemp(pattern);
    chmod(folder_.c_str(), 0755);
  }
  ~WorkerRoomsTest() override { fs::remove_all(folder_); }

  std::unique_ptr<WorkerRooms> Open(uint64_t served = 0) {
    WorkerRoomOptions options{.directory = folder_ + "/cache",
                              .users = std::nullopt,
                              .is_served = [served](uint64_t session) { return session == served; }};
    if (geteuid() == 0) options.users = {kFirstUser, 100};
    auto rooms = WorkerRooms::Open(options);
    EXPECT_TRUE(rooms.ok()) << rooms.status();
    return *std::move(rooms);
  }
  std::vector<std::string> Rooms() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_ + "/cache/workers"))
      names.push_back(entry.path().filename());
    return names;
  }

  static constexpr uid_t kFirstUser = 0x70000000;
  const TenantIdentity ada_{TenantIdentity::Kind::kCertificate, "ada"}, bob_{TenantIdentity::Kind::kCertificate, "bob"};
  std::string folder_;
};

TEST_F(WorkerRoomsTest, CacheLeadsToTheTenantOnceThereIsOne) {
  const auto rooms = Open();
  const auto room = *rooms->Make();
  const std::string link = room->environment()[0].substr(std::string("POCL_CACHE_DIR=").size());
  EXPECT_EQ(fs::read_symlink(link), folder_ + "/cache/warm");
  const auto tenancy = rooms->Admit(*room, ada_, 7, 1 << 20);
  ASSERT_TRUE(tenancy.ok()) << tenancy.status();
  EXPECT_EQ(fs::read_symlink(link), tenancy->cache_directory);
  EXPECT_TRUE(tenancy->confined);
  EXPECT_GT(tenancy->data_bytes, uint64_t{1} << 20);
  EXPECT_EQ(tenancy->own_user, geteuid() == 0);
}

TEST_F(WorkerRoomsTest, TenantsShareNothing) {
  const auto rooms = Open();
  const auto first = *rooms->Make(), second = *rooms->Make();
  const auto ada = *rooms->Admit(*first, ada_, 1, 0), bob = *rooms->Admit(*second, bob_, 2, 0);
  EXPECT_NE(ada.cache_directory, bob.cache_directory);
  EXPECT_NE(ada.temporary_directory, bob.temporary_directory);
  if (geteuid() == 0) {
    EXPECT_NE(ada.uid, bob.uid);
  }
  const auto third = *rooms->Make();
  EXPECT_EQ(rooms->Admit(*third, ada_, 3, 0)->cache_directory, ada.cache_directory);
}

TEST_F(WorkerRoomsTest, RoomsGoWithTheirWorkers) {
  const auto rooms = Open();
  {
    const auto room = *rooms->Make();
    EXPECT_THAT(Rooms(), ElementsAre("1"));
  }
  EXPECT_THAT(Rooms(), IsEmpty());
}

TEST_F(WorkerRoomsTest, NextAgentKeepsTheRoomsThatAreServedAndNoOthers) {
  {
    const auto rooms = Open();
    const auto served = *rooms->Make(), ended = *rooms->Make(), waiting = *rooms->Make();
    ASSERT_TRUE(rooms->Admit(*served, ada_, 7, 0).ok());
    ASSERT_TRUE(rooms->Admit(*ended, ada_, 8, 0).ok());
    for (const auto& room : {served, ended, waiting}) room->Leave();
  }
  const auto rooms = Open(/*served=*/7);
  EXPECT_THAT(Rooms(), ElementsAre("1"));
  const auto room = *rooms->Make();
  EXPECT_NE(room->environment()[0], absl::StrCat("POCL_CACHE_DIR=", folder_, "/cache/workers/1/cache"));
}

TEST_F(WorkerRoomsTest, FolderThatTenantsCannotReachIsSaid) {
  if (geteuid() != 0) GTEST_SKIP() << "only root has users for tenants";
  chmod(folder_.c_str(), 0700);
  const auto rooms =
      WorkerRooms::Open({folder_ + "/cache", sandbox::UserRange{kFirstUser, 100}, [](uint64_t) { return false; }});
  EXPECT_EQ(rooms.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(rooms.status().message()), testing::HasSubstr("chmod"));
}

}  // namespace
}  // namespace xpool::gateway
