#include "arbiter/arbiter_simulation.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <queue>
#include <random>

#include "absl/strings/str_cat.h"

namespace xpool::arbiter {
namespace {

enum class Word { kNone, kBusy, kIdle, kRevoke };

struct Command {
  int64_t length_ns = 0;
  int64_t enqueued_ns = 0;
};

// One program and its shim.
struct Program {
  SimulatedClient spec;
  Word word = Word::kNone;
  bool tracked = false;
  bool wants = false;
  int64_t until_ns = 0;
  int64_t bound_ns = 0;
  int64_t idle_since_ns = 0;
  int64_t gap_ns = 0;
  std::deque<Command> ready;
  std::deque<Command> in_flight;
  int64_t inflight_ns = 0;
  double front_left_ns = 0;  // of the oldest in flight, at full speed
  uint64_t done_event = 0;   // the one that will find it complete; others are stale
  int64_t burst_left_ns = 0;
  int missing = 0;  // commands not outstanding because the program thinks
  int64_t last_progress_ns = 0;
  Word agent_saw = Word::kNone;
  ClientResult result;
  Usage at_window_start;
};

enum class EventKind { kAgent, kWatcher, kKernelDone, kEnqueue, kThought, kWindow };

struct Event {
  int64_t at_ns;
  uint64_t order;
  EventKind kind;
  size_t program;
  bool operator>(const Event& o) const { return at_ns != o.at_ns ? at_ns > o.at_ns : order > o.order; }
};

class Machine {
 public:
  explicit Machine(const SimulationSpec& spec) : spec_(spec), arbiter_(spec.options), random_(spec.seed) {
    programs_.resize(spec.clients.size());
    for (size_t i = 0; i < programs_.size(); ++i) {
      programs_[i].spec = spec.clients[i];
      arbiter_.Add(i, spec.clients[i].terms, 0);
      arbiter_.SetOccupancy(i, spec.clients[i].occupancy);
      Post(spec.clients[i].start_ns, EventKind::kThought, i);
    }
    Post(spec.warmup_ns, EventKind::kWindow, 0);
  }

  SimulationResult Run();

 private:
  uint64_t Post(int64_t at_ns, EventKind kind, size_t program) {
    events_.push({at_ns, order_, kind, program});
    return order_++;
  }
  void RingAgent() { Post(now_ns_ + spec_.doorbell_ns, EventKind::kAgent, 0); }
  void Handle(const Event& event);

  // The program.
  int64_t Exponential(int64_t mean_ns);
  void StartBurst(size_t i);
  void Enqueue(size_t i);
  void KernelDone(size_t i);

  // The XPU.
  void Progress();
  void ShareOut();
  void StartFront(Program& program);
  void PostDone(Program& program);

  // Its shim.
  void Pump(size_t i);
  bool Admit(Program& program);
  void Forward(size_t i);
  void Settle(Program& program);

  // The agent.
  void RunAgent();
  bool ReadWords();
  bool CarryOut(const Action& action);
  static int ClassOf(const Program& program) { return static_cast<int>(program.spec.terms.priority); }
  void CheckLeases();
  void Check();
  void Broken(std::string what);

  const SimulationSpec spec_;
  Arbiter arbiter_;
  std::mt19937_64 random_;
  std::vector<Program> programs_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  uint64_t order_ = 0;
  int64_t now_ns_ = 0;
  int64_t progressed_ns_ = 0;
  double speed_ = 1;  // of everything in flight
  int64_t agent_timer_ns_ = -1;
  int64_t unused_since_ns_ = -1;
  SimulationResult result_;
};

void Machine::Broken(std::string what) {
  if (result_.violation.empty()) result_.violation = absl::StrCat(what, " at ", now_ns_, " ns");
}

int64_t Machine::Exponential(int64_t mean_ns) {
  const double u = std::uniform_real_distribution<double>(1e-9, 1)(random_);
  return static_cast<int64_t>(-std::log(u) * static_cast<double>(mean_ns));
}

void Machine::StartBurst(size_t i) {
  Program& p = programs_[i];
  p.burst_left_ns = p.spec.mean_burst_ns > 0 ? Exponential(p.spec.mean_burst_ns) : 0;
  const int outstanding = static_cast<int>(p.ready.size() + p.in_flight.size());
  p.missing = 0;
  for (int n = outstanding; n < p.spec.depth; ++n) Enqueue(i);
}

void Machine::Enqueue(size_t i) {
  Program& p = programs_[i];
  if (p.spec.mean_burst_ns > 0 && p.burst_left_ns <= 0) {
    if (++p.missing == p.spec.depth) Post(now_ns_ + Exponential(p.spec.mean_think_ns), EventKind::kThought, i);
    return;
  }
  const double factor = 1 + p.spec.jitter * std::uniform_real_distribution<double>(-1, 1)(random_);
  const int64_t length_ns = std::max<int64_t>(1, static_cast<int64_t>(static_cast<double>(p.spec.kernel_ns) * factor));
  p.burst_left_ns -= length_ns;
  if (p.ready.empty() && p.in_flight.empty()) p.last_progress_ns = now_ns_;
  p.ready.push_back({length_ns, now_ns_});
  Pump(i);
}

void Machine::KernelDone(size_t i) {
  Program& p = programs_[i];
  const Command done = p.in_flight.front();
  p.in_flight.pop_front();
  p.inflight_ns -= done.length_ns;
  if (now_ns_ > spec_.warmup_ns) {
    p.result.work_ns += done.length_ns;
    p.result.completions++;
    p.result.longest_latency_ns = std::max(p.result.longest_latency_ns, now_ns_ - done.enqueued_ns);
    p.result.longest_wait_ns = std::max(p.result.longest_wait_ns, now_ns_ - p.last_progress_ns);
    result_.busy_ns += done.length_ns;
  }
  p.last_progress_ns = now_ns_;
  if (!p.in_flight.empty()) StartFront(p);
  Post(now_ns_ + p.spec.host_gap_ns, EventKind::kEnqueue, i);
  // A program that enqueues at once does so before its shim would find the queue dry.
  if (p.spec.host_gap_ns > 0 || p.spec.mean_burst_ns > 0) Pump(i);
}

bool Machine::Admit(Program& p) {
  if (p.word == Word::kIdle) {
    p.word = Word::kBusy;
    const int64_t gap_ns = now_ns_ - p.idle_since_ns;
    p.gap_ns = p.gap_ns == 0 ? gap_ns : p.gap_ns + (gap_ns - p.gap_ns) / 4;
  }
  if (p.word != Word::kBusy) return false;
  if (!p.tracked) return p.in_flight.empty() || p.inflight_ns < p.bound_ns;
  const int64_t left_ns = p.until_ns - now_ns_;
  return (p.in_flight.empty() && left_ns > 0) || p.inflight_ns < std::min(left_ns, p.bound_ns);
}

void Machine::Forward(size_t i) {
  Program& p = programs_[i];
  const bool starts = p.in_flight.empty();
  p.inflight_ns += p.ready.front().length_ns;
  p.in_flight.push_back(p.ready.front());
  p.ready.pop_front();
  if (starts) StartFront(p);
}

void Machine::StartFront(Program& p) {
  p.front_left_ns = static_cast<double>(p.in_flight.front().length_ns);
  PostDone(p);
}

void Machine::PostDone(Program& p) {
  const auto left_ns = static_cast<int64_t>(std::ceil(p.front_left_ns / speed_ - 1e-6));
  p.done_event = Post(now_ns_ + std::max<int64_t>(0, left_ns), EventKind::kKernelDone, &p - programs_.data());
}

// What is in flight gets on until now.
void Machine::Progress() {
  const double done_ns = static_cast<double>(now_ns_ - progressed_ns_) * speed_;
  for (Program& p : programs_) p.front_left_ns -= p.in_flight.empty() ? 0 : done_ns;
  progressed_ns_ = now_ns_;
}

// Where more is in flight than the XPU holds, all of it slows down alike.
void Machine::ShareOut() {
  double occupied = 0;
  for (const Program& p : programs_) occupied += p.in_flight.empty() ? 0 : p.spec.occupancy;
  const double speed = 1 / std::max(1.0, occupied);
  if (std::abs(speed - speed_) < 1e-9) return;
  speed_ = speed;
  for (Program& p : programs_) {
    if (!p.in_flight.empty()) PostDone(p);
  }
}

void Machine::Pump(size_t i) {
  while (!programs_[i].ready.empty() && Admit(programs_[i])) Forward(i);
  Settle(programs_[i]);
}

void Machine::Settle(Program& p) {
  if (p.in_flight.empty()) {
    const bool over = p.word == Word::kRevoke || (p.word == Word::kBusy && p.tracked && now_ns_ >= p.until_ns);
    if (over) {
      p.word = Word::kNone;
      RingAgent();
    } else if (p.word == Word::kBusy && p.tracked && p.ready.empty()) {
      p.word = Word::kIdle;
      p.idle_since_ns = now_ns_;
      RingAgent();
    }
  }
  if (p.word == Word::kNone && !p.ready.empty() && !p.wants) {
    p.wants = true;
    RingAgent();
  }
}

bool Machine::ReadWords() {
  bool changed = false;
  for (size_t i = 0; i < programs_.size(); ++i) {
    Program& p = programs_[i];
    arbiter_.SetGap(i, p.gap_ns);
    if (p.word != p.agent_saw || p.word == Word::kIdle) {
      if (p.word == Word::kNone) arbiter_.Returned(i, now_ns_);
      if (p.word == Word::kIdle) arbiter_.Idle(i, p.idle_since_ns, now_ns_);
      if (p.word == Word::kBusy) arbiter_.Busy(i, now_ns_);
      changed |= p.agent_saw != p.word;
      p.agent_saw = p.word;
    }
    if (p.wants && p.word == Word::kNone) arbiter_.Want(i, now_ns_);
  }
  return changed;
}

// Returns true when the arbiter must be asked again.
bool Machine::CarryOut(const Action& action) {
  Program& p = programs_[action.client];
  Post(now_ns_ + spec_.doorbell_ns, EventKind::kWatcher, action.client);
  switch (action.kind) {
    case ActionKind::kGrant:
      if (p.word != Word::kNone) Broken(absl::StrCat("a grant to ", action.client, ", which holds"));
      p.word = p.agent_saw = Word::kBusy;
      p.wants = false;
      [[fallthrough]];
    case ActionKind::kUpdate:
      p.tracked = action.tracked;
      p.until_ns = action.until_ns;
      p.bound_ns = action.inflight_bound_ns;
      return false;
    case ActionKind::kRevoke:
      if (p.word == Word::kBusy) p.word = p.agent_saw = Word::kRevoke;
      [[fallthrough]];
    case ActionKind::kTake:
      if (p.word == Word::kIdle) p.word = Word::kNone;
      if (action.kind == ActionKind::kTake && p.word == Word::kBusy) {
        arbiter_.Busy(action.client, now_ns_);
        p.agent_saw = Word::kBusy;
      }
      return p.word != Word::kRevoke;
  }
  return false;
}

void Machine::RunAgent() {
  bool again = true;
  for (int round = 0; again; ++round) {
    if (round > 100) return Broken("the arbiter does not come to rest");
    again = ReadWords();
    const std::vector<Action> actions = arbiter_.Decide(now_ns_);
    result_.decisions++;
    for (const Action& action : actions) again = CarryOut(action) || again;
  }
  const std::optional<int64_t> deadline_ns = arbiter_.NextDeadline();
  if (!deadline_ns.has_value()) return;
  if (*deadline_ns <= now_ns_) return Broken("a deadline that has passed");
  if (agent_timer_ns_ > now_ns_ && agent_timer_ns_ <= *deadline_ns) return;
  agent_timer_ns_ = *deadline_ns;
  Post(*deadline_ns, EventKind::kAgent, 0);
}

// Whether those of the highest class that holds may do so at once, and all others have been told to stop.
void Machine::CheckLeases() {
  int top = std::numeric_limits<int>::max();
  for (const Program& p : programs_) top = p.word == Word::kNone ? top : std::min(top, ClassOf(p));
  double leased = 0, guarantee = 0;
  int holders = 0;
  bool small = true;
  for (const Program& p : programs_) {
    if (p.word == Word::kNone) {
      if (!p.in_flight.empty()) Broken("work without a lease is in flight");
      continue;
    }
    if (ClassOf(p) > top) {
      if (p.word != Word::kRevoke) Broken("a lower class goes on beside a higher one");
      continue;
    }
    leased += p.spec.occupancy;
    guarantee = std::max(guarantee, p.spec.terms.guarantee.fraction());
    small = small && p.spec.occupancy <= 0.85 && p.spec.terms.limit == Share::Full();
    ++holders;
  }
  const bool together = leased <= 1 + 1e-9 || (small && leased <= 1.5 + 1e-9 && guarantee * leased <= 1 + 1e-9);
  if (holders > 1 && !together) Broken(absl::StrCat("leases for ", leased, " XPUs"));
}

void Machine::Check() {
  CheckLeases();
  int holders = 0;
  bool somebody_waits = false;
  for (const Program& p : programs_) {
    holders += p.word == Word::kNone ? 0 : 1;
    somebody_waits |= p.wants && p.spec.terms.limit == Share::Full();
  }
  if (holders > 0 || !somebody_waits) {
    unused_since_ns_ = -1;
  } else if (unused_since_ns_ < 0) {
    unused_since_ns_ = now_ns_;
  } else if (now_ns_ - unused_since_ns_ > 4 * spec_.doorbell_ns) {
    Broken("the XPU is free and somebody waits");
  }
}

void Machine::Handle(const Event& event) {
  switch (event.kind) {
    case EventKind::kAgent:
      return RunAgent();
    case EventKind::kWatcher:
      return Pump(event.program);
    case EventKind::kKernelDone:
      if (event.order == programs_[event.program].done_event) KernelDone(event.program);
      return;
    case EventKind::kEnqueue:
      return Enqueue(event.program);
    case EventKind::kThought:
      return StartBurst(event.program);
    case EventKind::kWindow:
      for (size_t i = 0; i < programs_.size(); ++i) programs_[i].at_window_start = arbiter_.UsageOf(i, now_ns_);
      return;
  }
}

SimulationResult Machine::Run() {
  const int64_t end_ns = spec_.warmup_ns + spec_.window_ns;
  while (!events_.empty() && events_.top().at_ns <= end_ns && result_.violation.empty()) {
    const Event event = events_.top();
    events_.pop();
    now_ns_ = event.at_ns;
    Progress();
    Handle(event);
    ShareOut();
    Check();
  }
  for (size_t i = 0; i < programs_.size(); ++i) {
    Program& p = programs_[i];
    const bool has_work = !p.ready.empty() || !p.in_flight.empty();
    if (has_work) p.result.longest_wait_ns = std::max(p.result.longest_wait_ns, end_ns - p.last_progress_ns);
    p.result.usage = arbiter_.UsageOf(i, end_ns);
    p.result.usage.held_ns -= p.at_window_start.held_ns;
    p.result.usage.contended_ns -= p.at_window_start.contended_ns;
    p.result.usage.waited_ns -= p.at_window_start.waited_ns;
    p.result.usage.leases -= p.at_window_start.leases;
    result_.clients.push_back(p.result);
  }
  return result_;
}

}  // namespace

double SimulationResult::ChargedShare(size_t client) const {
  double sum = 0;
  for (const ClientResult& c : clients) sum += static_cast<double>(c.usage.contended_ns);
  return sum > 0 ? static_cast<double>(clients[client].usage.contended_ns) / sum : 0;
}

double SimulationResult::WorkShare(size_t client) const {
  double sum = 0;
  for (const ClientResult& c : clients) sum += static_cast<double>(c.work_ns);
  return sum > 0 ? static_cast<double>(clients[client].work_ns) / sum : 0;
}

SimulationResult Simulate(const SimulationSpec& spec) { return Machine(spec).Run(); }

}  // namespace xpool::arbiter
