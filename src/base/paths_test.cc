#include "base/paths.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace xpool {
namespace {

class PathsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"XDG_CONFIG_HOME", "XPOOL_IDENTITY", "XPOOL_NODES"}) unsetenv(name);
    setenv("HOME", "/home/ada", 1);
  }
};

TEST_F(PathsTest, WhatAUserKeepsIsInTheConfigurationFolder) {
  EXPECT_EQ(OwnUserPaths().identity(), "/home/ada/.config/xpool/identity.pem");
  EXPECT_EQ(OwnUserPaths().authority(), "/home/ada/.config/xpool/ca");
  setenv("XDG_CONFIG_HOME", "/cfg", 1);
  EXPECT_EQ(OwnUserPaths().nodes(), "/cfg/xpool/nodes");
  setenv("XDG_CONFIG_HOME", "relative", 1);
  EXPECT_EQ(OwnUserPaths().nodes(), "/home/ada/.config/xpool/nodes");
}

TEST_F(PathsTest, IdentityAndNodesMayBeElsewhere) {
  setenv("XPOOL_IDENTITY", "/x.pem", 1);
  setenv("XPOOL_NODES", "/n", 1);
  EXPECT_EQ(OwnUserPaths().identity(), "/x.pem");
  EXPECT_EQ(OwnUserPaths().nodes(), "/n");
}

TEST_F(PathsTest, WithoutHomeTheListOfUsersIsAsked) {
  unsetenv("HOME");
  EXPECT_TRUE(OwnUserPaths().directory.starts_with("/"));
  EXPECT_TRUE(OwnUserPaths().directory.ends_with("/.config/xpool"));
}

TEST_F(PathsTest, TheMachinesAgentKeepsItsIdentityWhereARestartFindsIt) {
  EXPECT_EQ(AgentPaths{"/run/xpool"}.identity(), "/etc/xpool/pki/node.pem");
  EXPECT_EQ(AgentPaths{"/srv/x"}.identity(), "/srv/x/pki/node.pem");
}

}  // namespace
}  // namespace xpool
