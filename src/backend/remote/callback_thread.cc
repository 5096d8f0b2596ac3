#include "backend/remote/callback_thread.h"

#include <pthread.h>

#include <deque>
#include <thread>
#include <utility>

#include "backend/remote/per_process.h"
#include "base/mutex.h"

namespace xpool::remote {
namespace {

struct CallbackQueue {
  Mutex mutex;
  CondVar changed;
  std::deque<absl::AnyInvocable<void()>> callbacks ABSL_GUARDED_BY(mutex);
  bool running ABSL_GUARDED_BY(mutex) = false;

  void Run() {
    pthread_setname_np(pthread_self(), "xpool-callbacks");
    while (true) {
      absl::AnyInvocable<void()> callback;
      {
        MutexLock lock(&mutex);
        while (callbacks.empty()) changed.Wait(&mutex);
        callback = std::move(callbacks.front());
        callbacks.pop_front();
      }
      callback();
    }
  }
};

constinit PerProcess<CallbackQueue> of_process;

}  // namespace

void RunCallback(absl::AnyInvocable<void()> callback) {
  CallbackQueue& queue = of_process.Get();
  MutexLock lock(&queue.mutex);
  queue.callbacks.push_back(std::move(callback));
  if (!std::exchange(queue.running, true)) std::thread([&queue] { queue.Run(); }).detach();
  queue.changed.Signal();
}

}  // namespace xpool::remote
