#include "sandbox/cgroup_layout.h"

#include <algorithm>
#include <map>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace xpool::sandbox {
namespace {

constexpr Controller kControllers[] = {Controller::kMemory, Controller::kPids, Controller::kCpu};

struct Mount {
  std::string root;  // the group that the mount shows at its top
  std::string point;
  bool version2 = false;
  std::vector<Controller> controllers;
};

bool HasWord(absl::string_view list, absl::string_view word) {
  const std::vector<absl::string_view> words = absl::StrSplit(list, ',');
  return std::find(words.begin(), words.end(), word) != words.end();
}

// A line of mountinfo: "36 35 0:30 ROOT POINT options [tags] - TYPE source super-options". Paths with a space are
// escaped there, and no cgroup mount has one.
std::optional<Mount> ParseMount(absl::string_view line) {
  const std::vector<absl::string_view> halves = absl::StrSplit(line, absl::MaxSplits(" - ", 1));
  if (halves.size() != 2) return std::nullopt;
  const std::vector<absl::string_view> place = absl::StrSplit(halves[0], ' ');
  const std::vector<absl::string_view> kind = absl::StrSplit(halves[1], ' ');
  if (place.size() < 5 || kind.size() < 3) return std::nullopt;
  Mount mount{std::string(place[3]), std::string(place[4]), kind[0] == "cgroup2", {}};
  if (mount.version2) return mount;
  if (kind[0] != "cgroup") return std::nullopt;
  for (const Controller controller : kControllers) {
    if (HasWord(kind[2], ControllerName(controller))) mount.controllers.push_back(controller);
  }
  if (mount.controllers.empty()) return std::nullopt;
  return mount;
}

// This process's group in each hierarchy, by the hierarchy's list of controllers ("" for version 2).
std::map<std::string, std::string> ParseOwnGroups(absl::string_view text) {
  std::map<std::string, std::string> groups;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() == 3) groups.emplace(fields[1], fields[2]);
  }
  return groups;
}

std::optional<std::string> OwnGroup(const Mount& mount, const std::map<std::string, std::string>& groups) {
  for (const auto& [controllers, group] : groups) {
    const bool same = mount.version2 ? controllers.empty() : HasWord(controllers, ControllerName(mount.controllers[0]));
    if (same) return group;
  }
  return std::nullopt;
}

// The group's directory below the mount point. In a container the mount's root may be the group itself.
std::string DirectoryOf(const Mount& mount, const std::string& group) {
  absl::string_view below = group;
  if (mount.root != "/" && (below == mount.root || absl::StartsWith(below, mount.root + "/"))) {
    below.remove_prefix(mount.root.size());
  }
  return absl::StrCat(mount.point, absl::StripSuffix(below, "/"));
}

}  // namespace

const char* ControllerName(Controller controller) {
  switch (controller) {
    case Controller::kMemory:
      return "memory";
    case Controller::kPids:
      return "pids";
    case Controller::kCpu:
      return "cpu";
  }
  return "";
}

absl::StatusOr<std::vector<CgroupHierarchy>> FindHierarchies(std::string_view mountinfo, std::string_view own_groups) {
  if (mountinfo.size() > kMaxCgroupTextBytes || own_groups.size() > kMaxCgroupTextBytes) {
    return absl::ResourceExhaustedError("the list of mounts is too long to look for control groups in");
  }
  const auto groups = ParseOwnGroups(absl::string_view(own_groups.data(), own_groups.size()));
  std::vector<CgroupHierarchy> found;
  for (const absl::string_view line : absl::StrSplit(absl::string_view(mountinfo.data(), mountinfo.size()), '\n')) {
    const std::optional<Mount> mount = ParseMount(line);
    const std::optional<std::string> group = mount ? OwnGroup(*mount, groups) : std::nullopt;
    if (!group) continue;
    const auto known = [&mount](const CgroupHierarchy& other) {
      return other.version2 == mount->version2 && other.controllers == mount->controllers;  // mounted twice
    };
    if (std::any_of(found.begin(), found.end(), known)) continue;
    found.push_back({mount->version2, DirectoryOf(*mount, *group), mount->controllers});
  }
  if (found.empty()) return absl::NotFoundError("no control groups are mounted (/sys/fs/cgroup)");
  std::stable_partition(found.begin(), found.end(), [](const CgroupHierarchy& each) { return !each.version2; });
  return found;
}

}  // namespace xpool::sandbox
