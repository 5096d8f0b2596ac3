#include "backend/remote/slice_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace xpool::remote {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SliceFile, ReadsWhatItWrites) {
  const std::vector<SliceEntry> slices = {{.address = "tls:10.0.0.2:9747",
                                           .node = "gpu2",
                                           .slice = "s7",
                                           .token = "xpool-token-1.abc",
                                           .identity = "/home/a b/.config/xpool/identity.pem"},
                                          {.address = "tcp:127.0.0.1:1", .plain = true}};
  const auto read = ParseSliceFile(SliceFileText(slices));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, slices);
}

TEST(SliceFile, SaysWhichLineIsWrong) {
  const std::string head = "xpool-slices 1\naddress unix:/a\n";
  EXPECT_THAT(ParseSliceFile("xpool-slices 2\n").status().message(), HasSubstr("line 1 "));
  EXPECT_THAT(ParseSliceFile("xpool-slices 1\nnode a\n").status().message(), HasSubstr("line 2 "));
  EXPECT_THAT(ParseSliceFile(head + "colour red\n").status().message(), HasSubstr("line 3 "));
  EXPECT_THAT(ParseSliceFile(head + "node a\nnode b\n").status().message(), HasSubstr("line 4 "));
  EXPECT_THAT(ParseSliceFile(head + "plain no\n").status().message(), HasSubstr("line 3 "));
  EXPECT_THAT(ParseSliceFile(head + "node\n").status().message(), HasSubstr("has no value"));
  EXPECT_FALSE(ParseSliceFile("xpool-slices 1\n").ok());
}

TEST(SliceFile, HasAnEnd) {
  std::string text = "xpool-slices 1\n";
  for (size_t i = 0; i < kMostSlices; ++i) absl::StrAppend(&text, "address unix:/", i, "\n");
  EXPECT_TRUE(ParseSliceFile(text).ok());
  EXPECT_FALSE(ParseSliceFile(text + "address unix:/one-more\n").ok());
  EXPECT_FALSE(ParseSliceFile(std::string(kMostSliceFileBytes + 1, ' ')).ok());
}

}  // namespace
}  // namespace xpool::remote
