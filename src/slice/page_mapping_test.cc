#include "slice/page_mapping.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>

namespace xpool {
namespace {

UniqueFd MemFd(size_t bytes, int seals) {
  UniqueFd fd(memfd_create("page-mapping-test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(ftruncate(fd.get(), static_cast<off_t>(bytes)), 0);
  EXPECT_EQ(fcntl(fd.get(), F_ADD_SEALS, seals), 0);
  return fd;
}

TEST(PageMappingTest, BothSidesSeeTheSamePage) {
  auto created = CreateControlPage(42);
  ASSERT_TRUE(created.ok()) << created.status();
  auto mapped = MapControlPage(created->fd.get());
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  EXPECT_EQ((*mapped)->session_id, 42u);
  (*mapped)->wants = 1;
  EXPECT_EQ(created->page->wants, 1u);
}

TEST(PageMappingTest, CreatedPageCannotBeResized) {
  auto created = CreateControlPage(1);
  ASSERT_TRUE(created.ok());
  EXPECT_NE(ftruncate(created->fd.get(), 0), 0);
  EXPECT_NE(ftruncate(created->fd.get(), 1 << 20), 0);
}

TEST(PageMappingTest, TruncatedPageIsRefused) {
  const UniqueFd fd = MemFd(100, F_SEAL_SHRINK | F_SEAL_GROW);
  EXPECT_TRUE(absl::IsInvalidArgument(MapControlPage(fd.get()).status()));
}

TEST(PageMappingTest, UnsealedPageIsRefused) {
  const UniqueFd fd = MemFd(kControlPageBytes, F_SEAL_GROW);
  EXPECT_TRUE(absl::IsInvalidArgument(MapControlPage(fd.get()).status()));
}

TEST(PageMappingTest, ForeignFileIsRefused) {
  const UniqueFd fd = MemFd(kControlPageBytes, F_SEAL_SHRINK | F_SEAL_GROW);
  EXPECT_TRUE(absl::IsInvalidArgument(MapControlPage(fd.get()).status()));
  EXPECT_FALSE(MapControlPage(-1).ok());
}

TEST(PageMappingTest, OtherVersionIsNamed) {
  auto created = CreateControlPage(1);
  ASSERT_TRUE(created.ok());
  created->page->version = 7;
  const absl::Status status = MapControlPage(created->fd.get()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("version 7"));
}

}  // namespace
}  // namespace xpool
