#include "sim/openb.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/bytes.h"
#include "base/status.h"
#include "sim/csv.h"

namespace xpool::sim {

using scheduler::CardRequest;
using scheduler::Demand;
using scheduler::ModelSet;
using scheduler::NodeState;

namespace {

constexpr int64_t kMostCpuMilli = 1'000'000'000;
constexpr int64_t kMostMemoryMib = int64_t{1} << 40;
constexpr int64_t kCardMilli = 1000;
constexpr uint64_t kCardBytes = uint64_t{1} << 40;  // the trace does not say; enough for everybody

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

absl::StatusOr<NodeState> NodeIn(const CsvTable& table, size_t row, scheduler::KindTable* models) {
  NodeState node;
  ASSIGN_OR_RETURN(node.cpu_milli, table.Number(row, 1, 0, kMostCpuMilli));
  ASSIGN_OR_RETURN(const int64_t memory_mib, table.Number(row, 2, 0, kMostMemoryMib));
  ASSIGN_OR_RETURN(const int64_t cards, table.Number(row, 3, 0, scheduler::kMostCards));
  node.memory_bytes = memory_mib * static_cast<int64_t>(kMiB);
  const absl::string_view model = table.Text(row, 4);
  if (cards == 0) return node;
  if (model.empty()) return table.Error(row, "the model of its cards is missing");
  const std::optional<uint8_t> number = models->NumberOf(model);
  if (!number.has_value())
    return table.Error(row, absl::StrCat("there are more than ", scheduler::kMostModels, " models"));
  for (int64_t i = 0; i < cards; ++i) node.AddCard({.idle_bytes = kCardBytes, .model = *number});
  return node;
}

absl::StatusOr<ModelSet> ModelsIn(const CsvTable& table, size_t row, absl::string_view names,
                                  scheduler::KindTable* models) {
  if (names.empty()) return scheduler::kAnyModel;
  ModelSet set = 0;
  for (const absl::string_view name : absl::StrSplit(names, '|')) {
    const std::optional<uint8_t> number = models->NumberOf(name);
    if (!number.has_value() || name.empty())
      return table.Error(row, absl::StrCat("\"", names, "\" is no list of models, or one model too many"));
    set |= ModelSet{1} << *number;
  }
  return set;
}

absl::StatusOr<Demand> PodIn(const CsvTable& table, size_t row, absl::string_view spec, scheduler::KindTable* models) {
  Demand pod;
  ASSIGN_OR_RETURN(pod.cpu_milli, table.Number(row, 1, 0, kMostCpuMilli));
  ASSIGN_OR_RETURN(const int64_t memory_mib, table.Number(row, 2, 0, kMostMemoryMib));
  ASSIGN_OR_RETURN(const int64_t cards, table.Number(row, 3, 0, scheduler::kMostCards));
  pod.memory_bytes = static_cast<uint64_t>(memory_mib) * kMiB;
  if (cards == 0) return pod;
  ASSIGN_OR_RETURN(const int64_t milli, table.Number(row, 4, 1, kCardMilli));
  if (cards > 1 && milli != kCardMilli)
    return table.Error(row, absl::StrCat("a pod with ", cards, " cards takes whole ones, and gpu_milli is ", milli));
  ASSIGN_OR_RETURN(const ModelSet allowed, ModelsIn(table, row, spec, models));
  pod.cards = {CardRequest{.count = static_cast<uint8_t>(cards), .compute = OfMilli(milli), .models = allowed}};
  return pod;
}

// CPU, share, number of cards, models: a type of pods in the trace. Memory is not looked at.
using TypeKey = std::tuple<int64_t, int64_t, int, std::string>;
using Types = std::map<TypeKey, scheduler::PodType>;

void Count(const Demand& pod, absl::string_view spec, Types* types) {
  const int cards = pod.card_count();
  scheduler::PodType& type =
      (*types)[{pod.cpu_milli, cards == 0 ? 0 : pod.compute_milli() / cards, cards, std::string(spec)}];
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
    ASSIGN_OR_RETURN(const NodeState node, NodeIn(table, row, &cluster.models));
    cluster.names.emplace_back(table.Text(row, 0));
    cluster.nodes.push_back(node);
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
    ASSIGN_OR_RETURN(Demand pod, PodIn(table, row, spec, models));
    Count(pod, spec, &types);
    workload.names.emplace_back(table.Text(row, 0));
    workload.pods.push_back(std::move(pod));
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

}  // namespace xpool::sim
