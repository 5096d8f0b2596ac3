// `xpool sim`: the scheduler's policies on a recorded cluster, without one.

#include <cmath>
#include <map>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "cli/context.h"
#include "cli/json.h"
#include "cli/output_file.h"
#include "cli/table.h"
#include "scheduler/policies/policy.h"
#include "sim/arrivals.h"
#include "sim/fill_run.h"

namespace xpool::cli {
namespace {

using scheduler::Policy;

constexpr size_t kMostFileBytes = size_t{256} << 20;
constexpr int64_t kMostSeeds = 1000;
constexpr double kUntilPct = 130;

struct SimOptions {
  std::string nodes, pods, events, seeds = "1-10", json;
  std::vector<std::string> policies = {"xpool", "fgd", "bestfit"};
};

struct Experiment {
  sim::Cluster cluster;
  sim::Workload workload;
  std::map<int64_t, sim::Arrivals> arrivals;  // by seed
  scheduler::Outlook outlook;
};

// "42", "42-51".
absl::StatusOr<std::vector<int64_t>> SeedsIn(const std::string& text) {
  const std::vector<std::string> ends = absl::StrSplit(text, absl::MaxSplits('-', 1));
  int64_t first = 0, last = 0;
  const bool read = absl::SimpleAtoi(ends.front(), &first) && absl::SimpleAtoi(ends.back(), &last);
  if (!read || last < first || last - first >= kMostSeeds) {
    return absl::InvalidArgumentError(absl::StrCat("--seeds \"", text, "\" is neither a seed nor a range of at most ",
                                                   kMostSeeds, ", such as 42-51"));
  }
  std::vector<int64_t> seeds;
  for (int64_t seed = first; seed <= last; ++seed) seeds.push_back(seed);
  return seeds;
}

absl::StatusOr<Experiment> Load(const SimOptions& options) {
  Experiment of;
  ASSIGN_OR_RETURN(const std::vector<int64_t> seeds, SeedsIn(options.seeds));
  ASSIGN_OR_RETURN(const std::string nodes, ReadFile(options.nodes, kMostFileBytes));
  ASSIGN_OR_RETURN(of.cluster, sim::ParseNodes(nodes, options.nodes));
  ASSIGN_OR_RETURN(const std::string pods, ReadFile(options.pods, kMostFileBytes));
  ASSIGN_OR_RETURN(of.workload, sim::ParsePods(pods, options.pods, &of.cluster.models));
  if (of.cluster.compute_milli() == 0)
    return absl::InvalidArgumentError(absl::StrCat(options.nodes, ": no node has a card"));
  of.outlook = {of.workload.mix, scheduler::GroupNodes(of.cluster.nodes)};
  std::map<int64_t, sim::Arrivals> recorded;
  if (!options.events.empty()) {
    ASSIGN_OR_RETURN(const std::string events, ReadFile(options.events, kMostFileBytes));
    ASSIGN_OR_RETURN(recorded,
                     sim::ParseEvents(events, options.events, of.workload.pods.size(), of.cluster.nodes.size()));
  }
  for (const int64_t seed : seeds) {
    const auto found = recorded.find(seed);
    if (found == recorded.end() && !options.events.empty())
      return absl::NotFoundError(absl::StrCat(options.events, " has no arrivals of seed ", seed));
    of.arrivals[seed] = found == recorded.end() ? sim::DrawArrivals(of.cluster, of.workload, seed, kUntilPct)
                                                : std::move(found->second);
    if (of.arrivals[seed].pods.empty())
      return absl::InvalidArgumentError(absl::StrCat("in ", options.pods, " no pod needs a card"));
  }
  return of;
}

// Empty where nothing arrived just then, as in small clusters, whose pods take several percent each.
std::string FormatPercent(double percent) { return std::isnan(percent) ? "" : absl::StrFormat("%.2f%%", percent); }

// What is not allocated when |percent| has been asked for, in percent, averaged over |curves|.
double Unallocated(const std::vector<sim::FillCurve>& curves, size_t percent) {
  double sum = 0;
  for (const sim::FillCurve& curve : curves)
    sum += percent < curve.allocated_pct.size() ? 100 - curve.allocated_pct[percent] : NAN;
  return sum / static_cast<double>(curves.size());
}

absl::StatusOr<std::vector<sim::FillCurve>> RunAll(Context& context, const Experiment& of, const std::string& name) {
  ASSIGN_OR_RETURN(const std::unique_ptr<Policy> policy, scheduler::MakePolicy(name, of.outlook));
  std::vector<sim::FillCurve> curves;
  for (const auto& [seed, arrivals] : of.arrivals) {
    if (context.out_is_terminal)
      context.err << "\r\033[K" << name << ": run " << curves.size() + 1 << " of " << of.arrivals.size() << std::flush;
    curves.push_back(sim::RunFill(of.cluster, of.workload, arrivals, policy.get(), kUntilPct));
  }
  if (context.out_is_terminal) context.err << "\r\033[K";
  return curves;
}

Json CurvesJson(const Experiment& of, const std::vector<sim::FillCurve>& curves) {
  Json runs = Json::array();
  auto seed = of.arrivals.begin();
  for (const sim::FillCurve& curve : curves) {
    Json allocated = Json::array();
    for (const double percent : curve.allocated_pct) allocated.push_back(std::isnan(percent) ? Json() : Json(percent));
    runs.push_back({{"seed", (seed++)->first},
                    {"placed", curve.placed},
                    {"dropped", curve.dropped},
                    {"allocated_pct_by_arrived_pct", std::move(allocated)}});
  }
  return runs;
}

absl::Status Simulate(Context& context, const SimOptions& options) {
  constexpr size_t kColumns[] = {95, 100, 110, 130};
  ASSIGN_OR_RETURN(const Experiment experiment, Load(options));
  std::vector<Table::Column> columns = {{"POLICY"}, {"RUNS", Table::Align::kRight}};
  for (const size_t percent : kColumns)
    columns.push_back({absl::StrCat("IDLE AT ", percent, "%"), Table::Align::kRight});
  Table table(std::move(columns));
  Json policies = Json::object();
  for (const std::string& name : options.policies) {
    ASSIGN_OR_RETURN(const std::vector<sim::FillCurve> curves, RunAll(context, experiment, name));
    std::vector<std::string> row = {name, absl::StrCat(curves.size())};
    for (const size_t percent : kColumns) row.push_back(FormatPercent(Unallocated(curves, percent)));
    table.Add(std::move(row));
    policies[name] = CurvesJson(experiment, curves);
  }
  context.out << table.ToString();
  if (options.json.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(WriteOutput(options.json, Print({{"policies", std::move(policies)}})));
  context.err << "wrote " << options.json << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddSim(Commands& commands) {
  auto options = std::make_shared<SimOptions>();
  CLI::App& sim = commands.Add(
      commands.root, "sim", "try the scheduler's policies on a recorded cluster",
      {.synopsis = "xpool sim --nodes FILE --pods FILE [--events FILE] [--policy NAME,...] [--seeds A-B] [--json FILE]",
       .description = "Fills a cluster with pods, one after the other, until 130% of its cards' compute has been\n"
                      "asked for; a pod that fits nowhere is dropped, none departs. Prints what share of the cards\n"
                      "is idle by the time that so much has been asked for: the mean over the seeds.\n"
                      "Files are in the format of Alibaba's cluster-trace-gpu-v2023:\n"
                      "  nodes   sn,cpu_milli,memory_mib,gpu,model\n"
                      "  pods    name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec]\n"
                      "  events  SEED;pods;... and SEED;noderank;... : orders of arrival. Without, they are drawn.\n"
                      "Policies: xpool, fgd, bestfit, packing, clustering, dotprod.",
       .examples = "xpool sim --nodes nodes.csv --pods default.csv --seeds 1-5\n"
                   "xpool sim --nodes nodes.csv --pods default.csv --events default.txt --seeds 42-51 --policy fgd"});
  sim.add_option("--nodes", options->nodes, "The cluster.")->type_name("FILE")->required();
  sim.add_option("--pods", options->pods, "The workload.")->type_name("FILE")->required();
  sim.add_option("--events", options->events, "Recorded orders of arrival.")->type_name("FILE");
  sim.add_option("--policy", options->policies, "Policies to compare. Default xpool,fgd,bestfit.")
      ->type_name("NAME")
      ->delimiter(',');
  sim.add_option("--seeds", options->seeds, "One order of arrival each. Default 1-10.")->type_name("A-B");
  sim.add_option("--json", options->json, "Write the curves into this file.")->type_name("FILE");
  commands.OnCall(sim, [&context = commands.context, options] {
    const absl::Status status = Simulate(context, *options);
    return status.ok() ? static_cast<int>(kOk) : Fail(context, status);
  });
}

}  // namespace xpool::cli
