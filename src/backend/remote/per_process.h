// What there is one of in each process: a child of fork() makes its own, and leaves its parent's, whose mutexes may be
// held, alone. Never destroyed. Thread-safe; a static of constant initialization.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <atomic>

namespace xpool::remote {

template <typename T>
class PerProcess {
 public:
  // This process's, made with |args| if it has none. Two threads may each make one, of which one is dropped.
  template <typename... Args>
  T& Get(const Args&... args) {
    Made* made = made_.load(std::memory_order_acquire);
    while (made == nullptr || made->pid != getpid()) {
      auto* const fresh = new Made{getpid(), T(args...)};
      if (made_.compare_exchange_strong(made, fresh)) return fresh->object;
      delete fresh;
    }
    return made->object;
  }

 private:
  struct Made {
    const pid_t pid;
    T object;
  };
  std::atomic<Made*> made_{nullptr};
};

}  // namespace xpool::remote
