// What a worker must not be able to do: each attempt by itself.
#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <vector>

#include "scene.h"

namespace xpool::sandbox {

inline constexpr int kKilled = -1;

// The process that plays the agent; set in each child before its attempt.
inline pid_t agent_process = 0;

// Makes an attempt: an errno, 0 when it succeeded.
using Action = std::function<int(const Scene&)>;

// The result of a call that says by a negative number that it failed.
inline int Result(long returned) { return returned >= 0 ? 0 : errno; }

template <typename... Arguments>
int Raw(long number, Arguments... arguments) {
  return Result(syscall(number, arguments...));
}

// Makes a system call.
template <typename... Arguments>
Action Calls(long number, Arguments... arguments) {
  return [=](const Scene&) { return Raw(number, arguments...); };
}

struct Attempt {
  const char* name;
  // The errno it must fail with, or kKilled when it must end the process.
  int expected;
  Action make;
  int landlock = 0;             // the version that keeps it from a worker, 0: not Landlock does
  bool needs_own_user = false;  // not kept from a worker that has the agent's user
};

// Those that each kind of worker must fail in.
std::vector<Attempt> FileAttempts();
std::vector<Attempt> ProcessAttempts();
std::vector<Attempt> SocketAttempts();
std::vector<Attempt> KernelAttempts();
std::vector<Attempt> LimitAttempts();

}  // namespace xpool::sandbox
