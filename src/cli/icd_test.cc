#include "cli/icd.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace xpool::cli {
namespace {

namespace fs = std::filesystem;

class IcdTest : public testing::Test {
 protected:
  IcdTest() { EXPECT_NE(mkdtemp(folder_), nullptr); }
  ~IcdTest() override {
    unsetenv("XPOOL_SHIM_DIR");
    fs::remove_all(folder_);
  }

  std::string Folder() const { return folder_; }
  char folder_[32] = "/tmp/xpool-icd-XXXXXX";
};

TEST_F(IcdTest, TheFolderHoldsOneFileThatNamesTheLibrary) {
  const auto folder = MakeIcdFolder({Folder()}, "/opt/x/libxpool-opencl.so");
  ASSERT_TRUE(folder.ok()) << folder.status();
  int files = 0;
  for (const auto& entry : fs::directory_iterator(*folder)) {
    ++files;
    EXPECT_EQ(entry.path().extension(), ".icd");
    std::string line;
    std::getline(std::ifstream(entry.path()) >> std::ws, line);
    EXPECT_EQ(line, "/opt/x/libxpool-opencl.so");
  }
  EXPECT_EQ(files, 1);
  EXPECT_EQ(*MakeIcdFolder({Folder()}, "/opt/x/libxpool-opencl.so"), *folder);
}

TEST_F(IcdTest, TwoInstallationsGetTwoFolders) {
  EXPECT_NE(*MakeIcdFolder({Folder()}, "/a/libxpool-opencl.so"), *MakeIcdFolder({Folder()}, "/b/libxpool-opencl.so"));
}

TEST_F(IcdTest, NoOtherDriverStaysVisible) {
  Environment environment = {"OCL_ICD_FILENAMES=/other.so", "OCL_ICD_VENDORS=/etc/OpenCL/vendors", "HOME=/x"};
  UseOnlyIcdFolder(environment, "/icd");
  EXPECT_EQ(GetVariable(environment, "OCL_ICD_VENDORS"), "/icd");
  EXPECT_EQ(GetVariable(environment, "OPENCL_VENDOR_PATH"), "/icd");
  EXPECT_EQ(GetVariable(environment, "OCL_ICD_FILENAMES"), "");
  EXPECT_EQ(GetVariable(environment, "HOME"), "/x");
}

TEST_F(IcdTest, DriverIsTunedUnlessTheUserHasChosen) {
  Environment environment = {"HOME=/x"};
  TuneDriverForLeases(environment);
  EXPECT_EQ(GetVariable(environment, "POCL_AFFINITY"), "1");
  environment = {"POCL_AFFINITY=0"};
  TuneDriverForLeases(environment);
  EXPECT_EQ(GetVariable(environment, "POCL_AFFINITY"), "0");
}

TEST_F(IcdTest, AMissingLibraryIsNamedWithThePlacesLookedAt) {
  setenv("XPOOL_SHIM_DIR", folder_, 1);
  const auto missing = FindShim("/usr/bin");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(missing.status().message().find(folder_), std::string::npos);
  std::ofstream(Folder() + "/libxpool-opencl.so") << "";
  EXPECT_EQ(*FindShim("/usr/bin"), Folder() + "/libxpool-opencl.so");
}

}  // namespace
}  // namespace xpool::cli
