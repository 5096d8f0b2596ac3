#include "sandbox/thread_status.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/fd.h"

namespace xpool::sandbox {
namespace {

using ::testing::HasSubstr;

constexpr char kConfined[] =
    "Name:\tworker: Uid:\t0\nUid:\t1001\t1001\t1001\t1001\nGid:\t1002\t1002\t1002\t1002\nGroups:\t \nThreads:\t4\n"
    "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapBnd:\t0000000000000000\n"
    "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n";
constexpr ExpectedStatus kExpected = {true, true, 1001, 1002};

// kConfined with one text in place of another.
std::string With(const std::string& before, const std::string& after) {
  std::string text = kConfined;
  const size_t at = text.find(before);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, before.size(), after);
}

std::string Complaint(const std::string& text) {
  const auto status = ParseThreadStatus(text);
  EXPECT_TRUE(status.ok()) << status.status();
  return status.ok() ? std::string(CheckConfined(*status, kExpected).message()) : "";
}

TEST(ThreadStatusTest, ConfinedThreadIsAccepted) {
  const auto status = ParseThreadStatus(kConfined);
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->process_threads, 4u);
  EXPECT_TRUE(CheckConfined(*status, kExpected).ok());
}

TEST(ThreadStatusTest, WhatIsLeftIsNamed) {
  EXPECT_THAT(Complaint(With("Uid:\t1001\t1001", "Uid:\t1001\t0")), HasSubstr("another user"));
  EXPECT_THAT(Complaint(With("Gid:\t1002", "Gid:\t0")), HasSubstr("another group"));
  EXPECT_THAT(Complaint(With("Groups:\t ", "Groups:\t0 4 ")), HasSubstr("supplementary groups"));
  EXPECT_THAT(Complaint(With("CapPrm:\t0000000000000000", "CapPrm:\t0000000000200000")), HasSubstr("capabilities"));
  EXPECT_THAT(Complaint(With("CapInh:\t0000000000000000", "CapInh:\t0000000000000001")), HasSubstr("capabilities"));
  EXPECT_THAT(Complaint(With("CapBnd:\t0000000000000000", "CapBnd:\t000001ffffffffff")), HasSubstr("bounding"));
  EXPECT_THAT(Complaint(With("NoNewPrivs:\t1", "NoNewPrivs:\t0")), HasSubstr("no_new_privs"));
  EXPECT_THAT(Complaint(With("Seccomp:\t2", "Seccomp:\t0")), HasSubstr("system-call filter"));
}

TEST(ThreadStatusTest, MissingOrBrokenLineIsDataLoss) {
  EXPECT_EQ(ParseThreadStatus("").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(ParseThreadStatus(With("Seccomp:\t2\n", "")).status().message()), HasSubstr("Seccomp"));
  EXPECT_EQ(ParseThreadStatus(With("Threads:\t4", "Threads:\tx")).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseThreadStatus(With("Uid:\t1001\t1001\t1001\t1001", "Uid:\t1001")).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseThreadStatus(std::string(kMaxStatusBytes + 1, '\n')).status().code(), absl::StatusCode::kDataLoss);
}

TEST(ThreadStatusTest, KernelsOwnTextIsUnderstood) {
  const UniqueFd file(open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC));
  const auto status = ReadThreadStatus(file.get());
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->uids[1], geteuid());
  EXPECT_EQ(status->gids[1], getegid());
}

}  // namespace
}  // namespace xpool::sandbox
