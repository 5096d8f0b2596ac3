// `xpool trace`: records the changes of leases and explains them, as a picture, a table or JSON.

#include <cmath>
#include <map>

#include "CLI/CLI.hpp"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/json.h"
#include "cli/lease_timeline.h"
#include "cli/output_file.h"
#include "cli/table.h"
#include "cli/timeline_svg.h"

namespace xpool::cli {
namespace {

struct TraceOptions {
  double seconds = 5, zoom_at_s = 0, zoom_ms = 0;
  std::string output, xpu;
};

struct Recording {
  std::vector<LeaseChange> changes;
  std::vector<TracedSlice> slices;
  int64_t from_ns = 0, to_ns = 0;
};

// A lone holder reports nothing, so how things stood at the start is asked for.
SliceState InitialState(const std::string& lease) {
  if (lease == "busy") return SliceState::kRunning;
  if (lease == "idle") return SliceState::kIdle;
  return lease == "revoke" ? SliceState::kDraining : SliceState::kAway;
}

absl::StatusOr<Recording> Record(Context& context, const TraceOptions& options) {
  AgentClient client(context.paths);
  Recording recording;
  ASSIGN_OR_RETURN(const v1::ListSlicesResponse slices, client.ListSlices());
  ASSIGN_OR_RETURN(const v1::ListSessionsResponse sessions, client.ListSessions());
  std::map<std::string, SliceState> initial;
  for (const v1::Session& session : sessions.sessions()) {
    SliceState& state = initial[session.slice_id()];
    if (state != SliceState::kRunning && InitialState(session.lease()) != SliceState::kAway) {
      state = InitialState(session.lease());
    }
  }
  for (const v1::Slice& slice : slices.slices()) {
    if (!options.xpu.empty() && slice.xpu_id() != options.xpu) continue;
    recording.slices.push_back({slice.id(), slice.name(), slice.xpu_id(), Share::FromBasisPoints(slice.guarantee_bp()),
                                slice.limit_bp() == 0 ? Share::Full() : Share::FromBasisPoints(slice.limit_bp()),
                                initial[slice.id()]});
  }
  recording.from_ns = context.clock->NowNs();
  RETURN_IF_ERROR(client.Trace(std::llround(options.seconds * kNsPerSec), options.xpu, [&](const v1::LeaseRecord& r) {
    recording.changes.push_back({r.at_ns(), r.xpu_id(), r.slice_id(), r.what(), r.until_ns()});
  }));
  recording.to_ns = context.clock->NowNs();
  return recording;
}

void PrintSummary(Context& context, const XpuTimeline& timeline) {
  using Align = Table::Align;
  const double length = static_cast<double>(std::max<int64_t>(timeline.to_ns - timeline.from_ns, 1));
  context.out << Printable(timeline.xpu_id) << ": " << FormatDuration(timeline.to_ns - timeline.from_ns) << ", "
              << timeline.hand_overs_ns.size() << " hand-overs, median "
              << FormatDuration(timeline.HandOverQuantile(0.5)) << ", p99 "
              << FormatDuration(timeline.HandOverQuantile(0.99)) << "\nXPU time:";
  for (const auto& [state, time_ns] : timeline.time_ns) {
    context.out << " " << ToString(state) << " "
                << absl::StrFormat("%.2f%%", 100 * static_cast<double>(time_ns) / length);
  }
  Table table({{"SLICE"},
               {"GUARANTEE", Align::kRight},
               {"LIMIT", Align::kRight},
               {"CHARGED", Align::kRight},
               {"HELD", Align::kRight},
               {"IDLE", Align::kRight},
               {"LEASES", Align::kRight},
               {"WAITED", Align::kRight},
               {"LONGEST WAIT", Align::kRight}});
  for (const SliceLane& lane : timeline.lanes) {
    table.Add({lane.slice.name, lane.slice.guarantee == Share() ? "" : lane.slice.guarantee.ToString(),
               lane.slice.limit.ToString(), FormatFraction(lane.charged_share),
               FormatFraction(static_cast<double>(lane.held_ns) / length),
               FormatFraction(static_cast<double>(lane.idle_ns) / length), absl::StrCat(lane.leases),
               FormatDuration(lane.waited_ns), FormatDuration(lane.longest_wait_ns)});
  }
  context.out << "\n" << table.ToString();
}

int Trace(Context& context, const TraceOptions& options) {
  const absl::StatusOr<Recording> recording = Record(context, options);
  if (!recording.ok()) return Fail(context, recording.status());
  const std::vector<XpuTimeline> timelines =
      BuildTimelines(recording->changes, recording->slices, recording->from_ns, recording->to_ns);
  if (context.format == Format::kJson) {
    Json xpus = Json::array();
    for (const XpuTimeline& timeline : timelines) xpus.push_back(ToJson(timeline));
    context.out << Print({{"xpus", xpus}, {"records", recording->changes.size()}});
  } else {
    for (const XpuTimeline& timeline : timelines) PrintSummary(context, timeline);
    if (timelines.empty()) context.err << "No slice and no lease was seen.\n";
  }
  if (options.output.empty()) return kOk;
  const SvgOptions svg{.title = "xpool lease trace, " + FormatTime(context.unix_now_ns()).substr(0, 19),
                       .zoom_at_ns = std::llround(options.zoom_at_s * kNsPerSec),
                       .zoom_length_ns = std::llround(options.zoom_ms * kNsPerMs)};
  const absl::Status status = WriteOutput(options.output, DrawTimelines(timelines, svg));
  if (!status.ok()) return Fail(context, status);
  context.err << "wrote " << options.output << "\n";
  return kOk;
}

}  // namespace

void AddTrace(Commands& commands) {
  auto options = std::make_shared<TraceOptions>();
  CLI::App& trace =
      commands.Add(commands.root, "trace", "record who held the XPU, who waited, and why it stood still",
                   {.synopsis = "xpool trace [--seconds N] [-o FILE.svg] [--xpu ID] [--json]",
                    .description = "Records every change of a lease, prints a summary and, with -o, draws a timeline\n"
                                   "(SVG): the use of the XPU over the whole recording, a stretch of it lease by\n"
                                   "lease, and a table. Gaps are explained:\n"
                                   "  hand-over  somebody waits and the lease is on its way\n"
                                   "  grace      the holder's queue ran dry; it keeps the lease for a moment\n"
                                   "  throttled  those who wait have used up their --limit\n"
                                   "  unwanted   nobody has work",
                    .examples = "xpool trace --seconds 5 -o lease.svg\n"
                                "xpool trace -o lease.svg --zoom-at 1.2 --zoom 50\n"
                                "    The detailed stretch: 50 ms from second 1.2 on.\n"
                                "xpool trace --seconds 2 --json | jq '.xpus[0].hand_over_median_ns'",
                    .see_also = "xpool help top"});
  trace.add_option("-t,--seconds", options->seconds, "Length of the recording, at most 60. Default 5.")
      ->type_name("N")
      ->check(CLI::Range(0.01, 60.0));
  trace.add_option("-o,--output", options->output, "Draw the timeline into this file.")->type_name("FILE");
  trace.add_option("-x,--xpu", options->xpu, "Only this XPU.")->type_name("ID");
  trace.add_option("--zoom", options->zoom_ms, "Length of the detailed stretch; default: some forty leases.")
      ->type_name("MS")
      ->check(CLI::PositiveNumber);
  trace
      .add_option("--zoom-at", options->zoom_at_s,
                  "Where it begins, from the recording's start (with --zoom); default: where leases change most.")
      ->type_name("SECONDS")
      ->check(CLI::NonNegativeNumber);
  trace.add_flag_callback(
      "--json", [&context = commands.context] { context.format = Format::kJson; }, "Print the timelines as JSON.");
  commands.OnCall(trace, [&context = commands.context, options] { return Trace(context, *options); });
}

}  // namespace xpool::cli
