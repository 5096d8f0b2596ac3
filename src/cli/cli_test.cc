#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/fd.h"
#include "cli/agent_client.h"
#include "cli/json.h"
#include "cli/testing/fake_agent.h"

namespace xpool::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Contents(const std::string& file) {
  std::stringstream contents;
  contents << std::ifstream(file).rdbuf();
  return contents.str();
}

class CliTest : public testing::Test {
 protected:
  CliTest() : paths_{mkdtemp(folder_)} { setenv("XPOOL_DIR", folder_, 1); }
  ~CliTest() override { std::filesystem::remove_all(folder_); }

  void StartAgent() { agent_ = std::make_unique<FakeAgent>(paths_); }

  int Call(std::vector<std::string> arguments) {
    out_.str("");
    err_.str("");
    Context context{.out = out_, .err = err_, .paths = paths_, .unix_now_ns = UnixNowNs};
    const int status = RunCli(std::move(arguments), context);
    program_ = context.program;
    return status;
  }
  std::string out() const { return out_.str(); }
  std::string err() const { return err_.str(); }

  char folder_[32] = "/tmp/xpool-cli-XXXXXX";
  AgentPaths paths_;
  std::unique_ptr<FakeAgent> agent_;
  std::ostringstream out_, err_;
  std::vector<std::string> program_;
};

TEST_F(CliTest, SlicesAreCreatedListedResizedAndDeleted) {
  StartAgent();
  EXPECT_EQ(Call({"slice", "create", "train", "--compute", "30%", "--memory", "512Mi"}), kOk) << err();
  EXPECT_THAT(out(), HasSubstr("slice train created: 30% of xpu0, limit 100%, memory 512Mi"));
  EXPECT_EQ(Call({"slice", "resize", "train", "--limit", "40%", "--priority=low"}), kOk);
  EXPECT_EQ(Call({"slice", "ls"}), kOk);
  EXPECT_THAT(out(), HasSubstr("train  xpu0      30%    40%  0/512Mi  low"));
  EXPECT_EQ(Call({"slice", "list", "-o", "name"}), kOk);
  EXPECT_EQ(out(), "train\n");
  EXPECT_EQ(Call({"slice", "rm", "train"}), kOk);
  EXPECT_TRUE(agent_->slices().empty());
}

TEST_F(CliTest, JsonHasTheApisFieldsAsNumbers) {
  StartAgent();
  ASSERT_EQ(Call({"slice", "create", "a", "-c", "12.5%", "-m", "3Gi", "--json"}), kOk);
  EXPECT_EQ(Json::parse(out())["guarantee_bp"], 1250);
  ASSERT_EQ(Call({"slice", "list", "--json"}), kOk);
  const Json slice = Json::parse(out())["slices"][0];
  EXPECT_EQ(slice["memory_bytes"], uint64_t{3} << 30);
  EXPECT_EQ(slice["priority"], "normal");
  EXPECT_EQ(slice["usage"]["held_ns"], 0);
  ASSERT_EQ(Call({"devices", "--json"}), kOk);
  EXPECT_EQ(Json::parse(out())["xpus"][0]["id"], "xpu0");
}

TEST_F(CliTest, TheAgentsRefusalIsPassedOn) {
  StartAgent();
  EXPECT_EQ(Call({"slice", "get", "ghost"}), kFailed);
  EXPECT_THAT(err(), HasSubstr("there is no slice \"ghost\""));
  EXPECT_EQ(Call({"slice", "create", "a", "--xpu", "xpu7"}), kFailed);
  EXPECT_THAT(err(), HasSubstr("this machine has xpu0"));
}

TEST_F(CliTest, DeleteGoesOnAfterAnUnknownName) {
  StartAgent();
  ASSERT_EQ(Call({"slice", "create", "a"}), kOk);
  EXPECT_EQ(Call({"slice", "delete", "ghost", "a"}), kFailed);
  EXPECT_TRUE(agent_->slices().empty());
}

TEST_F(CliTest, WithoutAnAgentCommandsSayHowToStartOne) {
  for (const char* command : {"ps", "top", "status", "events", "trace"}) {
    EXPECT_EQ(Call({command}), kNoAgent) << command;
    EXPECT_THAT(err(), HasSubstr("xpool agent start")) << command;
  }
}

TEST_F(CliTest, AnAgentThatDoesNotAnswerIsADeadlineNotAHang) {
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address{.sun_family = AF_UNIX};
  strncpy(address.sun_path, paths_.control_socket().c_str(), sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener.get(), 5), 0);
  AgentClient client(paths_, 100 * kNsPerMs);
  const absl::Status status = client.GetStatus().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(paths_.log_file()));
}

TEST_F(CliTest, ASocketPathThatIsTooLongIsExplained) {
  AgentClient client(AgentPaths{"/tmp/" + std::string(120, 'x')});
  EXPECT_EQ(client.GetStatus().status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(CliTest, MistypedCommandsAndOptionsAreCorrected) {
  EXPECT_EQ(Call({"slcie"}), kUsage);
  EXPECT_THAT(err(), HasSubstr("did you mean 'slice'?"));
  EXPECT_EQ(Call({"slice", "craete", "x"}), kUsage);
  EXPECT_THAT(err(), HasSubstr("did you mean 'create'?"));
  EXPECT_EQ(Call({"slice", "create", "x", "--computee", "30%"}), kUsage);
  EXPECT_THAT(err(), HasSubstr("did you mean --compute?"));
  EXPECT_EQ(Call({"run", "--bogus", "--", "true"}), kRunFailed);
  EXPECT_EQ(Call({"top", "-d", "nonsense"}), kUsage);
}

TEST_F(CliTest, RunRefusesBadOptionsBeforeItTouchesAnything) {
  EXPECT_EQ(Call({"run", "--compute", "0%", "--", "true"}), kRunFailed);
  EXPECT_EQ(Call({"run", "--compute", "101", "--", "true"}), kRunFailed);
  EXPECT_EQ(Call({"run", "--memory", "99999999999Ti", "--", "true"}), kRunFailed);
  EXPECT_EQ(Call({"run", "--slice", "a", "--compute", "5%", "--", "true"}), kRunFailed);
  EXPECT_EQ(Call({"run", "--compute", "5%"}), kRunFailed);
  EXPECT_THAT(err(), HasSubstr("no PROGRAM given"));
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(CliTest, TheProgramsWordsAreNeverReadAsOurs) {
  Call({"run", "--compute", "0", "top", "--compute", "x"});
  EXPECT_THAT(program_, ElementsAre("top", "--compute", "x"));
  Call({"run", "-vc", "0", "ps", "--", "y"});
  EXPECT_THAT(program_, ElementsAre("ps", "--", "y"));
  Call({"run", "-c0", "--memory=5", "--", "--help"});
  EXPECT_THAT(program_, ElementsAre("--help"));
}

TEST_F(CliTest, EveryCommandHasAPageOfHelp) {
  for (const char* line :
       {"run",           "slice create", "slice list", "slice get",   "slice resize", "slice delete",
        "devices",       "ps",           "top",        "events",      "trace",        "status",
        "agent start",   "agent stop",   "node add",   "node remove", "ca init",      "ca issue node",
        "ca issue user", "ca list",      "ca show",    "ca revoke",   "ca rotate",    "ca retire",
        "sim",           "sim generate", "sim replay", "completion",  "version"}) {
    std::vector<std::string> words = {"help"};
    std::istringstream text(line);
    for (std::string word; text >> word;) words.push_back(word);
    EXPECT_EQ(Call(words), kOk) << line;
    for (const char* section : {"NAME\n", "SYNOPSIS\n", "OPTIONS\n", "EXIT STATUS\n"}) {
      EXPECT_THAT(out(), HasSubstr(section)) << line;
    }
    EXPECT_THAT(out(), HasSubstr(std::string("xpool ") + line + " - "));
  }
}

TEST_F(CliTest, EventsShowTheLastOnes) {
  StartAgent();
  std::vector<v1::Event> events(3);
  for (size_t i = 0; i < events.size(); ++i) {
    events[i].set_kind("slice-created");
    events[i].set_message("number " + std::to_string(i) + "\033[2J");
  }
  agent_->SetEvents(events);
  EXPECT_EQ(Call({"events", "--last", "2"}), kOk);
  EXPECT_THAT(out(), Not(HasSubstr("number 0")));
  EXPECT_THAT(out(), HasSubstr("number 2"));
  EXPECT_THAT(out(), Not(HasSubstr("\033")));
  EXPECT_EQ(Call({"events", "--json"}), kOk);
  EXPECT_EQ(Json::parse(out())["events"].size(), 3u);
}

TEST_F(CliTest, PsSurvivesNamesThatAreNotUtf8) {
  StartAgent();
  v1::Session session;
  session.set_pid(42);
  session.set_program("evil\n\x1b[31m");
  agent_->SetSessions({session});
  EXPECT_EQ(Call({"ps"}), kOk);
  EXPECT_THAT(out(), HasSubstr("42  evil??[31m"));
  EXPECT_EQ(Call({"ps", "--json"}), kOk);
  EXPECT_EQ(Json::parse(out())["sessions"][0]["pid"], 42);
}

TEST_F(CliTest, PsShowsRemoteClientsWhereThereAreSome) {
  StartAgent();
  v1::Session local, served;
  local.set_pid(41);
  agent_->SetSessions({local});
  EXPECT_EQ(Call({"ps"}), kOk);
  EXPECT_THAT(out(), Not(HasSubstr("CLIENT")));
  served.set_pid(42);
  served.mutable_remote()->set_who("ada of 10.0.0.9");
  served.mutable_remote()->set_round_trip_ns(52'000);
  served.mutable_remote()->set_received_bytes(4096);
  served.mutable_remote()->set_connections(2);
  agent_->SetSessions({local, served});
  EXPECT_EQ(Call({"ps"}), kOk);
  EXPECT_THAT(out(), HasSubstr("RECONNECTS"));
  EXPECT_THAT(out(), HasSubstr("ada of 10.0.0.9  52.0 us  4Ki"));
}

TEST_F(CliTest, TopPrintsOneReadingAndLeaves) {
  StartAgent();
  ASSERT_EQ(Call({"slice", "create", "a", "-c", "30%"}), kOk);
  EXPECT_EQ(Call({"top", "-n", "1", "-d", "0.05"}), kOk);
  EXPECT_THAT(out(), HasSubstr("SLICE  XPU   ASKED"));
  EXPECT_EQ(Call({"top", "-n", "2", "-d", "0.05", "--json"}), kOk);
  std::istringstream lines(out());
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_EQ(Json::parse(line)["slices"][0]["name"], "a");
  EXPECT_EQ(count, 2);
}

TEST_F(CliTest, TraceDrawsWhatTheAgentRecorded) {
  StartAgent();
  ASSERT_EQ(Call({"slice", "create", "a", "-c", "30%"}), kOk);
  std::vector<v1::LeaseRecord> records(2);
  for (v1::LeaseRecord& record : records) {
    record.set_xpu_id("xpu0");
    record.set_slice_id(agent_->slices()[0].id());
  }
  records[0].set_what("grant");
  records[1].set_what("return");
  agent_->SetRecords(records);
  const std::string picture = std::string(folder_) + "/lease.svg";
  EXPECT_EQ(Call({"trace", "--seconds", "0.1", "-o", picture, "--json"}), kOk) << err();
  EXPECT_EQ(Json::parse(out())["xpus"][0]["slices"][0]["leases"], 1);
  EXPECT_THAT(Contents(picture), HasSubstr("</svg>"));
  EXPECT_EQ(Call({"trace", "--seconds", "0.1", "-o", "/nowhere/x.svg"}), kFailed);
  EXPECT_EQ(Call({"trace", "--seconds", "61"}), kUsage);
}

TEST_F(CliTest, SimulationComparesPoliciesAndNamesWhatIsWrong) {
  const std::string folder = folder_, nodes = folder + "/nodes.csv", pods = folder + "/pods.csv";
  std::ofstream(nodes) << "sn,cpu_milli,memory_mib,gpu,model\na,8000,100,2,T4\nb,8000,100,2,T4\n";
  std::ofstream(pods) << "name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1000,1,1,500\nq,1000,1,1,500\n";
  const std::vector<std::string> files = {"sim", "--nodes", nodes, "--pods", pods, "--seeds", "3-4"};
  const auto with = [&files](std::vector<std::string> more) {
    more.insert(more.begin(), files.begin(), files.end());
    return more;
  };
  const std::string curves = folder + "/curves.json";
  EXPECT_EQ(Call(with({"--policy", "fgd,xpool", "--json", curves})), kOk) << err();
  EXPECT_THAT(out(), HasSubstr("fgd        2"));
  EXPECT_THAT(out(), HasSubstr("xpool      2"));
  EXPECT_THAT(out(), Not(HasSubstr("nan")));  // no pod brings such a small cluster to 95 %
  EXPECT_EQ(Json::parse(Contents(curves))["policies"]["xpool"][1]["placed"], 8);  // all cards
  EXPECT_EQ(Call(with({"--policy", "best"})), kUsage);
  EXPECT_THAT(err(), HasSubstr("there is no policy \"best\"; there are bestfit"));
  EXPECT_EQ(Call(with({"--events", "/nowhere"})), kFailed);
  EXPECT_EQ(Call({"sim", "--nodes", nodes, "--pods", nodes}), kUsage);
  EXPECT_THAT(err(), HasSubstr("nodes.csv line 1: column 1 must be \"name\""));
  EXPECT_EQ(Call({"sim", "--nodes", nodes, "--pods", pods, "--seeds", "9-1"}), kUsage);
  EXPECT_THAT(err(), HasSubstr("neither a seed nor a range"));
  EXPECT_EQ(Call({"sim", "--nodes", nodes}), kUsage);
}

TEST_F(CliTest, MadeUpClusterIsSimulatedLoggedAndReplayed) {
  const std::string folder = folder_, nodes = folder + "/made/nodes.csv", pods = folder + "/made/pods.csv",
                    log = folder + "/log", page = folder + "/page.html", table = folder + "/table.csv";
  EXPECT_EQ(Call({"sim", "generate", "openb-like", "--cards", "100", "--pods", "500", "--to", folder + "/made"}), kOk)
      << err();
  EXPECT_THAT(out(), HasSubstr("(500 pods)"));
  EXPECT_EQ(Call({"sim", "generate", "small", "--to", folder}), kUsage);
  EXPECT_THAT(err(), HasSubstr("there are mixed, openb-like, superpod"));

  EXPECT_EQ(Call({"sim", "--nodes", nodes, "--pods", pods, "--seeds", "1-2", "--html", page, "--csv", table}), kOk)
      << err();
  EXPECT_THAT(out(), HasSubstr("At 100% asked for nobody can leave less than"));
  const std::string html = Contents(page);
  EXPECT_THAT(html, HasSubstr("<title>xpool</title></polyline>"));
  EXPECT_THAT(html, Not(HasSubstr("http")));  // it needs nothing else
  EXPECT_THAT(Contents(table), HasSubstr("policy,seed,asked_pct,allocated_pct\nxpool,1,"));

  // A run does not depend on those before it.
  const std::string both = folder + "/both.json", second = folder + "/second.json";
  EXPECT_EQ(Call({"sim", "--nodes", nodes, "--pods", pods, "--seeds", "1-2", "--policy", "xpool", "--json", both}),
            kOk);
  EXPECT_EQ(Call({"sim", "--nodes", nodes, "--pods", pods, "--seeds", "2", "--policy", "xpool", "--json", second}),
            kOk);
  const char* const curve = "allocated_pct_by_arrived_pct";
  EXPECT_EQ(Json::parse(Contents(both))["policies"]["xpool"][1][curve],
            Json::parse(Contents(second))["policies"]["xpool"][0][curve]);

  EXPECT_EQ(Call({"sim", "--nodes", nodes, "--pods", pods, "--steady", "--runtimes", "1", "--seeds", "1", "--policy",
                  "xpool", "--log", log}),
            kOk)
      << err();
  EXPECT_THAT(out(), HasSubstr("MEAN WAIT"));
  EXPECT_EQ(Call({"sim", "replay", log}), kOk) << out();
  EXPECT_THAT(out(), HasSubstr(", 0 different"));
  EXPECT_EQ(Call({"sim", "replay", log, "--policy", "spread"}), kFailed);
  EXPECT_THAT(out(), HasSubstr("the first: recorded"));
  EXPECT_EQ(Call({"sim", "replay", pods}), kUsage);
  EXPECT_THAT(err(), HasSubstr("line 1: it is no JSON"));
  EXPECT_EQ(Call({"sim", "--nodes", nodes, "--pods", pods, "--log", log}), kUsage);
}

TEST_F(CliTest, CompletionKnowsEveryCommand) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_EQ(Call({"completion", shell}), kOk);
    for (const char* word : {"resize", "devices", "trace", "memory"}) EXPECT_THAT(out(), HasSubstr(word)) << shell;
  }
  EXPECT_EQ(Call({"completion", "csh"}), kUsage);
}

}  // namespace
}  // namespace xpool::cli
