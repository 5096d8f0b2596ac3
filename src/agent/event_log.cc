#include "agent/event_log.h"

#include <spdlog/spdlog.h>

#include "agent/options.h"
#include "base/clock.h"

namespace xpool::agent {
namespace {

// Kinds that an operator should look into.
bool IsWarning(const std::string& kind) {
  return kind.starts_with("driver-") || kind.ends_with("-refused") || kind == "lease-overrun" ||
         kind == "session-garbage" || kind == "control-page-scribbled" || kind == "xpu-missing" ||
         kind == "memory-overcommitted";
}

}  // namespace

void EventLog::Add(Event event) {
  event.unix_ns = UnixNowNs();
  spdlog::log(IsWarning(event.kind) ? spdlog::level::warn : spdlog::level::info, "{}: {}", event.kind, event.message);
  MutexLock lock(&mutex_);
  event.sequence = ++last_sequence_;
  events_.push_back(std::move(event));
  if (events_.size() > kMaxEvents) events_.pop_front();
  added_.SignalAll();
}

std::vector<Event> EventLog::Last(size_t last) const {
  MutexLock lock(&mutex_);
  const size_t count = last == 0 ? events_.size() : std::min(last, events_.size());
  return {events_.end() - static_cast<std::ptrdiff_t>(count), events_.end()};
}

std::vector<Event> EventLog::WaitAfter(uint64_t sequence, int64_t timeout_ns) const {
  const int64_t deadline_ns = Clock::Monotonic()->NowNs() + timeout_ns;
  MutexLock lock(&mutex_);
  while (last_sequence_ <= sequence) {
    const int64_t left_ns = deadline_ns - Clock::Monotonic()->NowNs();
    if (left_ns <= 0 || !added_.WaitFor(&mutex_, left_ns)) break;
  }
  std::vector<Event> news;
  for (const Event& event : events_) {
    if (event.sequence > sequence) news.push_back(event);
  }
  return news;
}

}  // namespace xpool::agent
