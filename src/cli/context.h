// What every command of `xpool` gets: where to print, which agent, how to answer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/clock.h"
#include "base/paths.h"
#include "cli/agent_launcher.h"

namespace CLI {
class App;
}

namespace xpool::cli {

// Exit statuses of every command but `run`, whose status is its program's.
enum ExitStatus { kOk = 0, kFailed = 1, kUsage = 2, kNoAgent = 3 };
inline constexpr int kRunFailed = 125;  // of `run`, when xpool itself failed, as docker has it

enum class Format { kTable, kWide, kJson, kName };

struct Context {
  std::ostream& out;
  std::ostream& err;
  bool out_is_terminal = false;
  AgentPaths paths;
  UserPaths user = OwnUserPaths();
  const Clock* clock = Clock::Monotonic();
  std::function<int64_t()> unix_now_ns;
  std::vector<std::string> program;  // what followed "--" (or the first word that is no option) of `xpool run`

  Format format = Format::kTable;  // set by --json and -o

  int64_t UnixSeconds() const { return unix_now_ns() / kNsPerSec; }
  LaunchOptions Launching() const;
};

// Sets what the chosen command does; run after parsing.
using Action = std::function<int()>;

// What `--help` says besides the options.
struct HelpText {
  std::string synopsis;     // lines
  std::string description;  // paragraphs; lines are printed as they are
  std::string examples;
  std::string exit_status;  // empty: the common ones
  std::string see_also;
};

// The exit status of a command that asks no agent.
inline constexpr char kStatusWithoutAgent[] =
    "0  success\n1  refused or failed; the message on stderr says why\n2  wrong usage";

// Commands under construction: parsing sets |action| to that of the command asked for.
class Commands {
 public:
  Commands(CLI::App& root, Context& context) : root(root), context(context) {}

  // A command |name| below |parent| that does |action|. With |formats| it takes --json and -o.
  CLI::App& Add(CLI::App& parent, const std::string& name, const std::string& summary, HelpText help);
  void OnCall(CLI::App& command, Action do_it);
  void AddFormats(CLI::App& command);
  void AddJson(CLI::App& command);  // --json alone, where -o is something else or one thing is printed

  CLI::App& root;
  Context& context;
  Action action;
};

void AddRun(Commands& commands);
void AddSlice(Commands& commands);
void AddLists(Commands& commands);  // devices, ps, events
void AddTop(Commands& commands);
void AddAgent(Commands& commands);  // agent start|stop|status, status
void AddTrace(Commands& commands);
void AddCa(Commands& commands);    // ca init|issue|list|revoke|rotate|retire|show
void AddNode(Commands& commands);  // node add|remove
void AddNodes(Commands& commands);
void AddSim(Commands& commands);
void AddCompletion(Commands& commands);
void AddVersion(Commands& commands);

// Prints "xpool: MESSAGE" on stderr and returns the exit status that fits |status|.
int Fail(Context& context, const absl::Status& status);

}  // namespace xpool::cli
