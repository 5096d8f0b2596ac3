// The thread that sends a session's bulk data where nobody waits for it: what commands have read when they are done,
// what a program writes without waiting. Started with the first job; jobs are done in order. Thread-safe; Add() may be
// called from a driver's callback.
#pragma once

#include <cstdint>
#include <deque>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "base/mutex.h"
#include "lane/bulk_port.h"

namespace xpool::lane {

class BulkSender {
 public:
  // Puts something on the bulk lane (BulkPort::Send).
  using Job = absl::AnyInvocable<void()>;

  // |port| must outlive this.
  explicit BulkSender(BulkPort* port) : port_(port) {}
  ~BulkSender() { Stop(); }

  void Add(Job job);
  // Waits for the thread to end; jobs that are left are dropped. REQUIRES: the port has failed, so that nothing waits.
  void Stop();

 private:
  void Run();

  BulkPort* const port_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace xpool::lane
