// The threads of a process that are bound to one CPU each while the process itself is not, as a driver for CPUs binds
// its workers; and letting them go for a time. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <vector>

namespace xpool {

class ThreadPins {
 public:
  // Lets |pid|'s bound threads run wherever its main thread may. Best effort; only where the process's environment asks
  // PoCL to bind its workers (POCL_AFFINITY=1), so that a program's own bindings are left alone.
  void Release(pid_t pid);
  // Binds them again, those of them that still live.
  void Restore(pid_t pid);

 private:
  struct Pin {
    pid_t thread;
    int cpu;
  };
  std::vector<Pin> released_;
};

}  // namespace xpool
