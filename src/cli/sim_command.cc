// `xpool sim`: the scheduler's policies on a recorded or a made-up cluster, without one.

#include <cmath>
#include <filesystem>
#include <map>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "cli/context.h"
#include "cli/json.h"
#include "cli/output_file.h"
#include "cli/table.h"
#include "scheduler/policies/policy.h"
#include "sim/arrivals.h"
#include "sim/bounds.h"
#include "sim/event_log.h"
#include "sim/fill_run.h"
#include "sim/generate.h"
#include "sim/report.h"
#include "sim/steady_run.h"

namespace xpool::cli {
namespace {

using scheduler::Policy;

constexpr size_t kMostFileBytes = size_t{256} << 20;
constexpr size_t kMostLogBytes = size_t{4} << 30;
constexpr int64_t kMostSeeds = 1000;
constexpr double kUntilPct = 130;
constexpr size_t kPercents[] = {95, 100, 110, 130};  // asked for, that the table has columns for

struct SimOptions {
  std::string nodes, pods, events, seeds = "1-10";
  std::vector<std::string> policies = {"xpool", "fgd", "bestfit"};
  bool steady = false, remote = false, ignore_cpu = false;
  double gbps_per_card = 1;
  double load_pct = 90, runtimes = 10;
  std::string json, csv, html, log;
};

// What a run has brought, for all ways to write it.
struct Results {
  std::vector<std::string> columns;            // after POLICY
  std::vector<std::vector<std::string>> rows;  // by policy, its name first
  std::vector<std::string> notes;              // lines under the table
  Json json = Json::object();
  std::string csv;
  std::vector<sim::Chart> charts;
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

struct Input {
  sim::Cluster cluster;
  sim::Workload workload;
  std::vector<int64_t> seeds;
};

// As if cores were never what is missing.
void IgnoreCpu(sim::Workload* workload) {
  for (scheduler::PodSpec& pod : workload->specs) pod.cpu_milli = 0;
  for (scheduler::Demand& pod : workload->pods) pod.cpu_milli = 0;
  for (scheduler::PodType& type : workload->mix.types) type.demand.cpu_milli = 0;
}

absl::StatusOr<Input> Load(const SimOptions& options) {
  Input input;
  if (options.nodes.empty() || options.pods.empty())
    return absl::InvalidArgumentError("name the cluster with --nodes FILE and the workload with --pods FILE");
  ASSIGN_OR_RETURN(input.seeds, SeedsIn(options.seeds));
  ASSIGN_OR_RETURN(const std::string nodes, ReadFile(options.nodes, kMostFileBytes));
  ASSIGN_OR_RETURN(input.cluster, sim::ParseNodes(nodes, options.nodes));
  ASSIGN_OR_RETURN(const std::string pods, ReadFile(options.pods, kMostFileBytes));
  ASSIGN_OR_RETURN(input.workload, sim::ParsePods(pods, options.pods, &input.cluster.models));
  if (input.cluster.compute_milli() == 0)
    return absl::InvalidArgumentError(absl::StrCat(options.nodes, ": no node has a card"));
  if (options.ignore_cpu) IgnoreCpu(&input.workload);
  return input;
}

// One line on a terminal, that says how far it is.
class Progress {
 public:
  explicit Progress(Context& context) : context_(context) {}
  ~Progress() {
    if (context_.out_is_terminal) context_.err << "\r\033[K";
  }
  void Say(const std::string& text) {
    if (context_.out_is_terminal) context_.err << "\r\033[K" << text << std::flush;
  }

 private:
  Context& context_;
};

// Empty where nothing arrived just then, as in small clusters, whose pods take several percent each.
std::string FormatPercent(double percent) { return std::isnan(percent) ? "" : absl::StrFormat("%.2f%%", percent); }

std::string FormatSeconds(double seconds) {
  return seconds < 600 ? absl::StrFormat("%.1f s", seconds) : absl::StrFormat("%.1f h", seconds / 3600);
}

struct FillResult {
  sim::FillCurve curve;
  int64_t took_ns;
};

// What is not allocated, by the percent asked for, in percent: the mean of |runs|.
std::vector<double> MeanIdle(const std::vector<FillResult>& runs) {
  std::vector<double> idle;
  for (size_t percent = 0; percent <= static_cast<size_t>(kUntilPct); ++percent) {
    double sum = 0;
    for (const FillResult& run : runs)
      sum += percent < run.curve.allocated_pct.size() ? 100 - run.curve.allocated_pct[percent] : NAN;
    idle.push_back(sum / static_cast<double>(runs.size()));
  }
  return idle;
}

absl::StatusOr<std::map<int64_t, sim::Arrivals>> ArrivalsOf(const Input& input, const SimOptions& options) {
  std::map<int64_t, sim::Arrivals> recorded, arrivals;
  if (!options.events.empty()) {
    ASSIGN_OR_RETURN(const std::string events, ReadFile(options.events, kMostFileBytes));
    ASSIGN_OR_RETURN(recorded,
                     sim::ParseEvents(events, options.events, input.workload.pods.size(), input.cluster.nodes.size()));
  }
  for (const int64_t seed : input.seeds) {
    const auto found = recorded.find(seed);
    if (found == recorded.end() && !options.events.empty())
      return absl::NotFoundError(absl::StrCat(options.events, " has no arrivals of seed ", seed));
    arrivals[seed] = found == recorded.end() ? sim::DrawArrivals(input.cluster, input.workload, seed, kUntilPct)
                                             : std::move(found->second);
    if (arrivals[seed].pods.empty())
      return absl::InvalidArgumentError(absl::StrCat("in ", options.pods, " no pod needs a card"));
  }
  return arrivals;
}

// What part of the pods use cards of another node, how many cards, and what goes over the network for them.
void AddRemote(const std::vector<FillResult>& runs, double gbps_per_card, std::vector<std::string>* row) {
  double pods_pct = 0, cards = 0;
  for (const FillResult& run : runs) {
    pods_pct += 100.0 * static_cast<double>(run.curve.remote) /
                static_cast<double>(std::max<int64_t>(1, run.curve.placed)) / static_cast<double>(runs.size());
    cards += run.curve.remote_cards / static_cast<double>(runs.size());
  }
  row->insert(row->end(), {FormatPercent(pods_pct), absl::StrFormat("%.1f", cards),
                           absl::StrFormat("%.1f", cards * gbps_per_card)});
}

// Adds what |runs| of |name| have brought to |results|.
void AddFill(const std::string& name, const SimOptions& options, const std::map<int64_t, sim::Arrivals>& arrivals,
             const std::vector<FillResult>& runs, Results* results) {
  const std::vector<double> idle = MeanIdle(runs);
  std::vector<std::string> row = {name, absl::StrCat(runs.size())};
  for (const size_t percent : kPercents) row.push_back(FormatPercent(idle[percent]));
  if (options.remote) AddRemote(runs, options.gbps_per_card, &row);
  results->rows.push_back(std::move(row));
  Json all = Json::array();
  auto seed = arrivals.begin();
  for (const auto& [curve, took_ns] : runs) {
    Json allocated = Json::array();
    for (size_t percent = 0; percent < curve.allocated_pct.size(); ++percent) {
      const double of = curve.allocated_pct[percent];
      allocated.push_back(std::isnan(of) ? Json() : Json(of));
      if (!std::isnan(of)) absl::StrAppendFormat(&results->csv, "%s,%d,%d,%.4f\n", name, seed->first, percent, of);
    }
    all.push_back({{"seed", (seed++)->first},
                   {"placed", curve.placed},
                   {"dropped", curve.dropped},
                   {"remote", curve.remote},
                   {"remote_cards", curve.remote_cards},
                   {"took_ms", static_cast<double>(took_ns) / static_cast<double>(kNsPerMs)},
                   {"allocated_pct_by_arrived_pct", std::move(allocated)}});
  }
  results->json["policies"][name] = std::move(all);
  for (sim::Chart& chart : results->charts) chart.curves.push_back({name, idle});
}

absl::StatusOr<Results> Fill(Context& context, const Input& input, const SimOptions& options) {
  Results results;
  results.columns = {"RUNS"};
  for (const size_t percent : kPercents) results.columns.push_back(absl::StrCat("IDLE AT ", percent, "%"));
  if (options.remote) results.columns.insert(results.columns.end(), {"REMOTE PODS", "REMOTE CARDS", "GBIT/S"});
  results.csv = "policy,seed,asked_pct,allocated_pct\n";
  const std::string x_title = "asked for, % of the cards' compute", y_title = "idle, %";
  results.charts = {{"What is idle", x_title, y_title, {}, 0, kUntilPct},
                    {"From where it is nearly full on", x_title, y_title, {}, 85, kUntilPct}};
  ASSIGN_OR_RETURN(const auto arrivals, ArrivalsOf(input, options));
  sim::Cluster cluster = input.cluster;
  const scheduler::Outlook outlook{options.remote ? sim::MixInParts(input.workload, {}) : input.workload.mix,
                                   scheduler::GroupNodes(cluster.nodes)};
  Progress progress(context);
  for (const std::string& name : options.policies) {
    std::vector<FillResult> runs;
    for (const auto& [seed, of_seed] : arrivals) {
      ASSIGN_OR_RETURN(const std::unique_ptr<Policy> policy, scheduler::MakePolicy(name, outlook));
      progress.Say(absl::StrCat(name, ": run ", runs.size() + 1, " of ", arrivals.size()));
      const int64_t start_ns = context.clock->NowNs();
      sim::FillCurve curve = sim::RunFill(cluster, input.workload, of_seed, policy.get(),
                                          {.until_pct = kUntilPct, .remote = options.remote});
      runs.push_back({std::move(curve), context.clock->NowNs() - start_ns});
    }
    AddFill(name, options, arrivals, runs, &results);
  }
  ASSIGN_OR_RETURN(const sim::Bounds bounds, sim::BoundsOf(cluster, input.workload, 100));
  results.notes.push_back(
      absl::StrFormat("At 100%% asked for nobody can leave less than %.2f%% idle, nor less than %.2f%% who refuses all "
                      "kinds of pods alike.",
                      std::max(0.0, bounds.idle_pct), std::max(0.0, bounds.proportional_idle_pct)));
  results.json["bounds"] = {
      {"asked_pct", 100}, {"idle_pct", bounds.idle_pct}, {"proportional_idle_pct", bounds.proportional_idle_pct}};
  return results;
}

void AddSteady(const std::string& name, const std::vector<int64_t>& seeds, const std::vector<sim::SteadyResult>& of,
               Results* results) {
  const auto mean = [&](auto get) {
    double sum = 0;
    for (const sim::SteadyResult& result : of) sum += static_cast<double>(get(result));
    return sum / static_cast<double>(of.size());
  };
  const double waited_pct = mean([](const auto& result) {
    return 100.0 * static_cast<double>(result.blocked) / static_cast<double>(std::max<int64_t>(1, result.arrived));
  });
  results->rows.push_back({name, absl::StrCat(of.size()),
                           FormatPercent(mean([](const auto& of) { return of.used_pct; })), FormatPercent(waited_pct),
                           absl::StrFormat("%.1f", mean([](const auto& of) { return of.mean_blocked; })),
                           FormatSeconds(mean([](const auto& of) { return of.mean_wait_s; })),
                           FormatSeconds(mean([](const auto& of) { return of.p99_wait_s; })),
                           FormatPercent(mean([](const auto& of) { return of.remote_pods_pct; }))});
  Json runs = Json::array();
  for (size_t i = 0; i < of.size(); ++i) {
    const sim::SteadyResult& one = of[i];
    runs.push_back({{"seed", seeds[i]},
                    {"arrived", one.arrived},
                    {"had_to_wait", one.blocked},
                    {"never_placed", one.never_placed},
                    {"mean_blocked", one.mean_blocked},
                    {"mean_wait_s", one.mean_wait_s},
                    {"p99_wait_s", one.p99_wait_s},
                    {"used_pct", one.used_pct},
                    {"remote_pods_pct", one.remote_pods_pct},
                    {"remote_compute_pct", one.remote_compute_pct}});
    absl::StrAppendFormat(&results->csv, "%s,%d,%d,%d,%d,%.3f,%.3f,%.3f,%.3f,%.3f,%.3f\n", name, seeds[i], one.arrived,
                          one.blocked, one.never_placed, one.mean_blocked, one.mean_wait_s, one.p99_wait_s,
                          one.used_pct, one.remote_pods_pct, one.remote_compute_pct);
  }
  results->json["policies"][name] = std::move(runs);
}

absl::StatusOr<Results> Steady(Context& context, const Input& input, const SimOptions& options) {
  Results results;
  results.columns = {"RUNS", "USED", "HAD TO WAIT", "WAITING", "MEAN WAIT", "99% WAIT", "REMOTE"};
  results.csv =
      "policy,seed,arrived,had_to_wait,never_placed,mean_blocked,mean_wait_s,p99_wait_s,used_pct,remote_pods_pct,"
      "remote_compute_pct\n";
  std::string log;
  ASSIGN_OR_RETURN(const double carried, sim::CarriedPct(input.cluster, input.workload));
  Progress progress(context);
  for (const std::string& name : options.policies) {
    std::vector<sim::SteadyResult> of;
    for (const int64_t seed : input.seeds) {
      sim::SteadyOptions steady{
          .load_pct = options.load_pct, .counted = options.runtimes, .seed = static_cast<uint64_t>(seed)};
      const bool is_first = log.empty() && !options.log.empty();
      if (is_first) steady.log = [&](const sim::LogLine& line) { log += sim::PrintLine(line); };
      ASSIGN_OR_RETURN(const sim::SteadyResult result,
                       sim::RunSteady(input.cluster, input.workload, name, carried, steady, [&](double part) {
                         progress.Say(absl::StrFormat("%s: run %d of %d, %.0f%%", name, of.size() + 1,
                                                      input.seeds.size(), 100 * part));
                       }));
      of.push_back(result);
    }
    AddSteady(name, input.seeds, of, &results);
  }
  results.notes.push_back(
      absl::StrFormat("The pool could carry %.2f%% of its cards' compute of this workload; %g%% of that was asked for.",
                      carried, options.load_pct));
  results.json["carried_pct"] = carried;
  if (!options.log.empty()) RETURN_IF_ERROR(WriteOutput(options.log, log));
  return results;
}

sim::Report ReportOf(const SimOptions& options, Results results) {
  sim::Report report{.title = absl::StrCat("xpool sim: ", options.pods, " on ", options.nodes)};
  report.notes = {options.steady ? absl::StrFormat("Pods arrive and depart, at a load of %g%%. Seeds %s.",
                                                   options.load_pct, options.seeds)
                                 : absl::StrCat("Pods arrive until 130% of the cards' compute has been asked for; none "
                                                "departs, and one that fits nowhere is dropped. Means over seeds ",
                                                options.seeds, ".")};
  report.notes.insert(report.notes.end(), results.notes.begin(), results.notes.end());
  sim::ReportTable table{.title = "Policies", .columns = {"policy"}, .rows = std::move(results.rows)};
  for (const std::string& column : results.columns) table.columns.push_back(absl::AsciiStrToLower(column));
  report.tables = {std::move(table)};
  report.charts = std::move(results.charts);
  return report;
}

absl::Status Simulate(Context& context, const SimOptions& options) {
  ASSIGN_OR_RETURN(const Input input, Load(options));
  if (!options.log.empty() && !options.steady)
    return absl::InvalidArgumentError("--log records what the whole scheduler decides, as it does with --steady only");
  ASSIGN_OR_RETURN(Results results, options.steady ? Steady(context, input, options) : Fill(context, input, options));
  std::vector<Table::Column> columns = {{"POLICY"}};
  for (const std::string& column : results.columns) columns.push_back({column, Table::Align::kRight});
  Table table(std::move(columns));
  for (const std::vector<std::string>& row : results.rows) table.Add(row);
  context.out << table.ToString();
  for (const std::string& note : results.notes) context.out << note << "\n";
  const auto write = [&](const std::string& file, const std::string& text) {
    if (file.empty()) return absl::OkStatus();
    RETURN_IF_ERROR(WriteOutput(file, text));
    context.err << "wrote " << file << "\n";
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(write(options.json, Print(results.json)));
  RETURN_IF_ERROR(write(options.csv, results.csv));
  return write(options.html, options.html.empty() ? "" : sim::HtmlOf(ReportOf(options, std::move(results))));
}

void AddGenerate(Commands& commands, CLI::App& sim) {
  struct Options {
    std::string kind, to;
    sim::GenerateOptions of;
  };
  auto options = std::make_shared<Options>();
  CLI::App& generate = commands.Add(
      sim, "generate", "make up a cluster and a workload",
      {.synopsis = "xpool sim generate KIND --to FOLDER [--cards N] [--pods N] [--seed N]",
       .description = "Writes FOLDER/nodes.csv and FOLDER/pods.csv, for `xpool sim`. Kinds:\n"
                      "  superpod     one supernode: cabinets of nodes with eight XPUs, and gangs of up to 4,096\n"
                      "  mixed        makers and models side by side; pods want compute or memory of cards\n"
                      "  openb-like   the nodes of Alibaba's GPU cluster, and pods drawn around those of its trace\n"
                      "The same seed makes the same; another one another mix.",
       .examples = "xpool sim generate superpod --cards 8192 --to /tmp/pod\n"
                   "xpool sim generate openb-like --seed 7 --to /tmp/mix7 && \\\n"
                   "    xpool sim --nodes /tmp/mix7/nodes.csv --pods /tmp/mix7/pods.csv",
       .exit_status = kStatusWithoutAgent});
  generate.add_option("KIND", options->kind, "superpod, mixed or openb-like.")->required();
  generate.add_option("--to", options->to, "The folder, made if need be.")->type_name("FOLDER")->required();
  generate.add_option("--cards", options->of.cards, "About so many. Default 6212; 15488 of a superpod.")
      ->type_name("N");
  generate.add_option("--pods", options->of.pods, "Default: what asks for 140% of the cards.")->type_name("N");
  generate.add_option("--seed", options->of.seed, "Default 1.")->type_name("N");
  commands.OnCall(generate, [&context = commands.context, options] {
    const auto made = sim::Generate(options->kind, options->of);
    if (!made.ok()) return Fail(context, made.status());
    std::error_code error;
    std::filesystem::create_directories(options->to, error);
    if (error)
      return Fail(context, absl::UnavailableError(absl::StrCat("cannot make ", options->to, ": ", error.message())));
    const std::string nodes = options->to + "/nodes.csv", pods = options->to + "/pods.csv";
    absl::Status status = WriteOutput(nodes, sim::PrintNodes(made->nodes));
    status.Update(WriteOutput(pods, sim::PrintPods(made->pods)));
    if (!status.ok()) return Fail(context, status);
    context.out << "wrote " << nodes << " (" << made->nodes.size() << " nodes) and " << pods << " ("
                << made->pods.size() << " pods)\n";
    return static_cast<int>(kOk);
  });
}

void AddReplay(Commands& commands, CLI::App& sim) {
  struct Options {
    std::string log, policy;
  };
  auto options = std::make_shared<Options>();
  CLI::App& replay = commands.Add(
      sim, "replay", "play a scheduler's event log again",
      {.synopsis = "xpool sim replay LOG [--policy NAME]",
       .description = "Tells a scheduler what the log says, and compares what it decides with what was decided.\n"
                      "The same events give the same decisions; another policy shows where it would differ first.",
       .examples = "xpool sim --nodes n.csv --pods p.csv --steady --policy xpool --seeds 1 --log /tmp/log\n"
                   "xpool sim replay /tmp/log",
       .exit_status = "0  all decisions are the same\n1  some are not, or the log cannot be read\n2  wrong usage"});
  replay.add_option("LOG", options->log, "The file.")->type_name("LOG")->required();
  replay.add_option("--policy", options->policy, "Instead of the recorded one.")->type_name("NAME");
  commands.OnCall(replay, [&context = commands.context, options] {
    const auto log = ReadFile(options->log, kMostLogBytes);
    if (!log.ok()) return Fail(context, log.status());
    const auto result = sim::Replay(*log, options->policy);
    if (!result.ok()) return Fail(context, result.status());
    context.out << absl::StrFormat("%d events, %d decisions, %d different\n", result->events, result->decisions,
                                   result->different);
    if (result->different == 0) return static_cast<int>(kOk);
    context.out << "the first: " << result->first_difference << "\n";
    return static_cast<int>(kFailed);
  });
}

}  // namespace

void AddSim(Commands& commands) {
  auto options = std::make_shared<SimOptions>();
  CLI::App& sim = commands.Add(
      commands.root, "sim", "try the scheduler's policies on a recorded cluster, or a made-up one",
      {.synopsis = "xpool sim --nodes FILE --pods FILE [--events FILE] [--policy NAME,...] [--seeds A-B]\n"
                   "    [--remote] [--ignore-cpu]\n"
                   "xpool sim --nodes FILE --pods FILE --steady [--load PCT] [--policy NAME,...] [--seeds A-B]\n"
                   "xpool sim generate KIND --to FOLDER\n"
                   "xpool sim replay LOG",
       .description = "Fills a cluster with pods, one after the other, until 130% of its cards' compute has been\n"
                      "asked for; a pod that fits nowhere is dropped, none departs. Prints what share of the cards\n"
                      "is idle by the time that so much has been asked for: the mean over the seeds.\n"
                      "With --steady, pods arrive and depart, and wait where there is no room; prints how many had to\n"
                      "wait, how many waited at a time, and how long.\n"
                      "\n"
                      "Files are in the format of Alibaba's cluster-trace-gpu-v2023:\n"
                      "  nodes   sn,cpu_milli,memory_mib,gpu,model[,gpu_memory_mib,islands,topology]\n"
                      "  pods    name,cpu_milli,memory_mib,num_gpu,gpu_milli[,gpu_spec,gpu_memory_mib,gang,gang_size,\n"
                      "          level,required,priority,preemptible,locality,duration_s]\n"
                      "  events  SEED;pods;... and SEED;noderank;... : orders of arrival. Without, they are drawn.\n"
                      "\n"
                      "Policies: " +
                      scheduler::PolicyNames() + ".\nxpool takes weights: xpool:lookahead=0.4:patterns=1.",
       .examples = "xpool sim --nodes nodes.csv --pods default.csv --seeds 1-5 --html /tmp/report.html\n"
                   "xpool sim --nodes nodes.csv --pods default.csv --events default.txt --seeds 42-51 --policy fgd\n"
                   "xpool sim --nodes nodes.csv --pods default.csv --steady --load 95 --seeds 1",
       .exit_status = kStatusWithoutAgent});
  sim.add_option("--nodes", options->nodes, "The cluster.")->type_name("FILE");
  sim.add_option("--pods", options->pods, "The workload.")->type_name("FILE");
  sim.add_option("--events", options->events, "Recorded orders of arrival.")->type_name("FILE");
  sim.add_option("--policy", options->policies, "Policies to compare. Default xpool,fgd,bestfit.")
      ->type_name("NAME")
      ->delimiter(',');
  sim.add_option("--seeds", options->seeds, "One order of arrival each. Default 1-10.")->type_name("A-B");
  sim.add_flag("--steady", options->steady, "Pods depart when they have run.");
  sim.add_option("--load", options->load_pct, "With --steady: percent of what the cluster can carry. Default 90.")
      ->type_name("PCT")
      ->check(CLI::Range(1.0, 1000.0));
  sim.add_option("--runtimes", options->runtimes, "With --steady: for so many mean runtimes. Default 10.")
      ->type_name("N")
      ->check(CLI::Range(0.01, 10'000.0));
  sim.add_flag("--remote", options->remote, "Pods that allow it take cards of another node where that is better.");
  sim.add_option("--remote-gbps", options->gbps_per_card, "What a remote card takes of the network. Default 1 Gbit/s.")
      ->type_name("N")
      ->check(CLI::Range(0.0, 1000.0));
  sim.add_flag("--ignore-cpu", options->ignore_cpu, "As if no pod asked for cores.");
  sim.add_option("--json", options->json, "Write the curves, or figures, into this file.")->type_name("FILE");
  sim.add_option("--csv", options->csv, "The same as a table.")->type_name("FILE");
  sim.add_option("--html", options->html, "A page with curves.")->type_name("FILE");
  sim.add_option("--log", options->log, "With --steady: write the event log of the first run.")->type_name("FILE");
  AddGenerate(commands, sim);
  AddReplay(commands, sim);
  commands.OnCall(sim, [&context = commands.context, options] {
    const absl::Status status = Simulate(context, *options);
    return status.ok() ? static_cast<int>(kOk) : Fail(context, status);
  });
}

}  // namespace xpool::cli
