// Where on this machine control groups for workers can be made, worked out from what the kernel says: one hierarchy of
// version 2, several of version 1, or both side by side. See cgroups(7). Pure text in, plan out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace xpool::sandbox {

inline constexpr size_t kMaxCgroupTextBytes = size_t{1} << 20;

enum class Controller { kMemory, kPids, kCpu };
const char* ControllerName(Controller controller);

// A hierarchy, and the directory in it under which this process may make groups: its own group's.
struct CgroupHierarchy {
  bool version2 = false;
  std::string directory;
  std::vector<Controller>
      controllers;  // of the three; with version 2 what its directory could offer is looked up later
};

// From the texts of /proc/self/mountinfo and /proc/self/cgroup. NOT_FOUND when no hierarchy with one of the controllers
// is mounted; a version 2 hierarchy is always named, with no controllers as yet, as the last.
absl::StatusOr<std::vector<CgroupHierarchy>> FindHierarchies(std::string_view mountinfo, std::string_view own_groups);

}  // namespace xpool::sandbox
