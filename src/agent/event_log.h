// The last kMaxEvents things that happened, for `xpool events` and for whoever follows; every event also goes to the
// log. Thread-safe. Never called on the way of a hand-over: it allocates and writes.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace xpool::agent {

struct Event {
  uint64_t sequence = 0;  // given by the log, from 1
  int64_t unix_ns = 0;    // given by the log
  std::string kind;
  std::string slice_id;
  uint64_t session_id = 0;
  std::string xpu_id;
  std::string message;
};

class EventLog {
 public:
  void Add(Event event);

  // The newest |last| events, oldest first; 0: all that are kept.
  std::vector<Event> Last(size_t last) const;

  // Events after |sequence|; waits up to |timeout_ns| for the first.
  std::vector<Event> WaitAfter(uint64_t sequence, int64_t timeout_ns) const;

 private:
  mutable Mutex mutex_;
  mutable CondVar added_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  uint64_t last_sequence_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace xpool::agent
