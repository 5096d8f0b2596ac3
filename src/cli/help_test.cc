#include "cli/help.h"

#include <gtest/gtest.h>

namespace xpool::cli {
namespace {

TEST(HelpTest, WrapBreaksAtBlanksAndIndents) {
  EXPECT_EQ(Wrap("one two three", 2, 9), "  one two\n  three\n");
  EXPECT_EQ(Wrap("unbreakably-long", 1, 5), " unbreakably-long\n");
  EXPECT_EQ(Wrap("", 4), "");
}

TEST(HelpTest, NearestFindsTyposAndRefusesStrangers) {
  const std::vector<std::string> words = {"create", "delete", "list"};
  EXPECT_EQ(Nearest("craete", words), "create");
  EXPECT_EQ(Nearest("delet", words), "delete");
  EXPECT_EQ(Nearest("frobnicate", words), "");
}

}  // namespace
}  // namespace xpool::cli
