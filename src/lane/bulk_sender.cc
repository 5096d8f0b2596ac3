#include "lane/bulk_sender.h"

#include <pthread.h>

#include <utility>

namespace xpool::lane {
namespace {

// Without a connection the lane keeps what it has until the next one, whose reader sends it: look again sometimes.
constexpr int64_t kLookAgainNs = 20 * kNsPerMs;

}  // namespace

void BulkSender::Add(Job job) {
  MutexLock lock(&mutex_);
  if (stopping_) return;
  jobs_.push_back(std::move(job));
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  changed_.Signal();
}

void BulkSender::Stop() {
  std::thread thread;
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.Signal();
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

void BulkSender::Run() {
  pthread_setname_np(pthread_self(), "xpool-bulk-out");
  bool unsent = false;
  while (true) {
    Job job;
    {
      MutexLock lock(&mutex_);
      while (jobs_.empty() && !stopping_) {
        if (!unsent) {
          changed_.Wait(&mutex_);
        } else if (!changed_.WaitFor(&mutex_, kLookAgainNs)) {
          break;
        }
      }
      if (stopping_) return;
      if (!jobs_.empty()) {
        job = std::move(jobs_.front());
        jobs_.pop_front();
      }
    }
    if (job) job();
    unsent = !port_->Pump(transport::Deadline::Never()).ok();
  }
}

}  // namespace xpool::lane
