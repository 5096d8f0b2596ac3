#include "backend/local/driver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

namespace xpool::local {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class DriverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "/xpool-driver-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    setenv("XPOOL_ICD_VENDORS", directory_.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("XPOOL_ICD_VENDORS");
    std::filesystem::remove_all(directory_);
  }
  void WriteIcd(const std::string& name, const std::string& contents) {
    std::ofstream(directory_ + "/" + name) << contents;
  }
  std::string directory_;
};

TEST_F(DriverTest, ListsRegisteredLibrariesInFileOrder) {
  WriteIcd("b.icd", "/opt/b/libb.so.1\n");
  WriteIcd("a.icd", "  liba.so.2 \nsecond line\n");
  WriteIcd("notes.txt", "libnot.so\n");
  const std::vector<InstalledDriver> drivers = ListInstalledDrivers();
  ASSERT_EQ(drivers.size(), 2u);
  EXPECT_EQ(drivers[0].library, "liba.so.2");
  EXPECT_EQ(drivers[0].icd_file, directory_ + "/a.icd");
  EXPECT_EQ(drivers[1].library, "/opt/b/libb.so.1");
}

TEST_F(DriverTest, LeavesOutOwnShimEmptyFilesAndRepeats) {
  WriteIcd("xpool.icd", "/usr/lib/libxpool-opencl.so\n");
  WriteIcd("empty.icd", "");
  WriteIcd("one.icd", "libone.so\n");
  WriteIcd("two.icd", "libone.so\n");
  const std::vector<InstalledDriver> drivers = ListInstalledDrivers();
  ASSERT_EQ(drivers.size(), 1u);
  EXPECT_EQ(drivers[0].library, "libone.so");
}

TEST_F(DriverTest, OverrideMayNameFilesAndLibraries) {
  WriteIcd("a.icd", "liba.so\n");
  setenv("XPOOL_ICD_VENDORS", (directory_ + "/a.icd:/opt/libdirect.so").c_str(), 1);
  const std::vector<InstalledDriver> drivers = ListInstalledDrivers();
  ASSERT_EQ(drivers.size(), 2u);
  EXPECT_EQ(drivers[0].library, "liba.so");
  EXPECT_EQ(drivers[1].library, "/opt/libdirect.so");
  EXPECT_THAT(drivers[1].icd_file, IsEmpty());
}

TEST_F(DriverTest, MissingLibraryIsNotFoundAndNamed) {
  const auto driver = Driver::Load("/nowhere/libnone.so");
  EXPECT_EQ(driver.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(driver.status().message()), HasSubstr("/nowhere/libnone.so"));
}

TEST_F(DriverTest, LibraryThatIsNoDriverIsRefused) {
  EXPECT_EQ(Driver::Load("libm.so.6").status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST(InstalledDriverTest, LoadsWithDevicesAndFunctions) {
  const std::vector<InstalledDriver> installed = ListInstalledDrivers();
  if (installed.empty()) GTEST_SKIP() << "no OpenCL driver is installed";
  const auto driver = Driver::Load(installed.front().library);
  ASSERT_TRUE(driver.ok()) << driver.status();
  ASSERT_FALSE((*driver)->platforms().empty());
  const DriverPlatform& platform = (*driver)->platforms().front();
  const std::vector<cl_device_id> devices = ListDevices(platform);
  ASSERT_FALSE(devices.empty());

  cl_int error = CL_INVALID_VALUE;
  cl_context context = platform.api.clCreateContext(nullptr, 1, devices.data(), nullptr, nullptr, &error);
  ASSERT_EQ(error, CL_SUCCESS);
  cl_uint references = 0;
  EXPECT_EQ(
      platform.api.clGetContextInfo(context, CL_CONTEXT_REFERENCE_COUNT, sizeof(references), &references, nullptr),
      CL_SUCCESS);
  EXPECT_EQ(references, 1u);
  EXPECT_EQ(platform.api.clReleaseContext(context), CL_SUCCESS);
}

}  // namespace
}  // namespace xpool::local
