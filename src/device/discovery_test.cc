// Discovery against stand-ins for the probing child: shell scripts that do what a broken driver makes a child do.
#include "device/discovery.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace xpool {
namespace {

class DiscoveryTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/xpool_discovery_" + std::to_string(getpid());
    std::filesystem::create_directories(directory_);
    options_.probe_program = directory_ + "/probe";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // A child that runs |commands| with the library's name in $2.
  void Script(const std::string& commands) {
    std::ofstream(options_.probe_program) << "#!/bin/sh\n" << commands << "\n";
    chmod(options_.probe_program.c_str(), 0755);
  }

  std::string Report(const std::string& name) {
    XpuInfo xpu;
    xpu.name = name;
    xpu.type = "GPU";
    return ToJsonLine(xpu);
  }

  std::string directory_;
  DiscoveryOptions options_;
};

TEST_F(DiscoveryTest, CrashingDriverCostsItsOwnDevicesOnly) {
  Script("if [ $2 = bad.so ]; then kill -SEGV $$; fi; echo '" + Report("card") + "' >&3");
  options_.libraries = {"bad.so", "good.so"};
  const Discovery found = DiscoverXpus(options_);
  ASSERT_EQ(found.xpus.size(), 1u);
  EXPECT_EQ(found.xpus[0].name, "card");
  EXPECT_EQ(found.xpus[0].driver_library, "good.so");
  ASSERT_EQ(found.problems.size(), 1u);
  EXPECT_EQ(found.problems[0].kind, "driver-crashed");
  EXPECT_EQ(found.problems[0].library, "bad.so");
}

TEST_F(DiscoveryTest, HangingDriverIsGivenUpWithAllItStarted) {
  Script("echo '" + Report("card") + "' >&3; sleep 1000 & echo $! > " + directory_ + "/pid; wait");
  options_.libraries = {"hung.so"};
  options_.timeout_ns = 500 * kNsPerMs;
  const Discovery found = DiscoverXpus(options_);
  EXPECT_TRUE(found.xpus.empty());
  ASSERT_EQ(found.problems.size(), 1u);
  EXPECT_EQ(found.problems[0].kind, "driver-hung");
}

TEST_F(DiscoveryTest, NonsenseAndFailureAreReported) {
  Script("if [ $2 = a.so ]; then echo garbage >&3; else exit 3; fi");
  options_.libraries = {"a.so", "b.so"};
  const Discovery found = DiscoverXpus(options_);
  EXPECT_TRUE(found.xpus.empty());
  ASSERT_EQ(found.problems.size(), 2u);
  EXPECT_EQ(found.problems[1].kind, "driver-failed");
}

TEST_F(DiscoveryTest, EndlessReportIsCut) {
  Script("exec cat /dev/zero >&3");
  options_.libraries = {"a.so"};
  options_.timeout_ns = 500 * kNsPerMs;
  const Discovery found = DiscoverXpus(options_);
  EXPECT_TRUE(found.xpus.empty());
  EXPECT_EQ(found.problems.size(), 1u);
}

TEST_F(DiscoveryTest, TakesTheInstalledDriversInOrder) {
  std::ofstream(directory_ + "/b.icd") << "libb.so.1\n";
  std::ofstream(directory_ + "/a.icd") << "  /opt/liba.so \nmore\n";
  std::ofstream(directory_ + "/x.icd") << "/usr/lib/libxpool-opencl.so\n";
  std::ofstream(directory_ + "/empty.icd") << "\n";
  std::ofstream(directory_ + "/other.txt") << "libc.so\n";
  setenv("XPOOL_ICD_VENDORS", directory_.c_str(), 1);
  EXPECT_EQ(InstalledDriverLibraries(), (std::vector<std::string>{"/opt/liba.so", "libb.so.1"}));
  unsetenv("XPOOL_ICD_VENDORS");
}

}  // namespace
}  // namespace xpool
