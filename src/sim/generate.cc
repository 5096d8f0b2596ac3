#include "sim/generate.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/bytes.h"
#include "sim/random.h"

namespace xpool::sim {

using scheduler::ClaimSpec;
using scheduler::Locality;
using scheduler::NodeSpec;
using scheduler::PodSpec;
using scheduler::Request;

namespace {

constexpr int64_t kSecond = 1'000'000'000, kHour = 3600;
constexpr int64_t kMostCards = 1'000'000, kMostPods = 5'000'000;
constexpr double kAskedFor = 1.4;  // of the cards, by the pods together

NodeSpec MakeNode(size_t number, int cards, int64_t cpu_milli, uint64_t memory_bytes, const std::string& model,
                  uint64_t card_bytes, int islands = 1) {
  NodeSpec node{
      .name = absl::StrFormat("node-%06d", number), .version = 1, .cpu_milli = cpu_milli, .memory_bytes = memory_bytes};
  for (int i = 0; i < cards; ++i) {
    node.xpus.push_back(
        {.model = model, .memory_bytes = card_bytes, .island = static_cast<uint8_t>(i * islands / cards)});
  }
  return node;
}

// A kind of pods, and how many come of it against others.
struct Type {
  PodSpec pod;
  double weight = 1;
};

PodSpec MakeType(int cards, int milli, int64_t cpu_milli, uint64_t memory_bytes) {
  PodSpec pod{.version = 1, .cpu_milli = cpu_milli, .memory_bytes = memory_bytes};
  if (cards == 0) return pod;
  ClaimSpec claim;
  claim.requests = {{Request{.count = cards, .compute = Share::FromBasisPoints(milli * 10)}}};
  pod.claims = {std::move(claim)};
  return pod;
}

double CardsOf(const std::vector<NodeSpec>& nodes) {
  double cards = 0;
  for (const NodeSpec& node : nodes) cards += static_cast<double>(node.xpus.size());
  return cards;
}

void Name(size_t number, PodSpec* pod) {
  pod->uid = absl::StrFormat("pod-%07d", number);
  for (ClaimSpec& claim : pod->claims) claim.uid = pod->uid + "/xpus";
}

// Pods of |types|, in no order, until they ask for kAskedFor of the cards, or there are so many.
std::vector<PodSpec> DrawPods(const std::vector<Type>& types, double cards, int64_t count, Random& random) {
  std::vector<double> weights;
  for (const Type& type : types) weights.push_back(type.weight);
  std::vector<PodSpec> pods;
  double asked = 0;
  while (count > 0 ? static_cast<int64_t>(pods.size()) < count : asked < cards * kAskedFor) {
    PodSpec pod = types[random.Weighted(weights)].pod;
    Name(pods.size(), &pod);
    asked += CardsOf(pod);
    // From minutes to a day.
    pod.duration_ns = std::clamp<int64_t>(static_cast<int64_t>(random.LogNormal(kHour, 0.8)), 60, 24 * kHour) * kSecond;
    pods.push_back(std::move(pod));
  }
  return pods;
}

// Kinds of nodes of the trace.
struct OpenbNode {
  int count;
  int64_t cpu_milli, memory_mib;
  int cards;
  const char* model;
};
constexpr std::array kOpenbNodes = {
    OpenbNode{549, 96'000, 393'216, 8, "G2"},     OpenbNode{387, 104'000, 524'288, 2, "T4"},
    OpenbNode{107, 16'000, 122'880, 2, "P100"},   OpenbNode{39, 128'000, 786'432, 8, "G3"},
    OpenbNode{28, 32'000, 131'072, 4, "V100M16"}, OpenbNode{22, 64'000, 262'144, 2, "P100"},
    OpenbNode{21, 96'000, 786'432, 8, "V100M32"}, OpenbNode{19, 8'000, 32'768, 1, "V100M16"},
    OpenbNode{17, 96'000, 393'216, 4, "T4"},      OpenbNode{9, 48'000, 376'832, 4, "V100M32"},
    OpenbNode{7, 64'000, 262'144, 8, "V100M16"},  OpenbNode{5, 8'000, 61'440, 1, "P100"},
    OpenbNode{2, 128'000, 1'048'576, 1, "A10"},
};
constexpr double kOpenbCards = 6212;

std::vector<NodeSpec> OpenbNodes(double cards) {
  std::vector<NodeSpec> nodes;
  for (const OpenbNode& kind : kOpenbNodes) {
    const auto count = static_cast<int>(std::lround(kind.count * cards / kOpenbCards));
    for (int i = 0; i < count; ++i) {
      nodes.push_back(MakeNode(nodes.size(), kind.cards, kind.cpu_milli, static_cast<uint64_t>(kind.memory_mib) * kMiB,
                               kind.model, 32 * kGiB));
    }
  }
  return nodes;
}

std::vector<std::string> OpenbModels(Random& random) {
  return random.Pick<std::vector<std::string>>({{{"T4"}, 50},
                                                {{"G2"}, 17},
                                                {{"P100"}, 14},
                                                {{"V100M16", "V100M32"}, 8},
                                                {{"P100", "V100M16", "V100M32"}, 5},
                                                {{"G3"}, 3},
                                                {{"G2", "P100", "T4", "V100M16", "V100M32"}, 3}});
}

// How a mix differs from others.
struct Character {
  explicit Character(Random& random)
      : cpu(random.LogNormal(1, 0.25)),
        only_cpu(random.Between(0.03, 0.2)),
        shares(random.Between(0.2, 0.85)),
        several(random.Between(0.005, 0.1)),
        particular(random.Chance(0.5) ? random.Between(0, 0.25) : 0) {}

  double cpu;                        // cores that a pod asks for, against the trace
  double only_cpu, shares, several;  // parts of the pods: without cards; of the others, with a share; with several
  double particular;                 // and part of them that wants certain models
};

Type OpenbType(const Character& of, Random& random) {
  const auto milli = [&](double cores) { return static_cast<int64_t>(cores * of.cpu * 1000); };
  Type type;
  if (random.Chance(of.only_cpu)) {
    const double cores = random.Pick<double>({{8, 3}, {12.5, 4}, {20, 1}, {32, 2}});
    type.pod = MakeType(0, 0, milli(cores), static_cast<uint64_t>(cores * 2) * kGiB);
  } else if (random.Chance(of.several)) {
    const int cards = random.Pick<int>({{2, 2}, {4, 2}, {8, 5}});
    const double cores = cards * random.Pick<double>({{8, 3}, {11, 3}, {7, 1}});
    type.pod = MakeType(cards, 1000, milli(cores), static_cast<uint64_t>(cards) * 32 * kGiB);
  } else if (random.Chance(of.shares)) {
    const int share = random.Pick<int>({{810, 35},
                                        {470, 24},
                                        {320, 11},
                                        {650, 8},
                                        {230, 5},
                                        {460, 4},
                                        {590, 3},
                                        {160, 3},
                                        {550, 2},
                                        {220, 2},
                                        {370, 2},
                                        {110, 1},
                                        {500, 1},
                                        {700, 1}});
    const double cores = random.Pick<double>({{3.152, 36}, {11.908, 20}, {4, 16}, {8, 16}, {6, 5}, {1, 1}});
    type.pod = MakeType(1, share, milli(cores), static_cast<uint64_t>(cores * 2) * kGiB);
  } else {
    const double cores = random.Pick<double>(
        {{11.4, 40}, {3.152, 12}, {12, 10}, {18.7, 7}, {9.8, 6}, {8, 5}, {4, 4}, {15.7, 8}, {24.2, 2}, {1, 1}});
    type.pod = MakeType(1, 1000, milli(cores), static_cast<uint64_t>(cores * 4) * kGiB);
  }
  if (!type.pod.claims.empty() && random.Chance(of.particular))
    type.pod.claims[0].requests[0][0].models = OpenbModels(random);
  type.weight = random.LogNormal(1, 1);
  return type;
}

Generated OpenbLike(const GenerateOptions& options) {
  constexpr int kTypes = 90;
  Random random(options.seed);
  const Character character(random);
  std::vector<Type> types;
  for (int i = 0; i < kTypes; ++i) types.push_back(OpenbType(character, random));
  Generated made{.nodes = OpenbNodes(options.cards == 0 ? kOpenbCards : static_cast<double>(options.cards)),
                 .pods = {}};
  made.pods = DrawPods(types, CardsOf(made.nodes), options.pods, random);
  return made;
}

struct MixedNode {
  double part;  // of the cards
  int cards;
  int64_t cpu_milli;
  uint64_t memory_gib;
  const char* model;
  uint64_t card_gib;
};
constexpr std::array kMixedNodes = {
    MixedNode{0.15, 8, 192'000, 2048, "H200", 141},    MixedNode{0.20, 8, 128'000, 1024, "A100-80G", 80},
    MixedNode{0.10, 4, 64'000, 512, "L40S", 48},       MixedNode{0.20, 8, 192'000, 1536, "Ascend-910B", 64},
    MixedNode{0.10, 8, 192'000, 2304, "MI300X", 192},  MixedNode{0.15, 8, 128'000, 1024, "MLU370-X8", 48},
    MixedNode{0.10, 8, 128'000, 1024, "DCU-Z100", 32},
};

// Much compute and little memory, or the other way, or both.
Type MixedType(Random& random) {
  Type type;
  type.weight = random.LogNormal(1, 1);
  if (random.Chance(0.08)) {
    type.pod = MakeType(0, 0, random.Pick<int64_t>({{4000, 1}, {16'000, 1}, {32'000, 1}}), 16 * kGiB);
    return type;
  }
  if (random.Chance(0.08)) {
    const int cards = random.Pick<int>({{2, 1}, {4, 1}, {8, 1}});
    type.pod = MakeType(cards, 1000, cards * int64_t{12'000}, static_cast<uint64_t>(cards) * 64 * kGiB);
    type.pod.claims[0].locality = Locality::kAny;
    return type;
  }
  const bool wants_memory = random.Chance(0.5);
  const int milli =
      wants_memory ? 50 * static_cast<int>(1 + random.Below(6)) : 50 * static_cast<int>(6 + random.Below(15));
  const uint64_t gib = wants_memory ? 12 + 4 * random.Below(9) : 2 + 2 * random.Below(6);
  type.pod = MakeType(1, milli, random.Pick<int64_t>({{1000, 2}, {2000, 3}, {4000, 3}, {8000, 1}}), 16 * kGiB);
  type.pod.claims[0].requests[0][0].memory_bytes = gib * kGiB;
  type.pod.claims[0].locality = Locality::kAny;
  return type;
}

Generated Mixed(const GenerateOptions& options) {
  constexpr int kTypes = 60;
  constexpr double kPoorInCpu = 0.25, kPlainPerCards = 1.0 / 16;
  Random random(options.seed);
  const double cards = options.cards == 0 ? kOpenbCards : static_cast<double>(options.cards);
  Generated made;
  for (const MixedNode& kind : kMixedNodes) {
    const auto count = std::lround(cards * kind.part / kind.cards);
    for (int64_t i = 0; i < count; ++i) {
      const bool is_poor = static_cast<double>(i) < static_cast<double>(count) * kPoorInCpu;
      made.nodes.push_back(MakeNode(made.nodes.size(), kind.cards, is_poor ? kind.cards * 2000 : kind.cpu_milli,
                                    kind.memory_gib * kGiB, kind.model, kind.card_gib * kGiB));
    }
  }
  const auto plain = std::lround(cards * kPlainPerCards);
  for (int64_t i = 0; i < plain; ++i) made.nodes.push_back(MakeNode(made.nodes.size(), 0, 128'000, 512 * kGiB, "", 0));
  std::vector<Type> types;
  for (int i = 0; i < kTypes; ++i) types.push_back(MixedType(random));
  made.pods = DrawPods(types, CardsOf(made.nodes), options.pods, random);
  return made;
}

Generated SuperPod(const GenerateOptions& options) {
  constexpr int kPerNode = 8;
  const int64_t cards = options.cards == 0 ? 15'488 : options.cards;
  const int64_t nodes = std::max<int64_t>(1, cards / kPerNode);
  const int64_t per_cabinet = cards <= 384 ? 4 : (cards <= 8192 ? 8 : 11);
  Random random(options.seed);
  Generated made;
  for (int64_t i = 0; i < nodes; ++i) {
    NodeSpec node = MakeNode(static_cast<size_t>(i), kPerNode, 192'000, 1536 * kGiB, "Ascend-950", 128 * kGiB, 2);
    node.topology = {{"supernode", "s0"}, {"cabinet", absl::StrFormat("c%03d", i / per_cabinet)}};
    made.nodes.push_back(std::move(node));
  }
  double asked = 0;
  for (int64_t gang = 0; asked < static_cast<double>(cards) * kAskedFor; ++gang) {
    const int64_t size = std::min<int64_t>(
        cards, random.Pick<int64_t>({{1, 40}, {8, 30}, {32, 15}, {64, 8}, {256, 4}, {1024, 2}, {4096, 1}}));
    const int64_t members = std::max<int64_t>(1, size / kPerNode);
    const auto per_member = static_cast<int>(size / members);
    PodSpec like =
        MakeType(per_member, 1000, per_member * int64_t{20'000}, static_cast<uint64_t>(per_member) * 64 * kGiB);
    if (members > 1) {
      like.gang = {absl::StrFormat("job-%05d", gang), static_cast<int>(members),
                   size <= per_cabinet * kPerNode ? "cabinet" : "supernode", random.Chance(0.5)};
    }
    like.preemptible = like.movable = random.Chance(0.4);
    like.priority = like.preemptible ? 0 : 100;
    like.duration_ns =
        std::clamp<int64_t>(static_cast<int64_t>(random.LogNormal(4 * kHour, 1.5)), 300, 1000 * kHour) * kSecond;
    for (int64_t i = 0; i < members; ++i) {
      PodSpec pod = like;
      Name(made.pods.size(), &pod);
      made.pods.push_back(std::move(pod));
    }
    asked += static_cast<double>(size);
  }
  return made;
}

}  // namespace

absl::StatusOr<Generated> Generate(absl::string_view kind, const GenerateOptions& options) {
  if (options.cards < 0 || options.cards > kMostCards || options.pods < 0 || options.pods > kMostPods) {
    return absl::InvalidArgumentError(
        absl::StrCat("at most ", kMostCards, " cards and ", kMostPods, " pods can be generated"));
  }
  if (kind == "openb-like") return OpenbLike(options);
  if (kind == "mixed") return Mixed(options);
  if (kind == "superpod") return SuperPod(options);
  return absl::InvalidArgumentError(
      absl::StrCat("there is no kind \"", kind, "\" of clusters; there are mixed, openb-like, superpod"));
}

}  // namespace xpool::sim
