// Control groups for workers: what bounds a worker with all the processes it starts, and ends them together. The
// agent's side, and best effort: where control groups cannot be made, UNAVAILABLE says why, and a worker has its
// resource limits alone (spec.h).
//
// A worker belongs in its group before it loads its driver: moving a process takes the kernel milliseconds, and version
// 1 leaves the memory used so far with the old group. Its limits can be set when its tenant is known.
//
// Works with version 2, version 1, and both mixed. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sandbox/cgroup_layout.h"

namespace xpool::sandbox {

struct CgroupLimits {
  std::optional<uint64_t> memory_bytes;  // swap included where it is counted
  std::optional<uint64_t> processes;     // and threads
  std::optional<uint32_t> cpu_weight;    // 1 to 10000, 100 is everybody's
};

class WorkerCgroup {
 public:
  WorkerCgroup(const WorkerCgroup&) = delete;
  WorkerCgroup& operator=(const WorkerCgroup&) = delete;
  ~WorkerCgroup();  // Kill() and Remove(), best effort

  // All or nothing: UNAVAILABLE names a limit whose controller there is not.
  absl::Status SetLimits(const CgroupLimits& limits);

  // Moves a process with its threads. For a worker that is not confined yet.
  absl::Status Add(pid_t process);

  // For Spec::cgroups.
  std::vector<std::string> directories() const;
  bool Has(Controller controller) const;

  // Ends every process in the group.
  absl::Status Kill();

  // UNAVAILABLE while processes are in it, also for the moment that ended ones take.
  absl::Status Remove();

 private:
  friend class CgroupTree;
  explicit WorkerCgroup(std::vector<CgroupHierarchy> groups) : groups_(std::move(groups)) {}

  const CgroupHierarchy* GroupOf(Controller controller) const;
  absl::Status SetMemory(const CgroupHierarchy& group, uint64_t bytes) const;

  std::vector<CgroupHierarchy> groups_;  // directories of this group; empty once removed
};

class CgroupTree {
 public:
  // Below this process's own groups. With version 2 its own group must offer the controllers to groups below, for which
  // no process may be in it: the agent moves itself to one called xpool-agent if it has to (systemd: Delegate=yes).
  // UNAVAILABLE when none of the three controllers can be had.
  static absl::StatusOr<CgroupTree> Open();

  // As Open(), in hierarchies found elsewhere: for tests.
  static absl::StatusOr<CgroupTree> OpenIn(std::vector<CgroupHierarchy> hierarchies);

  // INVALID_ARGUMENT for a name that is no plain file name; ALREADY_EXISTS when processes are in a group of that name.
  // An empty one, left over, is taken over.
  absl::StatusOr<std::unique_ptr<WorkerCgroup>> Create(const std::string& name) const;

  const std::vector<CgroupHierarchy>& hierarchies() const { return hierarchies_; }

 private:
  explicit CgroupTree(std::vector<CgroupHierarchy> hierarchies) : hierarchies_(std::move(hierarchies)) {}
  std::vector<CgroupHierarchy> hierarchies_;
};

}  // namespace xpool::sandbox
