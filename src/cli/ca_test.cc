// `xpool ca` and `xpool node` as people type them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "cli/cli.h"
#include "cli/json.h"

namespace xpool::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kDayNs = 86'400 * kNsPerSec;

class CaTest : public testing::Test {
 protected:
  CaTest() : folder_(mkdtemp(pattern_)) {
    setenv("XDG_CONFIG_HOME", pattern_, 1);
    for (const char* name : {"XPOOL_IDENTITY", "XPOOL_NODES"}) unsetenv(name);
  }
  ~CaTest() override { std::filesystem::remove_all(folder_); }

  int Call(std::vector<std::string> arguments) {
    out_.str("");
    err_.str("");
    Context context{.out = out_, .err = err_, .unix_now_ns = [this] { return UnixNowNs() + later_ns_; }};
    return RunCli(std::move(arguments), context);
  }
  int Issue(std::vector<std::string> what, const std::string& file) {
    what.insert(what.begin(), {"ca", "issue"});
    what.insert(what.end(), {"-o", Path(file)});
    return Call(what);
  }
  Json ListJson(std::vector<std::string> options = {}) {
    options.insert(options.begin(), {"ca", "list", "--json"});
    EXPECT_EQ(Call(options), kOk) << err();
    return Json::parse(out());
  }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }
  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  int64_t later_ns_ = 0;
  char pattern_[32] = "/tmp/xpool-ca-XXXXXX";
  const std::string folder_;
  std::ostringstream out_, err_;
};

TEST_F(CaTest, ALabInThreeCommands) {
  EXPECT_EQ(Call({"ca", "init", "--name", "physics"}), kOk) << err();
  EXPECT_THAT(out(), HasSubstr("authority physics made in " + Path("xpool/ca")));
  EXPECT_THAT(err(), HasSubstr("xpool ca issue node NAME"));
  EXPECT_EQ(Issue({"node", "gpu1", "--address", "10.0.0.2", "gpu1.lab"}, "gpu1.pem"), kOk) << err();
  EXPECT_THAT(out(), HasSubstr("node gpu1 issued, valid until 20"));
  EXPECT_THAT(err(), HasSubstr("pki/node.pem"));
  EXPECT_EQ(Issue({"user", "ada"}, "xpool/identity.pem"), kOk) << err();
  struct stat info {};
  ASSERT_EQ(stat(Path("gpu1.pem").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600u);
  EXPECT_EQ(Call({"ca", "show"}), kOk) << err();
  EXPECT_THAT(out(), HasSubstr("user         ada\nsigned by    physics\n"));
  EXPECT_THAT(out(), HasSubstr("state        usable\n"));
  EXPECT_THAT(out(), Not(HasSubstr("PRIVATE")));
}

TEST_F(CaTest, WithoutAnAuthorityTheCureIsNamed) {
  for (const char* command : {"list", "rotate", "retire"}) {
    EXPECT_EQ(Call({"ca", command}), kFailed) << command;
    EXPECT_THAT(err(), HasSubstr("xpool ca init")) << command;
  }
  EXPECT_EQ(Call({"ca", "show"}), kFailed);
  EXPECT_THAT(err(), HasSubstr("xpool ca issue user NAME"));
}

TEST_F(CaTest, RefusalsTeach) {
  ASSERT_EQ(Call({"ca", "init"}), kOk);
  EXPECT_EQ(Call({"ca", "init"}), kFailed);
  EXPECT_THAT(err(), HasSubstr("--ca-dir"));
  EXPECT_EQ(Issue({"node", "gpu1"}, "x.pem"), kUsage);
  EXPECT_THAT(err(), HasSubstr("--address 10.0.0.2"));
  EXPECT_EQ(Issue({"node", "gpu1", "--address", "10.0.0.2:7070"}, "x.pem"), kUsage);
  EXPECT_THAT(err(), HasSubstr("without a port"));
  EXPECT_EQ(Issue({"user", "a\x1b[2Jb"}, "x.pem"), kUsage);
  EXPECT_THAT(err(), Not(HasSubstr("\x1b")));
  EXPECT_EQ(Issue({"user", "ada", "--days", "0.5"}, "x.pem"), kUsage);
  EXPECT_EQ(Issue({"user", "ada", "--days", "40000"}, "x.pem"), kUsage);
  EXPECT_EQ(Call({"ca", "issue"}), kUsage);
  EXPECT_FALSE(std::filesystem::exists(Path("x.pem")));
  EXPECT_TRUE(ListJson({"--all"})["identities"].empty());
}

TEST_F(CaTest, FilesAreReplacedOnlyWhenAsked) {
  ASSERT_EQ(Call({"ca", "init"}), kOk);
  ASSERT_EQ(Issue({"user", "ada"}, "ada.pem"), kOk);
  const std::string before = ReadFile(Path("ada.pem"), 1 << 20).value();
  EXPECT_EQ(Issue({"user", "ada"}, "ada.pem"), kFailed);
  EXPECT_THAT(err(), HasSubstr("--force"));
  EXPECT_EQ(ReadFile(Path("ada.pem"), 1 << 20).value(), before);
  EXPECT_EQ(ListJson()["identities"].size(), 1u);  // nothing was issued in vain
  EXPECT_EQ(Issue({"user", "ada", "--force"}, "ada.pem"), kOk);
  EXPECT_NE(ReadFile(Path("ada.pem"), 1 << 20).value(), before);
  EXPECT_EQ(Issue({"user", "ada"}, "no/such/folder.pem"), kFailed);
}

TEST_F(CaTest, ListShowsWhatHolds) {
  ASSERT_EQ(Call({"ca", "init"}), kOk);
  EXPECT_EQ(Call({"ca", "list"}), kOk);
  EXPECT_THAT(err(), HasSubstr("Begin with: xpool ca issue node"));
  ASSERT_EQ(Issue({"node", "gpu1", "--address", "10.0.0.2,gpu1.lab"}, "1.pem"), kOk);
  ASSERT_EQ(Issue({"user", "ada"}, "2.pem"), kOk);
  ASSERT_EQ(Issue({"user", "ada"}, "3.pem"), kOk);
  ASSERT_EQ(Issue({"user", "eve"}, "4.pem"), kOk);
  ASSERT_EQ(Call({"ca", "revoke", "eve"}), kOk) << err();
  EXPECT_THAT(err(), HasSubstr(Path("xpool/ca/crl.pem")));
  EXPECT_EQ(Call({"ca", "ls", "-o", "name"}), kOk);
  EXPECT_EQ(out(), "gpu1\nada\nada\n");
  EXPECT_EQ(Call({"ca", "ls", "-o", "wide"}), kOk);
  EXPECT_THAT(out(), HasSubstr("gpu1.lab,10.0.0.2"));
  const Json all = ListJson({"--all"});
  EXPECT_EQ(all["authorities"][0]["generation"], 1);
  std::vector<std::string> states;
  for (const Json& identity : all["identities"]) states.push_back(identity["state"]);
  EXPECT_THAT(states, testing::ElementsAre("valid", "replaced", "valid", "revoked"));
  later_ns_ = 200 * kDayNs;
  EXPECT_TRUE(ListJson()["identities"].empty());
}

TEST_F(CaTest, ShowTellsWhatIsWrong) {
  ASSERT_EQ(Call({"ca", "init"}), kOk);
  ASSERT_EQ(Issue({"user", "ada"}, "ada.pem"), kOk);
  later_ns_ = 31 * kDayNs;
  EXPECT_EQ(Call({"ca", "show", Path("ada.pem")}), kFailed);
  EXPECT_THAT(out(), HasSubstr("it has expired: user ada was valid until"));
  EXPECT_EQ(Call({"ca", "show", Path("ada.pem"), "--json"}), kFailed);
  EXPECT_EQ(Json::parse(out())["usable"], false);
  later_ns_ = 0;
  EXPECT_EQ(Call({"ca", "show", Path("ada.pem"), "--json"}), kOk);
  const Json shown = Json::parse(out());
  EXPECT_EQ(shown["role"], "user");
  EXPECT_EQ(shown["problem"], "");
  EXPECT_EQ(shown["revocation_lists"][0]["revoked_count"], 0);
  ASSERT_EQ(chmod(Path("ada.pem").c_str(), 0644), 0);
  EXPECT_EQ(Call({"ca", "show", Path("ada.pem")}), kFailed);
  EXPECT_THAT(err(), HasSubstr("chmod 600 " + Path("ada.pem")));
  EXPECT_EQ(Call({"ca", "show", Path("none.pem")}), kFailed);
}

TEST_F(CaTest, RotationIsGuided) {
  ASSERT_EQ(Call({"ca", "init"}), kOk);
  ASSERT_EQ(Issue({"node", "gpu1", "--address", "10.0.0.2"}, "1.pem"), kOk);
  EXPECT_EQ(Call({"ca", "retire"}), kFailed);
  EXPECT_THAT(err(), HasSubstr("xpool ca rotate"));
  ASSERT_EQ(Call({"ca", "rotate"}), kOk) << err();
  EXPECT_THAT(out(), HasSubstr("  xpool ca issue node gpu1 --address 10.0.0.2\n"));
  EXPECT_EQ(Call({"ca", "list", "--old", "-o", "name"}), kOk);
  EXPECT_EQ(out(), "gpu1\n");
  EXPECT_EQ(Call({"ca", "retire"}), kFailed);
  EXPECT_THAT(err(), HasSubstr("1 identity was not yet issued anew"));
  ASSERT_EQ(Issue({"node", "gpu1", "--address", "10.0.0.2"}, "2.pem"), kOk);
  EXPECT_EQ(Call({"ca", "list"}), kOk);
  EXPECT_THAT(err(), HasSubstr("xpool ca retire"));
  EXPECT_EQ(Call({"ca", "retire", "--json"}), kOk) << err();
  EXPECT_EQ(Json::parse(out())["trusting_retired"][0]["name"], "gpu1");
  EXPECT_EQ(ListJson()["identities"].size(), 1u);
}

TEST_F(CaTest, AuthorityMayBeElsewhere) {
  ASSERT_EQ(Call({"ca", "init", "--ca-dir", Path("elsewhere")}), kOk) << err();
  EXPECT_EQ(Call({"ca", "list"}), kFailed);
  EXPECT_EQ(Call({"ca", "list", "--ca-dir", Path("elsewhere")}), kOk);
}

TEST_F(CaTest, NodesAreAddedAndRemoved) {
  EXPECT_EQ(Call({"node", "add", "gpu1", "10.0.0.2:7070"}), kOk) << err();
  EXPECT_EQ(Call({"node", "add", "gpu2", "gpu2.lab:7070", "--identity", "~/other.pem", "--json"}), kOk);
  EXPECT_EQ(Json::parse(out())["identity"], "~/other.pem");
  EXPECT_EQ(ReadFile(Path("xpool/nodes"), 1000).value(),
            "gpu1\t10.0.0.2:7070\ngpu2\tgpu2.lab:7070\tidentity=~/other.pem\n");
  EXPECT_EQ(Call({"node", "add", "gpu1", "10.0.0.3:7070"}), kFailed);
  EXPECT_THAT(err(), HasSubstr("xpool node remove gpu1"));
  EXPECT_EQ(Call({"node", "add", "gpu3", "10.0.0.3:x"}), kUsage);
  EXPECT_THAT(err(), HasSubstr("HOST:PORT"));
  EXPECT_EQ(Call({"node", "rm", "gpu1"}), kOk);
  EXPECT_EQ(Call({"node", "remove", "gpu1"}), kFailed);
  EXPECT_THAT(err(), HasSubstr("there are gpu2"));
}

TEST_F(CaTest, IdentityOfANodeIsFoundFromEverywhere) {
  EXPECT_EQ(Call({"node", "add", "gpu1", "10.0.0.2:7070", "--identity", "here.pem", "--json"}), kOk);
  EXPECT_EQ(Json::parse(out())["identity"], std::filesystem::absolute("here.pem").string());
}

}  // namespace
}  // namespace xpool::cli
