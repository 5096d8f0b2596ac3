// Threads that each serve one new connection for a short while: a bounded number of them, and of those for one peer, so
// that whoever opens connections and says nothing takes up no more than its part. Thread-safe.
#pragma once

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "base/fd.h"
#include "base/mutex.h"

namespace xpool::gateway {

class HandlerThreads {
 public:
  HandlerThreads(int most, int most_each) : most_(most), most_each_(most_each) {}
  // Shuts down the sockets of those that run, and waits for them.
  ~HandlerThreads();

  // Runs |handle|(socket) on a thread of its own. False, with |socket| closed, when |peer| or all have too many, or
  // the system gives no thread.
  bool Run(const std::string& peer, UniqueFd socket, std::function<void(UniqueFd)> handle);

 private:
  void Done(const std::string& peer, int socket);

  const int most_;
  const int most_each_;
  Mutex mutex_;
  CondVar changed_;
  absl::flat_hash_map<std::string, int> running_ ABSL_GUARDED_BY(mutex_);  // by peer
  absl::flat_hash_set<int> sockets_ ABSL_GUARDED_BY(mutex_);               // copies of the connections' descriptors
};

}  // namespace xpool::gateway
