#include "pki/nodes_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/file.h"

namespace xpool::pki {
namespace {

using ::testing::HasSubstr;

constexpr char kText[] =
    "# our machines\n"
    "gpu1     10.0.0.2:7070\n"
    "\n"
    "\tgpu2\tgpu2.lab:7071  identity=~/other.pem  # borrowed\r\n"
    "gpu3 [fe80::1]:80";

TEST(NodesTest, LinesByHandAreRead) {
  const auto nodes = Nodes::Parse(kText);
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  ASSERT_EQ(nodes->all().size(), 3u);
  const Node& second = nodes->all()[1];
  EXPECT_EQ(second.name, "gpu2");
  EXPECT_EQ(second.address.host, "gpu2.lab");
  EXPECT_EQ(second.address.port, 7071);
  EXPECT_EQ(second.identity, "~/other.pem");
  EXPECT_EQ(second.line, 4);
  EXPECT_EQ(AddressText(nodes->Find("gpu3")->address), "[fe80::1]:80");
}

TEST(NodesTest, MistakesAreToldWithTheirLine) {
  const auto error_of = [](const std::string& line) {
    const absl::Status status = Nodes::Parse("# one\ngpu1 10.0.0.2:7070\n" + line).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 3: ")) << line;
    return std::string(status.message());
  };
  EXPECT_THAT(error_of("gpu2"), HasSubstr("NAME HOST[:PORT]"));
  EXPECT_THAT(error_of("gpu2 10.0.0.3:7070 identity=a b"), HasSubstr("NAME HOST[:PORT]"));
  EXPECT_THAT(error_of("gpu2 10.0.0.3:x"), HasSubstr("10.0.0.3:x"));
  EXPECT_THAT(error_of("gpu2 10.0.0.3:0"), HasSubstr("port 0"));
  EXPECT_THAT(error_of("gpu2 10.0.0.3:7070 identty=x"), HasSubstr("identity=FILE"));
  EXPECT_THAT(error_of("gpu2 10.0.0.3:7070 identity="), HasSubstr("identity's file"));
  EXPECT_THAT(error_of("gpu1 10.0.0.3:7070"), HasSubstr("stands in line 2 already"));
  error_of("-x 10.0.0.3:7070");
  error_of("gpu2 ev\x1bil:7070");
  error_of("gpu2 0.0.0.0:7070");
  error_of(std::string(5000, ' '));
}

TEST(NodesTest, TooMuchIsRefused) {
  EXPECT_FALSE(Nodes::Parse(std::string(kMostNodesBytes + 1, '\n')).ok());
  std::string text;
  for (size_t i = 0; i <= kMostNodes; ++i) text += "n" + std::to_string(i) + " a:1\n";
  EXPECT_FALSE(Nodes::Parse(text).ok());
}

TEST(NodesTest, ChangesLeaveTheRestAsItWas) {
  Nodes nodes = Nodes::Parse(kText).value();
  ASSERT_TRUE(nodes.Add("gpu4", "10.0.0.5:7070", "").ok());
  EXPECT_EQ(nodes.text(), std::string(kText) + "\ngpu4\t10.0.0.5:7070\n");
  ASSERT_TRUE(nodes.Remove("gpu4").ok());
  EXPECT_EQ(nodes.text(), std::string(kText) + "\n");
  ASSERT_TRUE(nodes.Remove("gpu1").ok());
  EXPECT_THAT(nodes.text(), HasSubstr("# our machines\n\n\tgpu2"));
}

TEST(NodesTest, WhatCannotStandThereIsNotAdded) {
  Nodes nodes = Nodes::Parse(kText).value();
  const absl::Status twice = nodes.Add("gpu1", "10.0.0.9:7070", "");
  EXPECT_TRUE(absl::IsAlreadyExists(twice));
  EXPECT_THAT(std::string(twice.message()), HasSubstr("line 2, 10.0.0.2:7070"));
  for (const char* identity : {"a b", "a#b", "a\nb"})
    EXPECT_TRUE(absl::IsInvalidArgument(nodes.Add("gpu4", "10.0.0.5:1", identity)));
  EXPECT_TRUE(absl::IsInvalidArgument(nodes.Add("gpu4", "a:1\ngpu5 b:1", "")));
  EXPECT_TRUE(absl::IsInvalidArgument(nodes.Add("#", "10.0.0.5:1", "")));
  EXPECT_EQ(nodes.text(), kText);
}

TEST(NodesTest, UnknownNamesAreToldTheKnownOnes) {
  EXPECT_THAT(std::string(Nodes::Parse(kText)->Find("gpu9").status().message()), HasSubstr("gpu1, gpu2, gpu3"));
  EXPECT_THAT(std::string(Nodes().Remove("gpu9").message()), HasSubstr("xpool node add"));
}

TEST(NodesTest, IdentitysPathIsSeenFromTheFileAndTheHome) {
  setenv("HOME", "/home/ada", 1);
  const auto path_of = [](const char* identity) {
    return IdentityPathOf({.identity = identity}, "/etc/lab/nodes", "/usual.pem");
  };
  EXPECT_EQ(path_of(""), "/usual.pem");
  EXPECT_EQ(path_of("~/x.pem"), "/home/ada/x.pem");
  EXPECT_EQ(path_of("/x.pem"), "/x.pem");
  EXPECT_EQ(path_of("x.pem"), "/etc/lab/x.pem");
}

class NodesFileTest : public testing::Test {
 protected:
  NodesFileTest() : folder_(mkdtemp(pattern_)), path_(folder_ + "/below/nodes") {}
  ~NodesFileTest() override { std::filesystem::remove_all(folder_); }

  char pattern_[32] = "/tmp/xpool-nodes-XXXXXX";
  const std::string folder_, path_;
};

TEST_F(NodesFileTest, FileIsMadeWhenTheFirstNodeIsAdded) {
  EXPECT_TRUE(LoadNodes(path_)->all().empty());
  ASSERT_TRUE(AddNode(path_, "gpu1", "10.0.0.2:7070", "").ok());
  ASSERT_TRUE(AddNode(path_, "gpu2", "10.0.0.3:7070", "x.pem").ok());
  EXPECT_EQ(LoadNodes(path_)->Find("gpu2")->identity, "x.pem");
  ASSERT_TRUE(RemoveNode(path_, "gpu1").ok());
  EXPECT_EQ(LoadNodes(path_)->all().size(), 1u);
}

TEST_F(NodesFileTest, FileWithAMistakeIsNotChanged) {
  ASSERT_TRUE(AddNode(path_, "gpu1", "10.0.0.2:7070", "").ok());
  ASSERT_TRUE(WriteFileDurably(path_, "gpu1\n", 0644, IfExists::kReplace).ok());
  const absl::Status status = AddNode(path_, "gpu2", "10.0.0.2:7070", "");
  EXPECT_THAT(std::string(status.message()), HasSubstr(path_ + ": line 1: "));
  EXPECT_EQ(ReadFile(path_, 100).value(), "gpu1\n");
}

TEST_F(NodesFileTest, LinkStaysALink) {
  ASSERT_TRUE(AddNode(path_, "gpu1", "10.0.0.2:7070", "").ok());
  const std::string link = folder_ + "/link";
  std::filesystem::create_symlink(path_, link);
  ASSERT_TRUE(AddNode(link, "gpu2", "10.0.0.3:7070", "").ok());
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(LoadNodes(path_)->all().size(), 2u);
}

TEST_F(NodesFileTest, ThoseWhoAddAtTheSameTimeLoseNothing) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] { EXPECT_TRUE(AddNode(path_, "gpu" + std::to_string(i), "a:1", "").ok()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(LoadNodes(path_)->all().size(), 8u);
}

}  // namespace
}  // namespace xpool::pki
