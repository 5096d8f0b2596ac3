// The system calls a profile allows without a look at their arguments, and those that end the process. Data alone;
// syscall_filter.cc adds what depends on arguments. Everything in neither list fails with EPERM.
#pragma once

#include <vector>

#include "sandbox/profile.h"

namespace xpool::sandbox {

std::vector<int> AllowedSyscalls(Profile profile, Sockets sockets);

// No driver asks for these by mistake: whoever does is attacking.
std::vector<int> FatalSyscalls();

// Fail with ENOSYS, upon which libc falls back to an older call that can be judged by its arguments.
std::vector<int> AbsentSyscalls();

}  // namespace xpool::sandbox
