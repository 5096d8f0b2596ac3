#include "scheduler/queue/waiting_room.h"

#include <algorithm>
#include <utility>

namespace xpool::scheduler {

WaitingRoom::Queue& WaitingRoom::QueueOf(const std::string& name) {
  const auto [found, is_new] = queues_.try_emplace(name);
  if (is_new) found->second.spec.name = name;
  return found->second;
}

WaitingRoom::Turn WaitingRoom::TurnOf(UnitId unit) const {
  const Unit& of = units_.at(unit);
  return {of.entry.priority, of.sequence, unit};
}

void WaitingRoom::Add(UnitId unit, const Entry& entry) {
  Unit& added = units_[unit];
  added.entry = entry;
  added.sequence = ++sequence_;
  MakeReady(unit);
}

void WaitingRoom::Leave(UnitId unit) {
  Unit& of = units_.at(unit);
  switch (std::exchange(of.state, State::kTaken)) {
    case State::kTaken:
      break;
    case State::kReady:
      QueueOf(of.entry.queue).ready.erase(TurnOf(unit));
      --ready_count_;
      break;
    case State::kQuota:
      QueueOf(of.entry.queue).waits_for_quota.erase(TurnOf(unit));
      break;
    case State::kBlocked:
      for (const Want& want : of.wants) {
        const auto found = wants_.find(want);
        if (found == wants_.end()) continue;  // it was named twice
        found->second.erase(TurnOf(unit));
        if (found->second.empty()) wants_.erase(found);
      }
      break;
    case State::kSittingOut:
      due_.erase({of.until_ns, unit});
      break;
  }
}

void WaitingRoom::Remove(UnitId unit) {
  if (!units_.contains(unit)) return;
  Leave(unit);
  units_.erase(unit);
}

void WaitingRoom::MakeReady(UnitId unit) {
  Leave(unit);
  Unit& of = units_.at(unit);
  of.state = State::kReady;
  QueueOf(of.entry.queue).ready.insert(TurnOf(unit));
  ++ready_count_;
}

std::optional<UnitId> WaitingRoom::TakeNext(const QueueOrder& order, int64_t now_ns,
                                            absl::FunctionRef<int64_t(const std::string&)> used_compute_milli) {
  std::vector<QueueHead> heads;
  for (const auto& [name, queue] : queues_) {
    if (queue.ready.empty()) continue;
    const Turn& first = *queue.ready.begin();
    heads.push_back(
        {&queue.spec, used_compute_milli(name), first.priority, first.sequence, units_.at(first.unit).entry.since_ns});
  }
  if (heads.empty()) return std::nullopt;
  const QueueHead& next = heads[heads.size() == 1 ? 0 : order.Next(heads, now_ns)];
  const UnitId unit = QueueOf(next.queue->name).ready.begin()->unit;
  Leave(unit);
  return unit;
}

void WaitingRoom::Block(UnitId unit, const std::vector<Want>& wants) {
  Leave(unit);
  Unit& of = units_.at(unit);
  of.state = State::kBlocked;
  of.wants = wants;
  for (const Want& want : of.wants) wants_[want].insert(TurnOf(unit));
}

void WaitingRoom::BlockForQuota(UnitId unit) {
  Leave(unit);
  Unit& of = units_.at(unit);
  of.state = State::kQuota;
  QueueOf(of.entry.queue).waits_for_quota.insert(TurnOf(unit));
}

void WaitingRoom::SitOut(UnitId unit, int64_t until_ns) {
  Leave(unit);
  Unit& of = units_.at(unit);
  of.state = State::kSittingOut;
  of.until_ns = until_ns;
  due_.insert({until_ns, unit});
}

void WaitingRoom::WakeWants(absl::FunctionRef<bool(const Want&)> helps, std::vector<UnitId>* woken) {
  std::vector<UnitId> first;
  for (const auto& [want, turns] : wants_) {
    if (helps(want)) first.push_back(turns.begin()->unit);
  }
  std::sort(first.begin(), first.end());
  for (const UnitId unit : first) {
    if (units_.at(unit).state != State::kBlocked) continue;  // helped twice
    MakeReady(unit);
    woken->push_back(unit);
  }
}

void WaitingRoom::WakeNextLike(const std::vector<Want>& wants, std::vector<UnitId>* woken) {
  for (const Want& want : wants) {
    const auto found = wants_.find(want);
    if (found == wants_.end()) continue;
    const UnitId unit = found->second.begin()->unit;
    MakeReady(unit);
    woken->push_back(unit);
  }
}

void WaitingRoom::WakeQueue(const std::string& queue, std::vector<UnitId>* woken) {
  const std::set<Turn>& waiting = QueueOf(queue).waits_for_quota;
  if (waiting.empty()) return;
  const UnitId unit = waiting.begin()->unit;
  MakeReady(unit);
  woken->push_back(unit);
}

void WaitingRoom::WakeDue(int64_t now_ns, std::vector<UnitId>* woken) {
  while (!due_.empty() && due_.begin()->first <= now_ns) {
    const UnitId unit = due_.begin()->second;
    MakeReady(unit);
    woken->push_back(unit);
  }
}

std::optional<int64_t> WaitingRoom::next_due_ns() const {
  return due_.empty() ? std::nullopt : std::optional(due_.begin()->first);
}

}  // namespace xpool::scheduler
