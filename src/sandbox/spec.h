// What a worker asks of its sandbox, and what it got. Values alone; enter.h does the work.
#pragma once

#include <sys/types.h>

#include <climits>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xpool::sandbox {

enum class Access {
  kRead,  // files and directories below; mapping code of libraries needs no more (Landlock does not tell it apart)
  kReadExecute,  // and execve of files
  kReadWrite,    // and creating, removing and renaming files and directories, but executing nothing
  kDevice,       // reading, writing and ioctl of a device file
};

// One file or directory (then with all below it) that stays in reach. Everything else cannot be opened.
struct PathRule {
  std::string path;
  Access access = Access::kRead;
  bool optional = false;  // skipped where it is not there; otherwise a missing path is an error
};

// Whole-process limits, lowered for good. Nothing is ever raised.
struct Limits {
  std::optional<uint64_t> address_space_bytes;  // not for drivers that reserve more than they use, as those of GPUs
  std::optional<uint64_t> data_bytes;           // private writable memory: heap, buffers on a CPU XPU, stacks
  std::optional<uint64_t> file_bytes;           // the largest file that can be written
  std::optional<uint64_t> processes;            // threads and processes of the user, so of all workers of one tenant
  uint64_t open_files = 512;
};

// A user and group of the tenant's own. Neither may be 0.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct Spec {
  // Must be given to a process that is root. Without it the worker stays the agent's user: files are then kept from it
  // by Landlock alone, and sockets and signals of that user's other processes as docs/sandbox.md says.
  std::optional<Identity> identity;
  // The tenant's directories, device files. What the driver itself needs is added from its profile.
  std::vector<PathRule> paths;
  Limits limits;
  // Control group directories to join, made by the agent (worker_cgroup.h). Joining costs milliseconds where processes
  // are many: an agent that starts a worker in its group leaves this empty.
  std::vector<std::string> cgroups;
  // Descriptors that stay open, where given; all others are closed, but for device files where the profile is for one
  // whose driver holds some. What is open already is beyond Landlock.
  std::optional<std::vector<int>> keep_fds;
  // Whether a kernel without Landlock is an error (UNAVAILABLE, before anything is changed) or a line in the report.
  bool require_landlock = true;
  // Landlock is used as if the kernel had no newer version of it than this: for tests.
  int landlock_abi_limit = INT_MAX;
};

struct Report {
  int threads = 0;                   // confined ones, this one included
  int landlock_abi = 0;              // the version in force, 0: none
  std::vector<std::string> missing;  // what could not be had, a sentence each
};

}  // namespace xpool::sandbox
