// Gives the leases of one XPU: a thread at raised priority (where the system permits) that sleeps until a session
// rings, a deadline passes, or the agent has something to tell it. All lease decisions happen on that thread
// (LeaseTable); the public methods only leave a note for it and never wait, except View().
//
// Thread-safe. Idle, it has no timer running.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "agent/lease_table.h"
#include "agent/trace_log.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/mutex.h"
#include "base/thread_pins.h"

namespace xpool::agent {

class LeaseBroker {
 public:
  struct Hooks {
    std::function<void(Event)> event;
    std::function<void(SliceNumber)> drained;
  };

  // The hooks run on the broker's thread.
  static absl::StatusOr<std::unique_ptr<LeaseBroker>> Start(LeaseTable::Config config, Hooks hooks, const Clock* clock);
  // Stops the thread; leases stay as they are.
  ~LeaseBroker();

  void AddSlice(SliceNumber slice, const arbiter::Terms& terms);
  void SetTerms(SliceNumber slice, const arbiter::Terms& terms);
  void RemoveSlice(SliceNumber slice);
  void AddSession(std::shared_ptr<SessionLink> link, LeaseWord adopted);
  void RemoveSession(std::shared_ptr<SessionLink> link);
  void Open();

  // The slices as of now.
  std::vector<SliceLeaseView> View();

  const TraceLog& trace() const { return trace_; }

 private:
  using Note = std::function<void(int64_t now_ns)>;

  LeaseBroker(LeaseTable::Config config, Hooks hooks, const Clock* clock);
  absl::Status Init();
  absl::Status Watch(int fd, uint64_t tag, uint32_t events);
  void ShareCores(pid_t pid, bool share);
  void Run();
  void RunNotes();
  void ArmTimer();
  void Post(Note note);

  const Clock* const clock_;
  TraceLog trace_;
  std::map<pid_t, ThreadPins> pins_;  // the thread's
  LeaseTable table_;                  // the thread's
  UniqueFd epoll_, wake_, timer_;
  int64_t armed_ns_ = 0;  // the thread's
  Mutex mutex_;
  std::vector<Note> notes_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace xpool::agent
