#include "sim/steady_run.h"

#include <algorithm>
#include <memory>
#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "scheduler/policies/classic.h"
#include "scheduler/scheduler.h"
#include "sim/bounds.h"
#include "sim/fill_run.h"
#include "sim/random.h"

namespace xpool::sim {

using scheduler::Decision;
using scheduler::Effects;
using scheduler::PodSpec;
using scheduler::Scheduler;

namespace {

constexpr double kSecond = 1e9, kHour = 3600 * kSecond;
constexpr int64_t kMostArrivals = 20'000'000;
constexpr double kLatest = 9e18;  // ns

double CardsOf(const PodSpec& pod) {
  double cards = 0;
  for (const scheduler::ClaimSpec& claim : pod.claims) {
    for (const auto& alternatives : claim.requests) cards += alternatives[0].count * alternatives[0].compute.fraction();
  }
  return cards;
}

class SteadyRun {
 public:
  SteadyRun(const Cluster& cluster, const Workload& workload, double carried_pct, const SteadyOptions& options)
      : workload_(workload),
        mix_(MixInParts(workload, {})),
        options_(options),
        random_(options.seed),
        scheduler_(std::make_unique<scheduler::BestFit>()) {
    for (const scheduler::NodeSpec& node : cluster.specs) cards_ += static_cast<double>(node.xpus.size());
    double card_ns = 0;
    for (const PodSpec& pod : workload.specs) {
      const double runtime = pod.duration_ns > 0 ? static_cast<double>(pod.duration_ns) : kHour;
      mean_runtime_ns_ += runtime / static_cast<double>(workload.specs.size());
      card_ns += CardsOf(pod) * runtime / static_cast<double>(workload.specs.size());
    }
    gap_ns_ = card_ns / (cards_ * carried_pct / 100 * options.load_pct / 100);
  }

  // To be called first.
  absl::Status Plan() {
    if (!(gap_ns_ > 0)) return absl::InvalidArgumentError("no pod needs a card, or no node has one");
    const double warm_ns = options_.warm_up * mean_runtime_ns_, end_ns = warm_ns + options_.counted * mean_runtime_ns_;
    if (!(warm_ns >= 0 && end_ns > warm_ns && end_ns / gap_ns_ < static_cast<double>(kMostArrivals) &&
          end_ns < kLatest)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "more than ", kMostArrivals, " pods would arrive; count fewer runtimes, or take a smaller pool"));
    }
    warm_ns_ = static_cast<int64_t>(warm_ns);
    end_ns_ = static_cast<int64_t>(end_ns);
    return absl::OkStatus();
  }

  absl::StatusOr<SteadyResult> Run(const Cluster& cluster, absl::string_view policy,
                                   absl::FunctionRef<void(double)> progress) {
    for (const scheduler::NodeSpec& node : cluster.specs) RETURN_IF_ERROR(Tell(node));
    RETURN_IF_ERROR(Choose(policy));
    double next_arrival = random_.Exponential(gap_ns_);
    int64_t events = 0;
    for (;;) {
      const auto arrival_ns = static_cast<int64_t>(next_arrival);
      const bool is_end = !ends_.empty() && ends_.top().first <= arrival_ns;
      MoveTo(is_end ? ends_.top().first : arrival_ns);
      if (now_ns_ >= end_ns_) break;
      if (is_end) {
        RETURN_IF_ERROR(Depart());
      } else {
        next_arrival += random_.Exponential(gap_ns_);
        RETURN_IF_ERROR(Arrive());
      }
      RETURN_IF_ERROR(DecideAll());
      if (++events % 4096 == 0) progress(static_cast<double>(now_ns_) / static_cast<double>(end_ns_));
    }
    return Result();
  }

 private:
  struct Waiting {
    int64_t since_ns;
    int64_t runtime_ns;
    double cards;
  };
  using End = std::pair<int64_t, uint64_t>;  // when, who

  absl::Status Choose(absl::string_view spec) {
    if (options_.log) options_.log({now_ns_, PolicyChosen{std::string(spec), mix_}});
    ASSIGN_OR_RETURN(auto policy, scheduler::MakePolicy(spec, {mix_, scheduler_.MakeOutlook().groups}));
    scheduler_.SetPolicy(std::move(policy));
    return absl::OkStatus();
  }

  absl::Status Tell(const scheduler::Event& event) {
    if (options_.log) options_.log({now_ns_, event});
    Effects effects;
    return scheduler_.Apply(event, now_ns_, &effects);
  }

  bool is_counted() const { return now_ns_ >= warm_ns_; }

  void MoveTo(int64_t to_ns) {
    const int64_t from = std::max(now_ns_, warm_ns_), to = std::min(to_ns, end_ns_);
    if (to > from) {
      used_card_ns_ += used_ * static_cast<double>(to - from);
      blocked_ns_ += static_cast<double>(waiting_.size()) * static_cast<double>(to - from);
      remote_card_ns_ += remote_ * static_cast<double>(to - from);
    }
    now_ns_ = to_ns;
  }

  absl::Status Arrive() {
    PodSpec pod = workload_.specs[random_.Below(workload_.specs.size())];
    const uint64_t number = ++count_;
    const auto runtime =
        static_cast<int64_t>(pod.duration_ns > 0 ? static_cast<double>(pod.duration_ns) : random_.Exponential(kHour));
    pod.uid = absl::StrCat(number);
    pod.gang = {};        // each for itself
    pod.duration_ns = 0;  // nobody knows
    for (size_t i = 0; i < pod.claims.size(); ++i) pod.claims[i].uid = absl::StrCat(number, "/", i);
    waiting_[number] = {now_ns_, std::max<int64_t>(1, runtime), CardsOf(pod)};
    result_.arrived += is_counted();
    RETURN_IF_ERROR(Tell(scheduler::PodSeen{pod, std::nullopt}));
    RETURN_IF_ERROR(DecideAll());
    result_.blocked += is_counted() && waiting_.contains(number);
    return absl::OkStatus();
  }

  absl::Status Depart() {
    const uint64_t number = ends_.top().second;
    ends_.pop();
    const Running running = running_.at(number);
    running_.erase(number);
    used_ -= running.cards;
    remote_ -= running.is_remote ? running.cards : 0;
    return Tell(scheduler::PodGone{absl::StrCat(number), 2});
  }

  absl::Status DecideAll() {
    while (std::optional<Decision> decision = scheduler_.Decide(now_ns_)) {
      if (options_.log) options_.log({now_ns_, Decided{decision->unit, decision->placed}});
      if (decision->placed.empty()) continue;
      const scheduler::Placed& placed = decision->placed[0];
      const auto found = waiting_.find(NumberOf(placed.pod));
      const Waiting waited = found->second;
      const bool is_remote = !placed.claims.empty() && placed.claims[0].node != placed.node;
      if (waited.since_ns >= warm_ns_) {
        waits_ns_.push_back(static_cast<double>(now_ns_ - waited.since_ns));
        placed_with_cards_ += waited.cards > 0;
        placed_remote_ += is_remote;
      }
      running_[found->first] = {waited.cards, is_remote};
      used_ += waited.cards;
      remote_ += is_remote ? waited.cards : 0;
      ends_.push({now_ns_ + waited.runtime_ns, found->first});
      waiting_.erase(found);
      RETURN_IF_ERROR(Tell(scheduler::Confirmed{placed.pod}));
    }
    return absl::OkStatus();
  }

  static uint64_t NumberOf(const std::string& uid) { return std::stoull(uid); }

  SteadyResult Result() {
    for (const auto& [number, waiting] : waiting_) {
      if (waiting.since_ns < warm_ns_) continue;
      ++result_.never_placed;
      waits_ns_.push_back(static_cast<double>(end_ns_ - waiting.since_ns));
    }
    std::sort(waits_ns_.begin(), waits_ns_.end());
    double sum = 0;
    for (const double wait : waits_ns_) sum += wait;
    if (!waits_ns_.empty()) {
      result_.mean_wait_s = sum / static_cast<double>(waits_ns_.size()) / kSecond;
      result_.p99_wait_s = waits_ns_[(waits_ns_.size() - 1) * 99 / 100] / kSecond;
    }
    result_.mean_blocked = blocked_ns_ / static_cast<double>(end_ns_ - warm_ns_);
    result_.used_pct = 100 * used_card_ns_ / (cards_ * static_cast<double>(end_ns_ - warm_ns_));
    result_.remote_pods_pct = placed_with_cards_ == 0 ? 0 : 100.0 * placed_remote_ / placed_with_cards_;
    result_.remote_compute_pct = used_card_ns_ > 0 ? 100 * remote_card_ns_ / used_card_ns_ : 0;
    return result_;
  }

  struct Running {
    double cards;
    bool is_remote;
  };

  const Workload& workload_;
  const scheduler::Mix mix_;
  const SteadyOptions options_;
  Random random_;
  Scheduler scheduler_;
  double cards_ = 0, mean_runtime_ns_ = 0, gap_ns_ = 0;
  int64_t warm_ns_ = 0, end_ns_ = 0, now_ns_ = 0;
  uint64_t count_ = 0;
  absl::flat_hash_map<uint64_t, Waiting> waiting_;
  absl::flat_hash_map<uint64_t, Running> running_;
  std::priority_queue<End, std::vector<End>, std::greater<>> ends_;
  double used_ = 0, remote_ = 0, used_card_ns_ = 0, remote_card_ns_ = 0, blocked_ns_ = 0;
  int64_t placed_with_cards_ = 0, placed_remote_ = 0;
  std::vector<double> waits_ns_;
  SteadyResult result_;
};

}  // namespace

absl::StatusOr<SteadyResult> RunSteady(const Cluster& cluster, const Workload& workload, absl::string_view policy,
                                       const SteadyOptions& options, absl::FunctionRef<void(double)> progress) {
  ASSIGN_OR_RETURN(const double carried_pct, CarriedPct(cluster, workload));
  SteadyRun run(cluster, workload, carried_pct, options);
  RETURN_IF_ERROR(run.Plan());
  return run.Run(cluster, policy, progress);
}

}  // namespace xpool::sim
