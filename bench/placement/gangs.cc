// xpool_bench_gangs: large gangs, and evictions for one, in a SuperPoD of 15,488 cards that is in use. Prints JSON: how
// long the decision took, in milliseconds, for each case; members placed, or victims.
//
// The pool is in use by nodes (pods of eight cards) or by cards (pods of one to eight, at random), as the seed has it.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "scheduler/scheduler.h"
#include "sim/generate.h"
#include "sim/random.h"

namespace xpool::bench {
namespace {

using scheduler::Binding;
using scheduler::Effects;
using scheduler::PodSeen;
using scheduler::PodSpec;
using scheduler::Request;
using scheduler::Scheduler;

constexpr int kPerNode = 8;

PodSpec MakePod(const std::string& uid, int cards) {
  PodSpec pod{.uid = uid, .version = 1, .cpu_milli = cards * int64_t{20'000}, .memory_bytes = 64 * kGiB};
  pod.claims = {{.uid = uid + "/xpus", .requests = {{Request{.count = cards}}}}};
  return pod;
}

class Pool {
 public:
  Pool(double full, bool by_node, double preemptible, uint64_t seed)
      : random_(seed), scheduler_(scheduler::MakePolicy("bestfit", {}).value()) {
    const std::vector<scheduler::NodeSpec> nodes = sim::Generate("superpod", {.seed = seed}).value().nodes;
    for (const scheduler::NodeSpec& node : nodes) Tell(node);
    std::vector<size_t> order(nodes.size());
    std::iota(order.begin(), order.end(), size_t{0});
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random_.Below(i)]);
    const auto cards = static_cast<double>(nodes.size() * kPerNode);
    double used = 0;
    for (size_t i = 0; used < full * cards; i = (i + 1) % order.size()) {
      const std::string& node = nodes[order[i]].name;
      std::vector<uint8_t>& next = next_[node];
      const auto free = static_cast<int>(kPerNode - next.size());
      const int size = by_node ? kPerNode : static_cast<int>(1 + random_.Below(3));
      if (size > free) continue;
      PodSpec pod = MakePod("used-" + std::to_string(count_++), size);
      pod.preemptible = random_.Chance(preemptible);
      std::vector<uint8_t> xpus;
      for (int card = 0; card < size; ++card) {
        xpus.push_back(static_cast<uint8_t>(next.size()));
        next.push_back(xpus.back());
      }
      Tell(PodSeen{pod, Binding{node, {{pod.claims[0].uid, node, {0}, {xpus}}}}});
      now_ns_ += kNsPerSec;
      used += size;
    }
    now_ns_ += 3600 * kNsPerSec;
  }

  // Milliseconds, and how many were placed.
  nlohmann::json Place(int cards, int per_member) {
    Wait(cards, per_member);
    const int64_t start_ns = MonotonicNowNs();
    const std::optional<scheduler::Decision> decision = scheduler_.Decide(now_ns_);
    const double ms = static_cast<double>(MonotonicNowNs() - start_ns) / 1e6;
    return {{"ms", ms}, {"members", decision->placed.size()}, {"why", decision->why}};
  }

  nlohmann::json Evict(int cards, int per_member) {
    Wait(cards, per_member);
    scheduler_.Decide(now_ns_);
    const int64_t start_ns = MonotonicNowNs();
    const auto advice = scheduler_.PlanEvictions("gang", now_ns_, {.most_units = 1 << 16, .least_wait_ns = 0});
    const double ms = static_cast<double>(MonotonicNowNs() - start_ns) / 1e6;
    if (!advice.ok()) return {{"ms", ms}, {"victims", 0}, {"why", std::string(advice.status().message())}};
    return {{"ms", ms}, {"victims", advice->victims.size()}, {"cost", advice->cost}};
  }

 private:
  void Tell(const scheduler::Event& event) {
    Effects effects;
    if (!scheduler_.Apply(event, now_ns_, &effects).ok()) abort();
  }

  void Wait(int cards, int per_member) {
    for (int i = 0; i < cards / per_member; ++i) {
      PodSpec pod = MakePod("member-" + std::to_string(i), per_member);
      pod.gang = {"gang", cards / per_member, "supernode", true};
      pod.priority = 10;
      Tell(PodSeen{pod, std::nullopt});
    }
  }

  sim::Random random_;
  Scheduler scheduler_;
  int64_t now_ns_ = kNsPerSec;
  int64_t count_ = 0;
  std::map<std::string, std::vector<uint8_t>> next_;  // cards in use, by node
};

int Main(int argc, char** argv) {
  CLI::App app{"Speed of gang placement"};
  uint64_t seed = 1;
  app.add_option("--seed", seed, "Of what is in use");
  CLI11_PARSE(app, argc, argv);
  const nlohmann::json json = {
      {"place_4096_by_node", Pool(0.7, true, 0.5, seed).Place(4096, 8)},
      {"place_4096_by_card", Pool(0.7, false, 0.5, seed).Place(4096, 1)},
      {"place_8192_by_node", Pool(0.4, true, 0.5, seed).Place(8192, 8)},
      {"place_8192_by_card", Pool(0.4, false, 0.5, seed).Place(8192, 1)},
      {"evict_8192_by_node", Pool(0.7, true, 0.5, seed).Evict(8192, 8)},
      {"evict_8192_by_card", Pool(0.7, false, 0.5, seed).Evict(8192, 1)},
      {"evict_8192_by_card_for_nodes", Pool(0.7, false, 0.95, seed).Evict(8192, 8)},
  };
  printf("%s\n", json.dump(2).c_str());
  return 0;
}

}  // namespace
}  // namespace xpool::bench

int main(int argc, char** argv) { return xpool::bench::Main(argc, argv); }
