// What one thread does to itself to be confined: user, capabilities, no_new_privs, Landlock. Linux keeps all of these
// per thread, so each runs this (every_thread.h); threads and processes made later inherit them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace xpool::sandbox {

struct Confinement {
  bool changes_identity = false;  // REQUIRES then: this thread may change its user and group
  uid_t uid = 0;
  gid_t gid = 0;
  bool drops_bounding_set = false;
  int last_capability = 63;
  int landlock_ruleset = -1;  // a descriptor, or -1
  uint32_t landlock_flags = 0;
};

// Async-signal-safe (ThreadWork): |confinement| is a Confinement. 0, or what DescribeConfineError() puts into words.
int ConfineThisThread(const void* confinement);

std::string DescribeConfineError(int result);

// The highest capability the kernel knows; 63 when it cannot be found out.
int LastCapability();

}  // namespace xpool::sandbox
