#include "sim/event_log.h"

#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "scheduler/policies/classic.h"

// How each type is written: the names of its fields. One that is missing keeps its default; others are passed over.
namespace nlohmann {
template <typename T>
struct adl_serializer<std::optional<T>> {
  static void to_json(json& to, const std::optional<T>& from) { to = from.has_value() ? json(*from) : json(nullptr); }
  static void from_json(const json& from, std::optional<T>& to) {
    to = from.is_null() ? std::nullopt : std::optional(from.get<T>());
  }
};
}  // namespace nlohmann

namespace xpool {
namespace {

constexpr int64_t kMostBasisPoints = 10'000;

}  // namespace

void to_json(nlohmann::json& to, const Share& from) { to = from.basis_points(); }
void from_json(const nlohmann::json& from, Share& to) {
  to = Share::FromBasisPoints(std::clamp<int64_t>(from.get<int64_t>(), 0, kMostBasisPoints));
}

namespace scheduler {

NLOHMANN_JSON_SERIALIZE_ENUM(Locality,
                             {{Locality::kLocal, "local"}, {Locality::kRemote, "remote"}, {Locality::kAny, "any"}})
NLOHMANN_JSON_SERIALIZE_ENUM(Taint::Effect,
                             {{Taint::Effect::kNoSchedule, "NoSchedule"}, {Taint::Effect::kNoExecute, "NoExecute"}})
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AttributeMatch, key, value, equal)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(XpuSpec, model, attributes, memory_bytes, island, healthy)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Taint, key, value, effect)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Domain, level, name)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NodeSpec, name, version, cpu_milli, memory_bytes, ready, cordoned,
                                                draining, labels, taints, topology, xpus)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Request, count, compute, memory_bytes, models, attributes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ClaimSpec, uid, requests, one_island, locality)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Toleration, key, value)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(GangSpec, name, min_members, level, required)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PodSpec, uid, version, queue, priority, cpu_milli, memory_bytes, claims,
                                                shared_claims, node_selector, tolerations, gang, movable, preemptible,
                                                duration_ns)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SeenClaim, claim, node, alternatives, xpus)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Binding, node, claims, releasing)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ClaimSeen, spec, version, place)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PodSeen, spec, binding)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Snapshot, version, nodes, claims, pods)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(NodeGone, name, version)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ClaimGone, uid, version)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PodGone, uid, version)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(QueueSpec, name, weight, quota_compute_milli)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Confirmed, pod)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Rejected, pod, reason)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Placed, pod, node, claims)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CardRequest, count, compute, memory_bytes, models, together)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Demand, cpu_milli, memory_bytes, cards)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(PodType, demand, count)

void to_json(nlohmann::json& to, const TimePassed& /*from*/) { to = nlohmann::json::object(); }
void from_json(const nlohmann::json& /*from*/, TimePassed& /*to*/) {}

}  // namespace scheduler

namespace sim {

using scheduler::Event;
using Json = nlohmann::json;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Decided, unit, placed)

namespace {

// The names of events, in the order of Event's types.
constexpr std::array kEvents = {"node", "node_gone", "claim",     "claim_gone", "pod", "pod_gone",
                                "list", "queue",     "confirmed", "rejected",   "time"};
static_assert(kEvents.size() == std::variant_size_v<Event>);

// Where a fraction is expected. Elsewhere one would be cut off, or be far out of what its field can hold.
bool MayBeFraction(const std::string& key) { return key == "weight"; }

absl::Status CheckShape(const Json& json, const std::string& key, int depth) {
  constexpr int kMostDepth = 16;
  if (depth > kMostDepth) return absl::InvalidArgumentError("it is nested too deeply");
  if (json.is_number_float() && !MayBeFraction(key))
    return absl::InvalidArgumentError(absl::StrCat("\"", key, "\" must be a whole number"));
  if (!json.is_structured()) return absl::OkStatus();
  for (const auto& [name, value] : json.items())
    RETURN_IF_ERROR(CheckShape(value, json.is_object() ? name : key, depth + 1));
  return absl::OkStatus();
}

absl::StatusOr<PolicyChosen> PolicyIn(const Json& json) {
  constexpr int64_t kMostPods = int64_t{1} << 40;
  PolicyChosen chosen{json.at("policy").get<std::string>(), {json.value("mix", std::vector<scheduler::PodType>())}};
  for (const scheduler::PodType& type : chosen.mix.types) {
    RETURN_IF_ERROR(scheduler::Check(type.demand));
    if (type.count < 1 || type.count > kMostPods)
      return absl::InvalidArgumentError("a type of pods in the mix has a count that makes no sense");
  }
  return chosen;
}

template <size_t i = 0>
std::optional<Event> EventIn(const Json& json) {
  if constexpr (i < std::variant_size_v<Event>) {
    if (json.contains(kEvents[i])) return json.at(kEvents[i]).template get<std::variant_alternative_t<i, Event>>();
    return EventIn<i + 1>(json);
  } else {
    return std::nullopt;
  }
}

Json JsonOf(const PolicyChosen& chosen) { return {{"policy", chosen.spec}, {"mix", chosen.mix.types}}; }
Json JsonOf(const Decided& decided) { return {{"decided", decided}}; }
Json JsonOf(const Event& event) {
  return std::visit([&](const auto& of) { return Json{{kEvents[event.index()], of}}; }, event);
}

absl::StatusOr<LogLine> LineOf(const Json& json) {
  if (!json.is_object() || !json.contains("at")) return absl::InvalidArgumentError("it is no object with \"at\"");
  RETURN_IF_ERROR(CheckShape(json, "", 0));
  constexpr int64_t kLatest = int64_t{1} << 61;  // later times can be added to it
  LogLine line{.at_ns = json.at("at").get<int64_t>(), .what = {}};
  if (line.at_ns < 0 || line.at_ns > kLatest) return absl::InvalidArgumentError("\"at\" is no time");
  if (json.contains("policy")) {
    ASSIGN_OR_RETURN(line.what, PolicyIn(json));
  } else if (json.contains("decided")) {
    line.what = json.at("decided").get<Decided>();
  } else if (std::optional<Event> event = EventIn(json); event.has_value()) {
    line.what = std::move(*event);
  } else {
    return absl::InvalidArgumentError(absl::StrCat("it is none of policy, decided, ", absl::StrJoin(kEvents, ", ")));
  }
  return line;
}

Decided DecidedOf(const scheduler::Decision& decision) { return {decision.unit, decision.placed}; }

// A log that is being played.
class Player {
 public:
  explicit Player(std::string policy) : policy_(std::move(policy)) {}

  absl::Status Play(const LogLine& line) {
    return std::visit([&](const auto& what) { return Do(what, line.at_ns); }, line.what);
  }

  ReplayResult result;

 private:
  absl::Status Do(const PolicyChosen& chosen, int64_t) {
    const std::string& spec = policy_.empty() ? chosen.spec : policy_;
    ASSIGN_OR_RETURN(auto policy, scheduler::MakePolicy(spec, {chosen.mix, scheduler_.MakeOutlook().groups}));
    scheduler_.SetPolicy(std::move(policy));
    return absl::OkStatus();
  }

  absl::Status Do(const Event& event, int64_t at_ns) {
    ++result.events;
    scheduler::Effects effects;
    return scheduler_.Apply(event, at_ns, &effects);
  }

  absl::Status Do(const Decided& recorded, int64_t at_ns) {
    ++result.decisions;
    const std::optional<scheduler::Decision> decision = scheduler_.Decide(at_ns);
    const std::string was = Json(recorded).dump(),
                      is = decision.has_value() ? Json(DecidedOf(*decision)).dump() : "nothing";
    if (is == was) return absl::OkStatus();
    if (result.different++ == 0) result.first_difference = absl::StrCat("recorded ", was, ", decided ", is);
    return absl::OkStatus();
  }

  const std::string policy_;
  scheduler::Scheduler scheduler_{std::make_unique<scheduler::BestFit>()};
};

}  // namespace

std::string PrintLine(const LogLine& line) {
  Json json = std::visit([](const auto& what) { return JsonOf(what); }, line.what);
  json["at"] = line.at_ns;
  return json.dump() + "\n";
}

absl::StatusOr<LogLine> ParseLine(absl::string_view text) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::InvalidArgumentError("it is no JSON");
  try {
    return LineOf(json);
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
}

absl::StatusOr<ReplayResult> Replay(absl::string_view log, const std::string& policy) {
  Player player(policy);
  int number = 0;
  for (const absl::string_view text : absl::StrSplit(log, '\n')) {
    ++number;
    if (text.empty()) continue;
    const absl::StatusOr<LogLine> line = ParseLine(text);
    const absl::Status status = line.ok() ? player.Play(*line) : line.status();
    if (!status.ok()) return absl::Status(status.code(), absl::StrCat("line ", number, ": ", status.message()));
  }
  return player.result;
}

}  // namespace sim
}  // namespace xpool
