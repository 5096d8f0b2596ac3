#include "sandbox/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sandbox/syscall_table.h"

namespace xpool::sandbox {
namespace {

using ::testing::IsSupersetOf;

constexpr Profile kProfiles[] = {Profile::kPocl, Profile::kNull, Profile::kGeneric};

TEST(ProfileTest, IsChosenByTheLibrarysFileName) {
  EXPECT_EQ(ProfileOfLibrary("libpocl.so.2.10.0"), Profile::kPocl);
  EXPECT_EQ(ProfileOfLibrary("/usr/lib/x86_64-linux-gnu/libpocl.so.2"), Profile::kPocl);
  EXPECT_EQ(ProfileOfLibrary("/opt/xpool/libxpool-null-opencl.so"), Profile::kNull);
}

TEST(ProfileTest, UnknownDriverIsGeneric) {
  EXPECT_EQ(ProfileOfLibrary("libnvidia-opencl.so.1"), Profile::kGeneric);
  EXPECT_EQ(ProfileOfLibrary("/usr/lib/libpocl.so/evil.so"), Profile::kGeneric);
  EXPECT_EQ(ProfileOfLibrary(""), Profile::kGeneric);
}

TEST(ProfileTest, OnlyPoclExecutesAndOnlyTheLinker) {
  for (const Profile profile : kProfiles) {
    for (const PathRule& rule : ProfilePaths(profile)) {
      if (rule.access != Access::kReadExecute) continue;
      EXPECT_EQ(profile, Profile::kPocl);
      EXPECT_TRUE(rule.path == "/usr/bin/ld" || rule.path.find("/ld-linux-") != std::string::npos) << rule.path;
    }
  }
}

TEST(ProfileTest, NoProfileWritesToTheSystem) {
  for (const Profile profile : kProfiles) {
    for (const PathRule& rule : ProfilePaths(profile)) {
      if (rule.access == Access::kReadWrite) {
        EXPECT_EQ(rule.path, "/dev/null");
      }
      EXPECT_NE(rule.access, Access::kDevice);
    }
  }
}

TEST(ProfileTest, NoSystemCallIsBothAllowedAndFatal) {
  const std::vector<int> fatal = FatalSyscalls(), absent = AbsentSyscalls();
  for (const Profile profile : kProfiles) {
    for (const int syscall : AllowedSyscalls(profile, Sockets::kInternet)) {
      EXPECT_THAT(fatal, ::testing::Not(::testing::Contains(syscall)));
      EXPECT_THAT(absent, ::testing::Not(::testing::Contains(syscall)));
    }
  }
}

TEST(ProfileTest, NullDriversCallsAreAllowedInEveryProfile) {
  const std::vector<int> few = AllowedSyscalls(Profile::kNull, Sockets::kNone);
  EXPECT_THAT(AllowedSyscalls(Profile::kPocl, Sockets::kNone), IsSupersetOf(few));
  EXPECT_THAT(AllowedSyscalls(Profile::kGeneric, Sockets::kNone), IsSupersetOf(few));
}

}  // namespace
}  // namespace xpool::sandbox
