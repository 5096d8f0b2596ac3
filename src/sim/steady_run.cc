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
#include "sim/fill_run.h"
#include "sim/random.h"

namespace xpool::sim {

using scheduler::Decision;
using scheduler::Effects;
using scheduler::PodSpec;
using scheduler::Scheduler;

namespace {

constexpr double kSecond = 1e9, kHour = 3600 * kSecond;
constexpr int64_t kHourNs = 3'600'000'000'000;
constexpr int64_t kMostArrivals = 20'000'000;
constexpr double kLatest = 9e18;  // ns

// A pod, or the members of a gang, which arrive and depart together.
using Job = std::vector<const PodSpec*>;

double CardsOf(const Job& job) {
  double cards = 0;
  for (const PodSpec* pod : job) cards += CardsOf(*pod);
  return cards;
}

class SteadyRun {
 public:
  SteadyRun(const Cluster& cluster, const Workload& workload, double carried_pct, const SteadyOptions& options)
      : mix_(MixInParts(workload, {})),
        options_(options),
        random_(options.seed),
        scheduler_(std::make_unique<scheduler::BestFit>()) {
    for (const scheduler::NodeSpec& node : cluster.specs) cards_ += static_cast<double>(node.xpus.size());
    for (const PodSpec& pod : workload.specs) AddToJobs(pod);
    double card_ns = 0;
    const auto jobs = static_cast<double>(jobs_.size());
    for (const Job& job : jobs_) {
      const auto runtime = static_cast<double>(job[0]->duration_ns > 0 ? job[0]->duration_ns : kHourNs);
      mean_runtime_ns_ += runtime / jobs;
      card_ns += CardsOf(job) * runtime / jobs;
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
    size_t members;
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

  void AddToJobs(const PodSpec& pod) {
    if (pod.gang.name.empty()) {
      jobs_.push_back({&pod});
      return;
    }
    const auto [found, is_new] = job_of_gang_.try_emplace(pod.gang.name, jobs_.size());
    if (is_new) jobs_.emplace_back();
    jobs_[found->second].push_back(&pod);
  }

  // Names begin with the number of the job; that of a gang, or of a pod alone, is the number.
  static std::string NameOf(uint64_t job, size_t member, size_t members) {
    return members == 1 ? absl::StrCat(job) : absl::StrCat(job, ".", member);
  }
  static uint64_t NumberOf(const std::string& name) { return std::stoull(name); }

  absl::Status Arrive() {
    const Job& job = jobs_[random_.Below(jobs_.size())];
    const uint64_t number = ++count_;
    const int64_t said_ns = job[0]->duration_ns;
    const auto runtime_ns = said_ns > 0 ? said_ns : static_cast<int64_t>(random_.Exponential(kHour));
    waiting_[number] = {now_ns_, std::max<int64_t>(1, runtime_ns), CardsOf(job), job.size()};
    result_.arrived += is_counted();
    for (size_t member = 0; member < job.size(); ++member) {
      PodSpec pod = *job[member];
      pod.uid = NameOf(number, member, job.size());
      if (!pod.gang.name.empty()) {
        pod.gang.name = job.size() == 1 ? absl::StrCat(number, "g") : absl::StrCat(number);
        pod.gang.min_members = static_cast<int>(job.size());
      }
      pod.duration_ns = 0;  // nobody knows
      for (size_t i = 0; i < pod.claims.size(); ++i) pod.claims[i].uid = absl::StrCat(pod.uid, "/", i);
      RETURN_IF_ERROR(Tell(scheduler::PodSeen{pod, std::nullopt}));
    }
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
    for (size_t member = 0; member < running.members; ++member)
      RETURN_IF_ERROR(Tell(scheduler::PodGone{NameOf(number, member, running.members), 2}));
    return absl::OkStatus();
  }

  absl::Status DecideAll() {
    while (std::optional<Decision> decision = scheduler_.Decide(now_ns_)) {
      if (options_.log) options_.log({now_ns_, Decided{decision->unit, decision->placed}});
      if (decision->placed.empty()) continue;
      const scheduler::Placed& placed = decision->placed[0];
      const auto found = waiting_.find(NumberOf(decision->unit));
      const Waiting waited = found->second;
      const bool is_remote = !placed.claims.empty() && placed.claims[0].node != placed.node;
      if (waited.since_ns >= warm_ns_) {
        waits_ns_.push_back(static_cast<double>(now_ns_ - waited.since_ns));
        placed_with_cards_ += waited.cards > 0;
        placed_remote_ += is_remote;
      }
      running_[found->first] = {waited.cards, is_remote, waited.members};
      used_ += waited.cards;
      remote_ += is_remote ? waited.cards : 0;
      ends_.push({now_ns_ + waited.runtime_ns, found->first});
      waiting_.erase(found);
      for (const scheduler::Placed& member : decision->placed) RETURN_IF_ERROR(Tell(scheduler::Confirmed{member.pod}));
    }
    return absl::OkStatus();
  }

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
    size_t members;
  };

  std::vector<Job> jobs_;
  absl::flat_hash_map<std::string, size_t> job_of_gang_;
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
                                       double carried_pct, const SteadyOptions& options,
                                       absl::FunctionRef<void(double)> progress) {
  SteadyRun run(cluster, workload, carried_pct, options);
  RETURN_IF_ERROR(run.Plan());
  return run.Run(cluster, policy, progress);
}

}  // namespace xpool::sim
