// `xpool devices`, `xpool ps`, `xpool events`.

#include <algorithm>

#include "CLI/CLI.hpp"
#include "base/bytes.h"
#include "base/share.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/table.h"

namespace xpool::cli {
namespace {

using Align = Table::Align;

int Devices(Context& context) {
  const absl::StatusOr<v1::Status> agent = EnsureAgent(context.Launching());
  if (!agent.ok()) return Fail(context, agent.status());
  const absl::StatusOr<v1::ListXpusResponse> response = AgentClient(context.paths).ListXpus();
  if (!response.ok()) return Fail(context, response.status());
  if (context.format == Format::kJson) {
    context.out << Print(ToJson(*response));
    return kOk;
  }
  if (context.format == Format::kName) {
    for (const v1::Xpu& xpu : response->xpus()) context.out << xpu.id() << "\n";
    return kOk;
  }
  if (response->xpus().empty()) {
    context.err << "No XPU was found: no OpenCL driver is installed, or its probe failed; see "
                << context.paths.log_file()
                << " and 'xpool events'. A CPU can serve as one: install pocl-opencl-icd.\n";
    return kOk;
  }
  const bool wide = context.format == Format::kWide;
  std::vector<Table::Column> columns = {{"ID"},
                                        {"TYPE"},
                                        {"NAME"},
                                        {"MEMORY", Align::kRight},
                                        {"RESERVED", Align::kRight},
                                        {"GUARANTEED", Align::kRight},
                                        {"SLICES", Align::kRight}};
  if (wide)
    columns.insert(columns.end(), {{"UNITS", Align::kRight}, {"VENDOR"}, {"PLATFORM"}, {"DRIVER"}, {"LIBRARY"}});
  Table table(columns);
  for (const v1::Xpu& xpu : response->xpus()) {
    std::vector<std::string> cells = {xpu.id(),
                                      xpu.type(),
                                      xpu.name(),
                                      FormatBytes(xpu.memory_bytes()),
                                      FormatBytes(xpu.reserved_bytes()),
                                      Share::FromBasisPoints(xpu.guaranteed_bp()).ToString(),
                                      absl::StrCat(xpu.slice_count())};
    if (wide) {
      cells.insert(cells.end(), {absl::StrCat(xpu.compute_units()), xpu.vendor(), xpu.platform_name(),
                                 xpu.driver_version(), xpu.driver_library()});
    }
    table.Add(std::move(cells));
  }
  context.out << table.ToString();
  return kOk;
}

// What is shown of remote clients; nothing for a local process.
std::vector<std::string> RemoteCells(const v1::Session& session) {
  if (!session.has_remote()) return {"-", "", "", "", "", ""};
  const v1::RemoteClient& remote = session.remote();
  return {remote.who(),
          FormatRoundTrip(remote.round_trip_ns()),
          FormatBytes(remote.received_bytes()),
          FormatBytes(remote.sent_bytes()),
          FormatCount(static_cast<double>(remote.calls())),
          FormatReconnects(remote.connections())};
}

int Ps(Context& context) {
  const absl::StatusOr<v1::ListSessionsResponse> response = AgentClient(context.paths).ListSessions();
  if (!response.ok()) return Fail(context, response.status());
  if (context.format == Format::kJson) {
    context.out << Print(ToJson(*response));
    return kOk;
  }
  const bool wide = context.format == Format::kWide;
  std::vector<Table::Column> columns = {{"PID", Align::kRight},
                                        {"PROGRAM"},
                                        {"SLICE"},
                                        {"XPU"},
                                        {"STATE"},
                                        {"LEASE"},
                                        {"MEMORY", Align::kRight},
                                        {"COMMANDS", Align::kRight},
                                        {"AGE", Align::kRight}};
  const bool remote = std::any_of(response->sessions().begin(), response->sessions().end(),
                                  [](const v1::Session& session) { return session.has_remote(); });
  if (remote) {
    columns.insert(columns.end(), {{"CLIENT"},
                                   {"RTT", Align::kRight},
                                   {"IN", Align::kRight},
                                   {"OUT", Align::kRight},
                                   {"CALLS", Align::kRight},
                                   {"RECONNECTS", Align::kRight}});
  }
  if (wide) columns.insert(columns.end(), {{"SESSION", Align::kRight}, {"UID", Align::kRight}, {"API"}, {"SLICE ID"}});
  Table table(columns);
  for (const v1::Session& session : response->sessions()) {
    if (context.format == Format::kName) context.out << session.pid() << "\n";
    std::vector<std::string> cells = {absl::StrCat(session.pid()),
                                      session.program(),
                                      session.slice_name(),
                                      session.xpu_id(),
                                      session.state(),
                                      session.lease(),
                                      FormatBytes(session.memory_used_bytes()),
                                      FormatCount(static_cast<double>(session.commands())),
                                      FormatAge(context.UnixSeconds() - session.attached_unix_s())};
    const std::vector<std::string> remote_cells = RemoteCells(session);
    if (remote) cells.insert(cells.end(), remote_cells.begin(), remote_cells.end());
    if (wide) {
      cells.insert(cells.end(),
                   {absl::StrCat(session.id()), absl::StrCat(session.uid()), session.api(), session.slice_id()});
    }
    table.Add(std::move(cells));
  }
  if (response->sessions().empty()) {
    context.err << "No process is attached to a slice. Start one: xpool run --compute 30% -- PROGRAM\n";
  } else if (context.format != Format::kName) {
    context.out << table.ToString();
  }
  return kOk;
}

int Events(Context& context, uint32_t last, bool follow) {
  Json all = Json::array();
  const bool json = context.format == Format::kJson;
  const absl::Status status = AgentClient(context.paths).ListEvents(last, follow, [&](const v1::Event& event) {
    if (json && !follow) {
      all.push_back(ToJson(event));
    } else if (json) {
      context.out << PrintLine(ToJson(event));
    } else {
      std::string where = event.slice_id().empty() ? event.xpu_id() : event.slice_id();
      if (where.empty()) where = "-";
      context.out << absl::StrCat(FormatTime(event.unix_ns()), "  ", Printable(event.kind()),
                                  std::string(event.kind().size() < 18 ? 18 - event.kind().size() : 0, ' '), "  ",
                                  Printable(where), std::string(where.size() < 12 ? 12 - where.size() : 0, ' '), "  ",
                                  Printable(event.message()), "\n");
    }
    context.out.flush();
    return static_cast<bool>(context.out);
  });
  if (json && !follow && status.ok()) context.out << Print({{"events", all}});
  return status.ok() ? kOk : Fail(context, status);
}

}  // namespace

void AddLists(Commands& commands) {
  CLI::App& devices =
      commands.Add(commands.root, "devices", "list the XPUs of this machine",
                   {.synopsis = "xpool devices [-o wide|json|name]",
                    .description = "RESERVED and GUARANTEED are what the XPU's slices were promised in sum.",
                    .examples = "xpool devices\nxpool devices -o wide\nxpool run --xpu xpu0 -- clinfo",
                    .see_also = "xpool help slice create"});
  commands.AddFormats(devices);
  commands.OnCall(devices, [&context = commands.context] { return Devices(context); });

  CLI::App& ps =
      commands.Add(commands.root, "ps", "list the processes that are attached to slices",
                   {.synopsis = "xpool ps [-o wide|json|name]",
                    .description = "LEASE is none, busy (it may run), idle (its queue is empty) or revoke (its lease\n"
                                   "ended, work drains). STATE is running, stopped, overrunning (its lease ended\n"
                                   "over a second ago, its command still runs) or recovering.",
                    .examples = "xpool ps\nxpool ps --json | jq '.sessions[] | select(.state==\"overrunning\")'",
                    .see_also = "xpool help top"});
  commands.AddFormats(ps);
  commands.OnCall(ps, [&context = commands.context] { return Ps(context); });

  struct Options {
    uint32_t last = 0;
    bool follow = false;
  };
  auto options = std::make_shared<Options>();
  CLI::App& events =
      commands.Add(commands.root, "events", "show what happened on this machine",
                   {.synopsis = "xpool events [--last N] [--follow]",
                    .description = "Slices made and deleted, programs attached and gone, quota refusals, leases that\n"
                                   "overran, restarts of the agent. With --json and --follow: one object a line.",
                    .examples = "xpool events --last 20\nxpool events -f --last 1"});
  events.add_option("--last", options->last, "Only the last N past events; default: all that the agent keeps.")
      ->type_name("N")
      ->check(CLI::PositiveNumber);
  events.add_flag("-f,--follow", options->follow, "Then wait for new ones, until interrupted.");
  commands.AddFormats(events);
  commands.OnCall(events,
                  [&context = commands.context, options] { return Events(context, options->last, options->follow); });
}

}  // namespace xpool::cli
