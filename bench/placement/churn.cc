// xpool_bench_churn: a pool that is kept full, pods coming and going, through the whole scheduler: news of a pod, the
// decision with its explanation, its confirmation, and the end of another pod. Prints JSON: decisions per second over
// all of that, quantiles of what a decision alone took, in microseconds, and memory at the start and at the end.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "scheduler/scheduler.h"
#include "sim/generate.h"
#include "sim/random.h"

namespace xpool::bench {
namespace {

using scheduler::Confirmed;
using scheduler::Decision;
using scheduler::Effects;
using scheduler::NodeSpec;
using scheduler::PodGone;
using scheduler::PodSeen;
using scheduler::PodSpec;
using scheduler::Scheduler;

constexpr int kCards = 8;                  // of a node
constexpr int64_t kMostBlocked = 100'000;  // pods that find no place while the pool is filled

struct Options {
  int nodes = 2500;
  int64_t decisions = 300'000;
  double load = 0.9;
  uint64_t seed = 1;
  std::string policy = "xpool";
};

double ResidentMib() {
  std::ifstream statm("/proc/self/statm");
  uint64_t size = 0, resident = 0;
  statm >> size >> resident;
  constexpr uint64_t kPage = 4096;
  return static_cast<double>(resident * kPage) / static_cast<double>(kMiB);
}

NodeSpec MakeNode(int number) {
  constexpr const char* kModels[] = {"G2", "G3", "V100M32", "V100M16"};
  NodeSpec node{.name = "node-" + std::to_string(number),
                .version = 1,
                .cpu_milli = number % 3 == 0 ? 128'000 : 96'000,
                .memory_bytes = 768 * kGiB};
  for (int i = 0; i < kCards; ++i) node.xpus.push_back({.model = kModels[number % 4], .memory_bytes = 32 * kGiB});
  return node;
}

// How long things took, of any number of them: counted by powers of 1.02.
class Times {
 public:
  void Add(int64_t ns) {
    const auto bucket =
        static_cast<size_t>(std::log(static_cast<double>(std::max<int64_t>(1, ns))) / std::log(kFactor));
    ++counts_[std::min(bucket, counts_.size() - 1)];
    ++count_;
    sum_ns_ += ns;
    max_ns_ = std::max(max_ns_, ns);
  }
  int64_t count() const { return count_; }
  double mean_us() const { return static_cast<double>(sum_ns_) / static_cast<double>(count_) / 1e3; }
  double max_us() const { return static_cast<double>(max_ns_) / 1e3; }
  // The upper end of the bucket.
  double Quantile(double q) const {
    int64_t left = static_cast<int64_t>(q * static_cast<double>(count_));
    for (size_t i = 0; i < counts_.size(); ++i) {
      left -= counts_[i];
      if (left < 0) return std::pow(kFactor, static_cast<double>(i + 1)) / 1e3;
    }
    return max_us();
  }

 private:
  static constexpr double kFactor = 1.02;
  std::array<int64_t, 1500> counts_{};
  int64_t count_ = 0, sum_ns_ = 0, max_ns_ = 0;
};

class Churn {
 public:
  explicit Churn(const Options& options)
      : options_(options),
        random_(options.seed),
        types_(sim::Generate("openb-like", {.pods = 20'000, .seed = options.seed}).value().pods),
        scheduler_(scheduler::MakePolicy("bestfit", {}).value()) {
    for (int i = 0; i < options_.nodes; ++i) Tell(MakeNode(i));
    // The policy learns the mix from pods that come and go.
    for (int i = 0; i < 10'000; ++i) {
      PodSpec pod = NextPod();
      Tell(PodSeen{pod, std::nullopt});
      Tell(PodGone{pod.uid, 2});
    }
    scheduler_.SetPolicy(scheduler::MakePolicy(options_.policy, scheduler_.MakeOutlook()).value());
  }

  // False when so much cannot be in use.
  bool Fill() {
    while (used_ < options_.load * options_.nodes * kCards) {
      Arrive();
      if (blocked_ > kMostBlocked) return false;
    }
    took_ = {};
    blocked_ = 0;
    return true;
  }

  nlohmann::json Run() {
    const double before_mib = ResidentMib();
    const int64_t start_ns = MonotonicNowNs();
    for (int64_t i = 0; i < options_.decisions; ++i) {
      while (used_ >= options_.load * options_.nodes * kCards) Leave();
      Arrive();
    }
    const auto took_ns = static_cast<double>(MonotonicNowNs() - start_ns);
    const double after_mib = ResidentMib();
    const auto decisions = static_cast<double>(took_.count());
    return {{"per_second", decisions * static_cast<double>(kNsPerSec) / took_ns},
            {"decisions", took_.count()},
            {"blocked", blocked_},
            {"mean_us", took_.mean_us()},
            {"p50_us", took_.Quantile(0.5)},
            {"p99_us", took_.Quantile(0.99)},
            {"p999_us", took_.Quantile(0.999)},
            {"max_us", took_.max_us()},
            {"before_mib", before_mib},
            {"after_mib", after_mib}};
  }

 private:
  struct Running {
    std::string uid;
    double cards;
  };

  void Tell(const scheduler::Event& event) {
    Effects effects;
    if (!scheduler_.Apply(event, now_ns_, &effects).ok()) abort();
  }

  PodSpec NextPod() {
    PodSpec pod = types_[random_.Below(types_.size())];
    pod.uid = "pod-" + std::to_string(++count_);
    for (scheduler::ClaimSpec& claim : pod.claims) claim.uid = pod.uid + "/xpus";
    return pod;
  }

  void Arrive() {
    now_ns_ += kNsPerMs;
    const PodSpec pod = NextPod();
    Tell(PodSeen{pod, std::nullopt});
    for (;;) {
      const int64_t start_ns = MonotonicNowNs();
      const std::optional<Decision> decision = scheduler_.Decide(now_ns_);
      if (!decision.has_value()) break;
      took_.Add(MonotonicNowNs() - start_ns);
      if (decision->placed.empty()) {
        ++blocked_;
        Tell(PodGone{decision->unit, 2});  // it is not what is measured
        continue;
      }
      Tell(Confirmed{decision->unit});
      running_.push_back({decision->unit, scheduler::CardsOf(pod)});
      used_ += running_.back().cards;
    }
  }

  void Leave() {
    std::swap(running_[random_.Below(running_.size())], running_.back());
    used_ -= running_.back().cards;
    Tell(PodGone{running_.back().uid, 2});
    running_.pop_back();
  }

  const Options options_;
  sim::Random random_;
  const std::vector<PodSpec> types_;
  Scheduler scheduler_;
  int64_t now_ns_ = kNsPerSec;
  int64_t count_ = 0, blocked_ = 0;
  double used_ = 0;  // cards
  std::vector<Running> running_;
  Times took_;
};

int Main(int argc, char** argv) {
  CLI::App app{"Speed of placement decisions"};
  Options options;
  app.add_option("--nodes", options.nodes, "Nodes, of 8 cards each")->check(CLI::Range(1, 100'000));
  app.add_option("--decisions", options.decisions, "How many")->check(CLI::Range(int64_t{1}, int64_t{1} << 32));
  app.add_option("--load", options.load, "Part of the cards that is kept in use")->check(CLI::Range(0.01, 1.0));
  app.add_option("--policy", options.policy, "The policy");
  app.add_option("--seed", options.seed, "Of pods");
  CLI11_PARSE(app, argc, argv);
  Churn churn(options);
  if (!churn.Fill()) {
    fprintf(stderr, "xpool_bench_churn: no more than a lower --load can be reached\n");
    return 1;
  }
  printf("%s\n", churn.Run().dump().c_str());
  return 0;
}

}  // namespace
}  // namespace xpool::bench

int main(int argc, char** argv) { return xpool::bench::Main(argc, argv); }
