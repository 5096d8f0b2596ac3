#include "sim/openb.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/bytes.h"
#include "base/status.h"
#include "sim/csv.h"

namespace xpool::sim {

using scheduler::CardRequest;
using scheduler::ClaimSpec;
using scheduler::Demand;
using scheduler::Domain;
using scheduler::Locality;
using scheduler::ModelSet;
using scheduler::NodeSpec;
using scheduler::NodeState;
using scheduler::PodSpec;
using scheduler::Request;
using scheduler::XpuSpec;

namespace {

constexpr int64_t kMostCpuMilli = 1'000'000'000;
constexpr int64_t kMostMemoryMib = int64_t{1} << 40;
constexpr int64_t kCardMilli = 1000;
constexpr int64_t kCardMib = int64_t{1} << 20;  // the trace does not say; enough for everybody

Share OfMilli(int64_t milli) { return Share::FromBasisPoints(milli * 10); }

// The rows of |table| in the order of their names, which must differ.
absl::StatusOr<std::vector<size_t>> SortedRows(const CsvTable& table) {
  std::vector<size_t> rows(table.size());
  std::iota(rows.begin(), rows.end(), size_t{0});
  std::sort(rows.begin(), rows.end(), [&](size_t one, size_t other) {
    return std::tuple(table.Text(one, 0), one) < std::tuple(table.Text(other, 0), other);
  });
  for (size_t i = 0; i < rows.size(); ++i) {
    const absl::string_view name = table.Text(rows[i], 0);
    if (name.empty()) return table.Error(rows[i], "the name is missing");
    if (i > 0 && name == table.Text(rows[i - 1], 0))
      return table.Error(rows[i], absl::StrCat("the name ", name, " is there twice"));
  }
  return rows;
}

// A cell that may be missing, or empty: |otherwise| then.
absl::StatusOr<int64_t> NumberOr(const CsvTable& table, size_t row, absl::string_view column, int64_t most,
                                 int64_t otherwise) {
  const size_t place = table.Find(column);
  if (table.Text(row, place).empty()) return otherwise;
  return table.Number(row, place, 0, most);
}

absl::StatusOr<std::vector<Domain>> TopologyIn(const CsvTable& table, size_t row) {
  std::vector<Domain> domains;
  for (const absl::string_view word : absl::StrSplit(table.Text(row, table.Find("topology")), '/', absl::SkipEmpty())) {
    const std::vector<std::string> parts = absl::StrSplit(word, '=');
    if (parts.size() != 2) return table.Error(row, absl::StrCat("topology: \"", word, "\" is not LEVEL=NAME"));
    domains.push_back({parts[0], parts[1]});
  }
  return domains;
}

absl::StatusOr<NodeSpec> NodeIn(const CsvTable& table, size_t row) {
  NodeSpec node{.name = std::string(table.Text(row, 0)), .version = 1};
  ASSIGN_OR_RETURN(node.cpu_milli, table.Number(row, 1, 0, kMostCpuMilli));
  ASSIGN_OR_RETURN(const int64_t memory_mib, table.Number(row, 2, 0, kMostMemoryMib));
  ASSIGN_OR_RETURN(const int64_t cards, table.Number(row, 3, 0, scheduler::kMostCards));
  ASSIGN_OR_RETURN(const int64_t card_mib, NumberOr(table, row, "gpu_memory_mib", kMostMemoryMib, kCardMib));
  ASSIGN_OR_RETURN(const int64_t islands, NumberOr(table, row, "islands", scheduler::kMostCards, 1));
  ASSIGN_OR_RETURN(node.topology, TopologyIn(table, row));
  node.memory_bytes = static_cast<uint64_t>(memory_mib) * kMiB;
  const absl::string_view model = table.Text(row, 4);
  if (cards > 0 && model.empty()) return table.Error(row, "the model of its cards is missing");
  for (int64_t i = 0; i < cards; ++i) {
    node.xpus.push_back({.model = std::string(model),
                         .memory_bytes = static_cast<uint64_t>(card_mib) * kMiB,
                         .island = static_cast<uint8_t>(i * std::max<int64_t>(1, islands) / cards)});
  }
  if (const absl::Status status = scheduler::Check(node); !status.ok()) return table.Error(row, status.message());
  return node;
}

absl::StatusOr<NodeState> StateOf(const CsvTable& table, size_t row, const NodeSpec& node,
                                  scheduler::KindTable* models) {
  NodeState state;
  state.cpu_milli = node.cpu_milli;
  state.memory_bytes = static_cast<int64_t>(node.memory_bytes);
  for (const XpuSpec& xpu : node.xpus) {
    const std::optional<uint8_t> number = models->NumberOf(xpu.model);
    if (!number.has_value())
      return table.Error(row, absl::StrCat("there are more than ", scheduler::kMostModels, " models"));
    state.AddCard({.idle_bytes = xpu.memory_bytes, .model = *number, .island = xpu.island});
  }
  return state;
}

absl::StatusOr<std::vector<std::string>> ModelsIn(const CsvTable& table, size_t row) {
  const absl::string_view names = table.Text(row, table.Find("gpu_spec"));
  if (names.empty()) return std::vector<std::string>();
  std::vector<std::string> models = absl::StrSplit(names, '|');
  for (const std::string& name : models) {
    if (name.empty()) return table.Error(row, absl::StrCat("\"", names, "\" is no list of models"));
  }
  return models;
}

absl::StatusOr<Request> RequestIn(const CsvTable& table, size_t row, int64_t cards) {
  Request request{.count = static_cast<int>(cards)};
  ASSIGN_OR_RETURN(const int64_t milli, table.Number(row, 4, 1, kCardMilli));
  if (cards > 1 && milli != kCardMilli)
    return table.Error(row, absl::StrCat("a pod with ", cards, " cards takes whole ones, and gpu_milli is ", milli));
  ASSIGN_OR_RETURN(const int64_t memory_mib, NumberOr(table, row, "gpu_memory_mib", kMostMemoryMib, 0));
  request.compute = OfMilli(milli);
  request.memory_bytes = static_cast<uint64_t>(memory_mib) * kMiB;
  ASSIGN_OR_RETURN(request.models, ModelsIn(table, row));
  return request;
}

absl::StatusOr<Locality> LocalityIn(const CsvTable& table, size_t row) {
  const absl::string_view text = table.Text(row, table.Find("locality"));
  if (text.empty() || text == "local") return Locality::kLocal;
  if (text == "remote") return Locality::kRemote;
  if (text == "any") return Locality::kAny;
  return table.Error(row, absl::StrCat("locality is \"", text, "\", and must be local, remote or any"));
}

absl::StatusOr<int64_t> DurationIn(const CsvTable& table, size_t row) {
  constexpr int64_t kSecond = 1'000'000'000, kMostSeconds = 1'000'000'000;
  ASSIGN_OR_RETURN(int64_t seconds, NumberOr(table, row, "duration_s", kMostSeconds, 0));
  ASSIGN_OR_RETURN(const int64_t from, NumberOr(table, row, "scheduled_time", kMostSeconds, 0));
  ASSIGN_OR_RETURN(const int64_t to, NumberOr(table, row, "deletion_time", kMostSeconds, 0));
  if (seconds == 0 && to > from) seconds = to - from;
  return seconds * kSecond;
}

absl::StatusOr<PodSpec> PodIn(const CsvTable& table, size_t row) {
  PodSpec pod{.uid = std::string(table.Text(row, 0)), .version = 1};
  ASSIGN_OR_RETURN(pod.cpu_milli, table.Number(row, 1, 0, kMostCpuMilli));
  ASSIGN_OR_RETURN(const int64_t memory_mib, table.Number(row, 2, 0, kMostMemoryMib));
  ASSIGN_OR_RETURN(const int64_t cards, table.Number(row, 3, 0, scheduler::kMostCards));
  ASSIGN_OR_RETURN(const int64_t priority, NumberOr(table, row, "priority", 1'000'000, 0));
  ASSIGN_OR_RETURN(const int64_t gang_size, NumberOr(table, row, "gang_size", scheduler::kMostMembers, 0));
  ASSIGN_OR_RETURN(const int64_t required, NumberOr(table, row, "required", 1, 0));
  ASSIGN_OR_RETURN(const int64_t preemptible, NumberOr(table, row, "preemptible", 1, 0));
  ASSIGN_OR_RETURN(pod.duration_ns, DurationIn(table, row));
  pod.memory_bytes = static_cast<uint64_t>(memory_mib) * kMiB;
  pod.priority = static_cast<int32_t>(priority);
  pod.preemptible = pod.movable = preemptible == 1;
  pod.gang = {std::string(table.Text(row, table.Find("gang"))), static_cast<int>(gang_size),
              std::string(table.Text(row, table.Find("level"))), required == 1};
  if (cards > 0) {
    ClaimSpec claim{.uid = pod.uid + "/xpus"};
    ASSIGN_OR_RETURN(Request request, RequestIn(table, row, cards));
    ASSIGN_OR_RETURN(claim.locality, LocalityIn(table, row));
    claim.requests = {{std::move(request)}};
    pod.claims = {std::move(claim)};
  }
  if (const absl::Status status = scheduler::Check(pod); !status.ok()) return table.Error(row, status.message());
  return pod;
}

// As the demand of one node. Models that are not known yet get a number.
absl::StatusOr<Demand> DemandOf(const CsvTable& table, size_t row, const PodSpec& pod, scheduler::KindTable* models) {
  Demand demand{.cpu_milli = pod.cpu_milli, .memory_bytes = pod.memory_bytes};
  if (pod.claims.empty()) return demand;
  const Request& request = pod.claims[0].requests[0][0];
  ModelSet set = request.models.empty() ? scheduler::kAnyModel : 0;
  for (const std::string& name : request.models) {
    const std::optional<uint8_t> number = models->NumberOf(name);
    if (!number.has_value()) return table.Error(row, absl::StrCat(name, " is one model too many"));
    set |= ModelSet{1} << *number;
  }
  demand.cards = {CardRequest{.count = static_cast<uint8_t>(request.count),
                              .compute = request.compute,
                              .memory_bytes = request.memory_bytes,
                              .models = set}};
  return demand;
}

// CPU, share, number of cards, models, memory of cards: a type of pods in the trace. A node's memory is not looked at.
using TypeKey = std::tuple<int64_t, int64_t, int, std::string, uint64_t>;
using Types = std::map<TypeKey, scheduler::PodType>;

void Count(const Demand& pod, absl::string_view spec, Types* types) {
  const int cards = pod.card_count();
  scheduler::PodType& type = (*types)[{pod.cpu_milli, cards == 0 ? 0 : pod.compute_milli() / cards, cards,
                                       std::string(spec), cards == 0 ? 0 : pod.cards[0].memory_bytes}];
  type.demand = pod;
  type.demand.memory_bytes = 0;
  ++type.count;
}

scheduler::Mix InFallingOrder(const Types& types) {
  scheduler::Mix mix;
  for (auto type = types.rbegin(); type != types.rend(); ++type) mix.types.push_back(type->second);
  return mix;
}

absl::StatusOr<std::vector<uint32_t>> NumbersIn(absl::string_view text, size_t below, const std::string& where) {
  std::vector<uint32_t> numbers;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    uint32_t number = 0;
    if (!absl::SimpleAtoi(word, &number) || number >= below)
      return absl::InvalidArgumentError(absl::StrCat(where, ": \"", word, "\" must be a whole number below ", below));
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

int64_t Cluster::compute_milli() const {
  int64_t sum = 0;
  for (const NodeState& node : nodes) sum += kCardMilli * static_cast<int64_t>(node.cards().size());
  return sum;
}

absl::StatusOr<Cluster> ParseNodes(absl::string_view text, const std::string& file) {
  ASSIGN_OR_RETURN(const CsvTable table,
                   CsvTable::Parse(text, file, {"sn", "cpu_milli", "memory_mib", "gpu", "model"}));
  ASSIGN_OR_RETURN(const std::vector<size_t> rows, SortedRows(table));
  Cluster cluster;
  for (const size_t row : rows) {
    ASSIGN_OR_RETURN(NodeSpec node, NodeIn(table, row));
    ASSIGN_OR_RETURN(const NodeState state, StateOf(table, row, node, &cluster.models));
    cluster.specs.push_back(std::move(node));
    cluster.nodes.push_back(state);
  }
  return cluster;
}

absl::StatusOr<Workload> ParsePods(absl::string_view text, const std::string& file, scheduler::KindTable* models) {
  ASSIGN_OR_RETURN(const CsvTable table,
                   CsvTable::Parse(text, file, {"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli"}));
  ASSIGN_OR_RETURN(const std::vector<size_t> rows, SortedRows(table));
  const size_t spec_column = table.Find("gpu_spec");
  Workload workload;
  Types types;
  for (const size_t row : rows) {
    const absl::string_view spec = table.Text(row, spec_column);
    ASSIGN_OR_RETURN(PodSpec pod, PodIn(table, row));
    ASSIGN_OR_RETURN(Demand demand, DemandOf(table, row, pod, models));
    Count(demand, spec, &types);
    workload.specs.push_back(std::move(pod));
    workload.pods.push_back(std::move(demand));
  }
  workload.mix = InFallingOrder(types);
  return workload;
}

absl::StatusOr<std::map<int64_t, Arrivals>> ParseEvents(absl::string_view text, const std::string& file, size_t pods,
                                                        size_t nodes) {
  std::map<int64_t, Arrivals> arrivals;
  int line = 0;
  for (const absl::string_view row : absl::StrSplit(text, '\n')) {
    ++line;
    if (row.empty()) continue;
    const std::string where = absl::StrCat(file, " line ", line);
    const std::vector<absl::string_view> parts = absl::StrSplit(row, ';');
    int64_t seed = 0;
    if (parts.size() != 3 || !absl::SimpleAtoi(parts[0], &seed) || (parts[1] != "pods" && parts[1] != "noderank"))
      return absl::InvalidArgumentError(absl::StrCat(where, ": it must be SEED;pods;NUMBERS or SEED;noderank;NUMBERS"));
    const bool is_rank = parts[1] == "noderank";
    ASSIGN_OR_RETURN(std::vector<uint32_t> numbers, NumbersIn(parts[2], is_rank ? nodes : pods, where));
    if (is_rank && std::set<uint32_t>(numbers.begin(), numbers.end()).size() != nodes)
      return absl::InvalidArgumentError(absl::StrCat(where, ": each of ", nodes, " nodes must have a rank of its own"));
    (is_rank ? arrivals[seed].rank : arrivals[seed].pods) = std::move(numbers);
  }
  for (const auto& [seed, of] : arrivals) {
    if (of.rank.empty())
      return absl::InvalidArgumentError(absl::StrCat(file, ": seed ", seed, " has no noderank line"));
  }
  return arrivals;
}

std::string PrintNodes(const std::vector<NodeSpec>& nodes) {
  std::string text = "sn,cpu_milli,memory_mib,gpu,model,gpu_memory_mib,islands,topology\n";
  for (const NodeSpec& node : nodes) {
    const bool has_cards = !node.xpus.empty();
    absl::StrAppend(&text, node.name, ",", node.cpu_milli, ",", node.memory_bytes / kMiB, ",", node.xpus.size(), ",",
                    has_cards ? node.xpus[0].model : "", ",", has_cards ? node.xpus[0].memory_bytes / kMiB : 0, ",",
                    has_cards ? node.xpus.back().island + 1 : 0, ",");
    for (size_t i = 0; i < node.topology.size(); ++i)
      absl::StrAppend(&text, i == 0 ? "" : "/", node.topology[i].level, "=", node.topology[i].name);
    text += '\n';
  }
  return text;
}

std::string PrintPods(const std::vector<PodSpec>& pods) {
  constexpr int64_t kSecond = 1'000'000'000;
  std::string text =
      "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,gpu_memory_mib,gang,gang_size,level,required,priority,"
      "preemptible,locality,duration_s\n";
  for (const PodSpec& pod : pods) {
    constexpr const char* kLocalities[] = {"local", "remote", "any"};
    const Request none{.count = 0, .compute = Share()};
    const Request& request = pod.claims.empty() ? none : pod.claims[0].requests[0][0];
    absl::StrAppend(&text, pod.uid, ",", pod.cpu_milli, ",", pod.memory_bytes / kMiB, ",", request.count, ",",
                    request.compute.basis_points() / 10, ",", absl::StrJoin(request.models, "|"), ",",
                    request.memory_bytes / kMiB, ",");
    absl::StrAppend(&text, pod.gang.name, ",", pod.gang.min_members, ",", pod.gang.level, ",",
                    pod.gang.required ? 1 : 0, ",", pod.priority, ",", pod.preemptible ? 1 : 0, ",");
    absl::StrAppend(&text, pod.claims.empty() ? "" : kLocalities[static_cast<size_t>(pod.claims[0].locality)], ",",
                    pod.duration_ns / kSecond, "\n");
  }
  return text;
}

}  // namespace xpool::sim
