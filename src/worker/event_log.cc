#include "worker/event_log.h"

#include <algorithm>

#include "worker/queue_order.h"

namespace xpool::worker {

cl_int EventLog::StatusOf(cl_event event) const {
  cl_int status = CL_OUT_OF_RESOURCES;
  api_.clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(status), &status, nullptr);
  return status;
}

void EventLog::Add(wire::WireHandle queue, cl_command_queue driver_queue, uint64_t sequence, cl_event event) {
  api_.clRetainEvent(event);
  MutexLock lock(&mutex_);
  const auto [found, is_new] = logs_.try_emplace(queue.bits);
  if (is_new) found->second.in_order = KeepsOrder(api_, driver_queue);
  found->second.entries.push_back({sequence, event});
  if (found->second.entries.size() > kMostEntries) DropEnded(&found->second);
}

// Forgets the oldest commands that went well: the client asks again if it wants to know. Those that failed stay.
void EventLog::DropEnded(QueueLog* log) {
  const auto ended = [this](const Entry& entry) { return StatusOf(entry.event) == CL_COMPLETE; };
  for (size_t i = 0; i < kMostEntries / 2 && !log->entries.empty() && ended(log->entries.front()); ++i) {
    told_.push_back(log->entries.front().event);
    log->entries.pop_front();
  }
}

wire_cl::Done EventLog::TakeDone(wire::WireHandle queue, uint64_t sequence, cl_int status, bool all_before) {
  wire_cl::Done done{queue, 0, {}};
  MutexLock lock(&mutex_);
  const auto found = logs_.find(queue.bits);
  if (found == logs_.end()) return done;
  QueueLog& log = found->second;
  if (!log.in_order && !all_before) {
    done.entries.push_back({sequence, status});
    const auto entry = std::find_if(log.entries.begin(), log.entries.end(),
                                    [&](const Entry& candidate) { return candidate.sequence == sequence; });
    if (entry == log.entries.end()) return done;
    told_.push_back(entry->event);
    log.entries.erase(entry);
    return done;
  }
  done.through = sequence;
  while (!log.entries.empty() && log.entries.front().sequence <= sequence) {
    const Entry& entry = log.entries.front();
    const cl_int ended = entry.sequence == sequence ? status : StatusOf(entry.event);
    if (ended < 0 && done.entries.size() < wire_cl::kMaxDoneEntries) done.entries.push_back({entry.sequence, ended});
    told_.push_back(entry.event);
    log.entries.pop_front();
  }
  if (log.entries.empty()) logs_.erase(found);
  return done;
}

void EventLog::ReleaseTold() {
  std::vector<cl_event> told;
  {
    MutexLock lock(&mutex_);
    told.swap(told_);
  }
  for (const cl_event event : told) api_.clReleaseEvent(event);
}

}  // namespace xpool::worker
