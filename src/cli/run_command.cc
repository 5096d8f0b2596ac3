// `xpool run`: a program in a slice of its own. The program is our child in our process group; it finds xpool's OpenCL
// library through the loader's environment variables. The slice belongs to this process and ends with it.

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <sstream>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "backend/remote/slice_file.h"
#include "base/bytes.h"
#include "base/share.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/agent_launcher.h"
#include "cli/borrowed_slices.h"
#include "cli/context.h"
#include "cli/icd.h"
#include "cli/lender.h"
#include "cli/slice_list.h"
#include "cli/slice_options.h"
#include "cli/spawn.h"
#include "cli/supervise.h"

namespace xpool::cli {
namespace {

constexpr int64_t kCleanUpDeadlineNs = 2 * kNsPerSec;
constexpr int kLaunchAttempts = 3;

struct RunOptions {
  SliceOptions slice;
  std::string use_slice, name;
  std::vector<std::string> variables;
  std::vector<std::string> on;
  int count = 1;
  bool plain = false, isolated = false;
  bool verbose = false;
};

const char kSynopsis[] = "xpool run [OPTIONS] [--] PROGRAM [ARGUMENT...]";

const char kDescription[] =
    "Runs PROGRAM, unmodified, in a slice of an XPU. The program sees one OpenCL\n"
    "platform whose device is the slice: its memory size is --memory, and it gets the\n"
    "XPU's time as --compute and --limit say.\n"
    "\n"
    "--compute P% alone is an elastic slice: at least P% when others want the XPU,\n"
    "up to 100% when they do not. --limit equal to --compute makes it strict. Without\n"
    "--compute the program gets what the others leave (best effort).\n"
    "\n"
    "--on NODE borrows the slice of another machine instead: a node that 'xpool node add'\n"
    "has named, or HOST[:PORT]. Several nodes are tried in turn; with --count N the\n"
    "program sees N slices as N devices, one of each node before a second of any. The\n"
    "slices are returned when the program ends. --isolated has a worker process of its\n"
    "own call the driver for a slice of this machine, so that the program never touches\n"
    "the driver, nor a crash of its kernels anybody else.\n"
    "\n"
    "A machine without an agent gets one on demand; it ends by itself when it has had\n"
    "nothing to do for a minute. All runs of a user share one agent. The slice lives as\n"
    "long as the program; use 'xpool slice create' and --slice for one that stays.\n"
    "\n"
    "Input, output, terminal and signals are the program's own.";

const char kExamples[] =
    "xpool run --compute 30% --memory 512Mi -- python3 train.py\n"
    "    At least 30% of an XPU and at most 512 MiB of its memory.\n"
    "xpool run -c 25% -l 25% -- ./solver\n"
    "    Exactly a quarter, also when the XPU is otherwise idle.\n"
    "xpool run --slice serving -- ./server\n"
    "    In the slice made by 'xpool slice create serving ...'.\n"
    "xpool run --on gpu1 --compute 50% --memory 1Gi -- python3 train.py\n"
    "    Half of an XPU of the node gpu1.\n"
    "xpool run --on gpu1,gpu2 --count 2 -- clinfo\n"
    "    Two devices, one of each.\n"
    "xpool run -- clinfo\n"
    "    What a program in a slice sees.";

const char kExitStatus[] =
    "The program's own; 128 + N when signal N ended it.\n"
    "125  xpool itself failed: no agent, no such slice, no room; stderr says which\n"
    "126  PROGRAM was found but cannot be executed\n"
    "127  PROGRAM was not found";

class Run {
 public:
  Run(Context& context, const RunOptions& options) : context_(context), options_(options) {}

  int Do() {
    if (const absl::Status status = Check(); !status.ok()) return FailRun(status);
    mask_ = BlockSupervisedSignals();
    if (const absl::Status status = Prepare(); !status.ok()) {
      CleanUp();
      if (absl::IsCancelled(status)) pthread_sigmask(SIG_SETMASK, &mask_, nullptr);  // The pending signal ends us here.
      return FailRun(status);
    }
    return RunProgram();
  }

 private:
  int FailRun(const absl::Status& status) {
    Fail(context_, status);
    return kRunFailed;
  }

  absl::Status Check() {
    if (context_.program.empty()) {
      return absl::InvalidArgumentError(
          "run: no PROGRAM given; write it after '--': xpool run --compute 30% -- PROGRAM");
    }
    for (const std::string& variable : options_.variables) {
      if (variable.empty() || variable[0] == '=') {
        return absl::InvalidArgumentError(absl::StrCat("--env: \"", variable, "\" is not NAME=VALUE"));
      }
    }
    const SliceOptions& slice = options_.slice;
    if (!options_.use_slice.empty() && (!slice.compute.empty() || !slice.limit.empty() || !slice.memory.empty() ||
                                        !slice.priority.empty() || !slice.xpu.empty() || !options_.name.empty())) {
      return absl::InvalidArgumentError(
          absl::StrCat("--slice uses slice ", options_.use_slice,
                       " as it is: leave the other options out, or change it with 'xpool slice resize'"));
    }
    RETURN_IF_ERROR(CheckWhere());
    ASSIGN_OR_RETURN(spec_, ToSpec(slice));
    spec_.set_name(options_.name);
    if (options_.on.empty()) spec_.set_owner_pid(getpid());
    ASSIGN_OR_RETURN(shim_, FindShim(ExecutableDirectory()));
    return absl::OkStatus();
  }

  // The options that say on which machine.
  absl::Status CheckWhere() {
    if (options_.on.empty()) {
      if (options_.count == 1 && !options_.plain) return absl::OkStatus();
      return absl::InvalidArgumentError("--count and --plain are about slices of other machines: name those with --on");
    }
    if (options_.isolated)
      return absl::InvalidArgumentError(
          "--isolated is for a slice of this machine; with --on a worker serves it anyway");
    if (!options_.use_slice.empty())
      return absl::InvalidArgumentError(
          "--slice names a slice of this machine; with --on a slice is borrowed for this run");
    if (!options_.name.empty() && options_.count > 1)
      return absl::InvalidArgumentError("--name is for one slice; leave it out, or ask for one");
    for (const std::string& node : options_.on) {
      ASSIGN_OR_RETURN(nodes_.emplace_back(), FindNode(context_, node, options_.plain));
    }
    return absl::OkStatus();
  }

  // Slices and environment.
  absl::Status Prepare() {
    RETURN_IF_ERROR(options_.on.empty() ? TakeLocal() : BorrowSlices());
    ASSIGN_OR_RETURN(const std::string icd_folder, MakeIcdFolder(context_.paths, shim_));
    environment_ = CurrentEnvironment();
    for (const std::string& variable : options_.variables) {
      const size_t equals = variable.find('=');
      if (equals == std::string::npos) continue;  // docker's "-e NAME": as it is here.
      SetVariable(environment_, variable.substr(0, equals), variable.substr(equals + 1));
    }
    UseOnlyIcdFolder(environment_, icd_folder);
    TuneDriverForLeases(environment_);
    return options_.on.empty() && !options_.isolated ? PointAtSlice() : PointAtList();
  }

  absl::Status PointAtSlice() {
    UnsetVariable(environment_, remote::kSliceFileVariable);
    SetVariable(environment_, "XPOOL_SLICE", slice_.id());
    SetVariable(environment_, "XPOOL_DIR", context_.paths.directory);
    return absl::OkStatus();
  }

  // The program finds its slices behind workers, named in a file.
  absl::Status PointAtList() {
    UnsetVariable(environment_, "XPOOL_SLICE");
    if (options_.isolated) {
      ASSIGN_OR_RETURN(SliceList list, SliceList::Create());
      list_.emplace(std::move(list));
      RETURN_IF_ERROR(list_->Write({{.address = absl::StrCat("ring:", context_.paths.attach_socket()),
                                     .node = "this machine",
                                     .slice = slice_.id()}}));
    }
    SetVariable(environment_, remote::kSliceFileVariable, options_.isolated ? list_->path() : borrowed_->file());
    return absl::OkStatus();
  }

  absl::Status BorrowSlices() {
    ASSIGN_OR_RETURN(borrowed_, BorrowedSlices::Borrow({.nodes = nodes_,
                                                        .count = options_.count,
                                                        .spec = spec_,
                                                        .program = context_.program.front(),
                                                        .cancelled = TerminationPending},
                                                       context_.err, context_.clock));
    if (!options_.verbose) return absl::OkStatus();
    for (const BorrowedSlices::Held& held : borrowed_->held()) SayWhich(held.loan.slice(), held.node.name);
    return absl::OkStatus();
  }

  // Agent and slice.
  absl::Status TakeLocal() {
    launch_ = context_.Launching();
    launch_.cancelled = TerminationPending;
    absl::Status status;
    // An idle agent may end between its answer and our request: then it is started again.
    for (int attempt = 0; attempt < kLaunchAttempts; ++attempt) {
      ASSIGN_OR_RETURN(agent_status_, EnsureAgent(launch_));
      status = TakeSlice();
      if (!absl::IsUnavailable(status)) break;
    }
    return status;
  }

  absl::Status TakeSlice() {
    AgentClient client(context_.paths);
    if (options_.use_slice.empty()) {
      ASSIGN_OR_RETURN(slice_, client.CreateSlice(spec_));
    } else {
      ASSIGN_OR_RETURN(slice_, client.GetSlice(options_.use_slice));
    }
    if (options_.verbose) SayWhich(slice_, "");
    return absl::OkStatus();
  }

  void SayWhich(const v1::Slice& slice, const std::string& node) {
    const std::string guarantee =
        slice.guarantee_bp() == 0 ? "best effort" : Share::FromBasisPoints(slice.guarantee_bp()).ToString();
    context_.err << absl::StreamFormat(
        "xpool: slice %s on %s%s: compute %s, limit %s, memory %s\n", slice.name(), slice.xpu_id(),
        node.empty() ? "" : absl::StrCat(" of ", node), guarantee,
        Share::FromBasisPoints(slice.limit_bp() == 0 ? 10'000 : slice.limit_bp()).ToString(),
        FormatBytes(slice.memory_bytes()));
  }

  int RunProgram() {
    context_.out.flush();
    SpawnFailure failure;
    const pid_t child = SpawnProgram(context_.program, environment_, mask_, failure);
    if (child == 0) {
      CleanUp();
      return CannotExecute(failure.error);
    }
    const absl::StatusOr<int> status = SuperviseAndKeep(child);
    CleanUp();
    if (!status.ok()) return FailRun(status.status());
    DieLike(*status);
    return ExitCode(*status);
  }

  absl::StatusOr<int> SuperviseAndKeep(pid_t child) {
    if (borrowed_ != nullptr) {
      borrowed_->KeepRenewing();
      return Supervise(child);
    }
    launch_.cancelled = [] { return false; };
    const AgentKeeper keeper(launch_, agent_status_);
    return Supervise(child);
  }

  int CannotExecute(int error) {
    const std::string& program = context_.program[0];
    const bool missing =
        error == ENOENT && (program.find('/') == std::string::npos || access(program.c_str(), F_OK) != 0);
    context_.err << "xpool: cannot run '" << program << "': ";
    if (missing) {
      context_.err << (program.find('/') == std::string::npos ? "not found in PATH\n" : "no such file\n");
      return 127;
    }
    // The file is there, but not the interpreter that its first line names.
    if (error == ENOENT)
      context_.err << "its interpreter was not found\n";
    else
      context_.err << strerror(error) << "\n";
    return error == ENOENT ? 127 : 126;
  }

  // A slice of our own ends now rather than when the agent notices our death.
  void CleanUp() {
    borrowed_.reset();
    list_.reset();
    if (options_.use_slice.empty() && !slice_.id().empty()) {
      AgentClient(context_.paths, kCleanUpDeadlineNs).DeleteSlice(slice_.id(), /*force=*/true).IgnoreError();
    }
  }

  Context& context_;
  const RunOptions& options_;
  v1::SliceSpec spec_;
  std::string shim_;
  sigset_t mask_;
  LaunchOptions launch_;
  v1::Status agent_status_;
  v1::Slice slice_;
  std::vector<NodeAddress> nodes_;
  std::unique_ptr<BorrowedSlices> borrowed_;
  std::optional<SliceList> list_;
  Environment environment_;
};

}  // namespace

void AddRun(Commands& commands) {
  auto options = std::make_shared<RunOptions>();
  CLI::App& run = commands.Add(commands.root, "run", "run a program in a slice of an XPU",
                               {.synopsis = kSynopsis,
                                .description = kDescription,
                                .examples = kExamples,
                                .exit_status = kExitStatus,
                                .see_also = "xpool help slice create, xpool help top, xpool help trace"});
  AddSliceOptions(run, options->slice, /*choose_xpu=*/true);
  run.add_option("-s,--slice", options->use_slice,
                 "Use this existing slice (name or ID) instead of one for this run only.")
      ->type_name("NAME");
  run.add_option("-n,--name", options->name, "Name of the slice made for this run; default: made up by the agent.")
      ->type_name("NAME");
  run.add_option("--on", options->on,
                 "Borrow the slice of another machine: nodes by name, or HOST[:PORT], separated by commas.")
      ->type_name("NODE[,NODE...]")
      ->delimiter(',');
  run.add_option("--count", options->count, "With --on: how many slices; each is a device. Default 1.")
      ->type_name("N")
      ->check(CLI::Range(1, static_cast<int>(remote::kMostSlices)));
  run.add_flag("--plain", options->plain,
               "With --on: without encryption, and without knowing who is there. For loopback and closed networks; the "
               "node's agent must listen with --listen-plain.");
  run.add_flag("--isolated", options->isolated, "Have a worker process call the driver instead of the program.");
  run.add_option("-e,--env", options->variables, "Set a variable in the program's environment. Repeatable.")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  run.add_flag("-v,--verbose", options->verbose, "Print on stderr which slice was given.");
  commands.OnCall(run, [&context = commands.context, options] { return Run(context, *options).Do(); });
}

}  // namespace xpool::cli
