// `xpool status` and `xpool agent start|stop|status`.

#include "CLI/CLI.hpp"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/json.h"

namespace xpool::cli {
namespace {

int PrintStatus(Context& context) {
  const absl::StatusOr<v1::Status> status = AgentClient(context.paths).GetStatus();
  if (!status.ok()) return Fail(context, status.status());
  if (context.format == Format::kJson) {
    Json json = ToJson(*status);
    json["directory"] = context.paths.directory;
    context.out << Print(json);
    return kOk;
  }
  context.out << "agent      " << (status->recovering() ? "recovering" : "running") << ", version "
              << Printable(status->version()) << ", process " << status->pid() << ", up "
              << FormatAge(context.UnixSeconds() - status->started_unix_s()) << "\n"
              << "directory  " << context.paths.directory << "\n"
              << "log        " << context.paths.log_file() << "\n"
              << "metrics    "
              << (status->metrics_address().empty() ? "off" : "http://" + status->metrics_address() + "/metrics")
              << "\n"
              << "quantum    " << FormatDuration(static_cast<int64_t>(status->quantum_ns())) << "\n";
  return kOk;
}

int Start(Context& context) {
  LaunchOptions launch = context.Launching();
  launch.arguments.clear();  // One that was asked for stays.
  const absl::StatusOr<v1::Status> before = AgentClient(context.paths).GetStatus();
  const absl::StatusOr<v1::Status> status = EnsureAgent(launch);
  if (!status.ok()) return Fail(context, status.status());
  context.err << "agent " << (before.ok() ? "already runs" : "started") << ": process " << status->pid() << ", "
              << context.paths.directory << "\n";
  return kOk;
}

int Stop(Context& context, bool force) {
  if (!force) {
    const absl::StatusOr<v1::ListSessionsResponse> sessions = AgentClient(context.paths).ListSessions();
    if (sessions.ok() && sessions->sessions_size() > 0) {
      return Fail(context, absl::FailedPreconditionError(absl::StrCat(
                               sessions->sessions_size(),
                               " processes use slices and would wait for leases without an agent: end them first "
                               "('xpool ps'), or stop it all the same with --force")));
    }
  }
  const absl::Status status = StopAgent(context.paths, *context.clock);
  if (absl::IsNotFound(status)) {
    context.err << status.message() << "\n";
    return kOk;
  }
  if (!status.ok()) return Fail(context, status);
  context.err << "agent stopped\n";
  return kOk;
}

}  // namespace

void AddAgent(Commands& commands) {
  CLI::App& status = commands.Add(commands.root, "status", "show whether the agent runs, and where",
                                  {.synopsis = "xpool status [--json]", .see_also = "xpool help agent"});
  commands.AddFormats(status);
  commands.OnCall(status, [&context = commands.context] { return PrintStatus(context); });

  CLI::App& group = commands.Add(
      commands.root, "agent", "start and stop the agent",
      {.synopsis = "xpool agent start|stop|status",
       .description = "The agent, xpoold, owns the slices and gives the leases. 'xpool run' starts one on\n"
                      "demand; a machine that always wants one runs it as a systemd service. Its sockets\n"
                      "and state are in $XPOOL_DIR, else /run/xpool for root, else\n"
                      "$XDG_RUNTIME_DIR/xpool, else /tmp/xpool-UID."});
  group.require_subcommand(1);
  CLI::App& start =
      commands.Add(group, "start", "start an agent that stays",
                   {.synopsis = "xpool agent start",
                    .description = "Starts xpoold in the background and waits until it answers. Does nothing when one\n"
                                   "runs already."});
  commands.OnCall(start, [&context = commands.context] { return Start(context); });

  auto force = std::make_shared<bool>(false);
  CLI::App& stop = commands.Add(group, "stop", "stop the agent",
                                {.synopsis = "xpool agent stop [--force]",
                                 .description = "Slices made by 'xpool slice create' are kept for the next agent."});
  stop.add_flag("-f,--force", *force, "Also while programs use slices; they wait until there is an agent again.");
  commands.OnCall(stop, [&context = commands.context, force] { return Stop(context, *force); });

  CLI::App& agent_status =
      commands.Add(group, "status", "the same as 'xpool status'", {.synopsis = "xpool agent status [--json]"});
  commands.AddFormats(agent_status);
  commands.OnCall(agent_status, [&context = commands.context] { return PrintStatus(context); });
}

}  // namespace xpool::cli
