#include "sandbox/worker_cgroup.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/fd.h"
#include "base/process.h"
#include "base/status.h"

namespace xpool::sandbox {
namespace {

constexpr Controller kControllers[] = {Controller::kMemory, Controller::kPids, Controller::kCpu};
constexpr char kAgentGroup[] = "/xpool-agent";
constexpr size_t kMaxNameBytes = 64;
constexpr uint32_t kMaxWeight = 10000;
constexpr uint64_t kSharesOfWeight100 = 1024;  // version 1's cpu.shares
constexpr int kKillRounds = 100;               // processes may be forking meanwhile

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Control files take one write, and say by it what is wrong: 0 or an errno.
int Write(const std::string& path, const std::string& text) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return errno;
  return write(file.get(), text.data(), text.size()) < 0 ? errno : 0;
}

absl::Status WriteFailed(const std::string& path, const std::string& text, int error) {
  return absl::ErrnoToStatus(error, absl::StrCat("writing \"", text, "\" to ", path));
}

absl::Status WriteText(const std::string& path, const std::string& text) {
  const int error = Write(path, text);
  return error == 0 ? absl::OkStatus() : WriteFailed(path, text, error);
}

bool Offers(const std::string& file, Controller controller) {
  const std::string text = ReadText(file);
  const std::vector<std::string> names = absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  return std::find(names.begin(), names.end(), ControllerName(controller)) != names.end();
}

std::vector<pid_t> Processes(const std::string& directory) {
  std::ifstream file(directory + "/cgroup.procs");
  std::vector<pid_t> processes;
  for (pid_t process = 0; file >> process;) processes.push_back(process);
  return processes;
}

absl::Status MakeGroup(const std::string& directory) {
  if (mkdir(directory.c_str(), 0755) == 0) return absl::OkStatus();
  if (errno != EEXIST) return ErrnoStatus(absl::StrCat("making the control group ", directory));
  if (Processes(directory).empty()) return absl::OkStatus();
  return absl::AlreadyExistsError(absl::StrCat("there are processes in the control group ", directory));
}

// Offers a controller to groups below. A group with processes cannot, other than the root: then we move out of the way.
absl::Status Enable(const std::string& directory, Controller controller) {
  const std::string file = directory + "/cgroup.subtree_control";
  const std::string word = absl::StrCat("+", ControllerName(controller));
  if (Offers(file, controller)) return absl::OkStatus();
  const int error = Write(file, word);
  if (error == 0) return absl::OkStatus();
  if (error != EBUSY) return WriteFailed(file, word, error);
  if (mkdir((directory + kAgentGroup).c_str(), 0755) != 0 && errno != EEXIST) {
    return ErrnoStatus(absl::StrCat("making the control group ", directory, kAgentGroup));
  }
  RETURN_IF_ERROR(WriteText(absl::StrCat(directory, kAgentGroup, "/cgroup.procs"), "0"));
  return WriteText(file, word);
}

// Which controllers a version 2 hierarchy has for groups below |directory|; why not, for the others.
void FindVersion2(CgroupHierarchy& hierarchy, std::vector<std::string>& reasons) {
  for (const Controller controller : kControllers) {
    if (!Offers(hierarchy.directory + "/cgroup.controllers", controller)) continue;
    const absl::Status enabled = Enable(hierarchy.directory, controller);
    if (enabled.ok()) hierarchy.controllers.push_back(controller);
    if (!enabled.ok()) reasons.emplace_back(enabled.message());
  }
}

// Whether groups can be made in a version 1 hierarchy.
bool CanMakeGroups(const CgroupHierarchy& hierarchy, std::vector<std::string>& reasons) {
  if (access(hierarchy.directory.c_str(), W_OK) == 0) return true;
  reasons.emplace_back(ErrnoStatus(absl::StrCat("writing to ", hierarchy.directory)).message());
  return false;
}

bool IsPlainName(const std::string& name) {
  const auto plain = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= kMaxNameBytes && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), plain);
}

// A pidfd first, then a second look: the number may by then be another process's.
void KillMember(const std::string& directory, pid_t process) {
  const absl::StatusOr<UniqueFd> pidfd = OpenPidfd(process);
  if (!pidfd.ok()) return;
  const std::vector<pid_t> members = Processes(directory);
  if (std::find(members.begin(), members.end(), process) == members.end()) return;
  KillByPidfd(pidfd->get());
}

absl::Status KillGroup(const CgroupHierarchy& group) {
  if (group.version2 && WriteText(group.directory + "/cgroup.kill", "1").ok()) return absl::OkStatus();  // Linux 5.14
  for (int round = 0; round < kKillRounds; ++round) {
    const std::vector<pid_t> processes = Processes(group.directory);
    if (processes.empty()) return absl::OkStatus();
    for (const pid_t process : processes) KillMember(group.directory, process);
  }
  return absl::UnavailableError(absl::StrCat("processes in ", group.directory, " have yet to end"));
}

}  // namespace

WorkerCgroup::~WorkerCgroup() {
  (void)Kill();
  (void)Remove();
}

const CgroupHierarchy* WorkerCgroup::GroupOf(Controller controller) const {
  for (const CgroupHierarchy& group : groups_) {
    if (std::find(group.controllers.begin(), group.controllers.end(), controller) != group.controllers.end())
      return &group;
  }
  return nullptr;
}

bool WorkerCgroup::Has(Controller controller) const { return GroupOf(controller) != nullptr; }

std::vector<std::string> WorkerCgroup::directories() const {
  std::vector<std::string> directories;
  for (const CgroupHierarchy& group : groups_) directories.push_back(group.directory);
  return directories;
}

absl::Status WorkerCgroup::SetMemory(const CgroupHierarchy& group, uint64_t bytes) const {
  if (group.version2) {
    RETURN_IF_ERROR(WriteText(group.directory + "/memory.max", absl::StrCat(bytes)));
    const std::string swap = group.directory + "/memory.swap.max";
    if (access(swap.c_str(), F_OK) == 0) RETURN_IF_ERROR(WriteText(swap, "0"));
    return WriteText(group.directory + "/memory.oom.group", "1");
  }
  // Memory with swap can never be limited to less than memory alone: when it is raised, the sum goes first.
  const std::string sum = group.directory + "/memory.memsw.limit_in_bytes";
  const bool counts_swap = access(sum.c_str(), F_OK) == 0;
  const bool first = counts_swap && WriteText(sum, absl::StrCat(bytes)).ok();
  RETURN_IF_ERROR(WriteText(group.directory + "/memory.limit_in_bytes", absl::StrCat(bytes)));
  return counts_swap && !first ? WriteText(sum, absl::StrCat(bytes)) : absl::OkStatus();
}

absl::Status WorkerCgroup::SetLimits(const CgroupLimits& limits) {
  const auto check = [this](bool wanted, Controller controller) {
    if (!wanted || Has(controller)) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat("this machine has no ", ControllerName(controller), " control groups that the agent may make"));
  };
  RETURN_IF_ERROR(check(limits.memory_bytes.has_value(), Controller::kMemory));
  RETURN_IF_ERROR(check(limits.processes.has_value(), Controller::kPids));
  RETURN_IF_ERROR(check(limits.cpu_weight.has_value(), Controller::kCpu));
  if (limits.memory_bytes) RETURN_IF_ERROR(SetMemory(*GroupOf(Controller::kMemory), *limits.memory_bytes));
  if (limits.processes) {
    RETURN_IF_ERROR(WriteText(GroupOf(Controller::kPids)->directory + "/pids.max", absl::StrCat(*limits.processes)));
  }
  if (!limits.cpu_weight) return absl::OkStatus();
  const CgroupHierarchy& cpu = *GroupOf(Controller::kCpu);
  const uint64_t weight = std::clamp<uint64_t>(*limits.cpu_weight, 1, kMaxWeight);
  if (cpu.version2) return WriteText(cpu.directory + "/cpu.weight", absl::StrCat(weight));
  return WriteText(cpu.directory + "/cpu.shares",
                   absl::StrCat(std::max<uint64_t>(weight * kSharesOfWeight100 / 100, 2)));
}

absl::Status WorkerCgroup::Add(pid_t process) {
  for (const CgroupHierarchy& group : groups_) {
    RETURN_IF_ERROR(WriteText(group.directory + "/cgroup.procs", absl::StrCat(process)));
  }
  return absl::OkStatus();
}

absl::Status WorkerCgroup::Kill() {
  for (const CgroupHierarchy& group : groups_) RETURN_IF_ERROR(KillGroup(group));
  return absl::OkStatus();
}

absl::Status WorkerCgroup::Remove() {
  while (!groups_.empty()) {
    const std::string& directory = groups_.back().directory;
    if (rmdir(directory.c_str()) != 0 && errno != ENOENT) {
      const int error = errno;
      const absl::Status status = ErrnoStatus(absl::StrCat("removing the control group ", directory));
      return error == EBUSY ? absl::UnavailableError(status.message()) : status;
    }
    groups_.pop_back();
  }
  return absl::OkStatus();
}

absl::StatusOr<CgroupTree> CgroupTree::Open() {
  const absl::StatusOr<std::vector<CgroupHierarchy>> found =
      FindHierarchies(ReadText("/proc/self/mountinfo"), ReadText("/proc/self/cgroup"));
  if (!found.ok()) return absl::UnavailableError(found.status().message());
  return OpenIn(*found);
}

absl::StatusOr<CgroupTree> CgroupTree::OpenIn(std::vector<CgroupHierarchy> hierarchies) {
  std::vector<std::string> reasons;
  std::vector<CgroupHierarchy> usable;
  for (CgroupHierarchy& hierarchy : hierarchies) {
    if (hierarchy.version2) FindVersion2(hierarchy, reasons);
    if (hierarchy.controllers.empty()) continue;
    if (hierarchy.version2 || CanMakeGroups(hierarchy, reasons)) usable.push_back(std::move(hierarchy));
  }
  if (!usable.empty()) return CgroupTree(std::move(usable));
  if (reasons.empty()) reasons.emplace_back("none of memory, pids and cpu is available");
  return absl::UnavailableError(
      absl::StrCat("no control groups can be made for workers: ", absl::StrJoin(reasons, "; "),
                   ". Run the agent as root, or as a systemd service with Delegate=yes"));
}

absl::StatusOr<std::unique_ptr<WorkerCgroup>> CgroupTree::Create(const std::string& name) const {
  if (!IsPlainName(name))
    return absl::InvalidArgumentError("a control group's name is letters, digits, '-', '_' and '.'");
  std::unique_ptr<WorkerCgroup> group(new WorkerCgroup({}));
  for (const CgroupHierarchy& hierarchy : hierarchies_) {
    CgroupHierarchy own = hierarchy;
    own.directory = absl::StrCat(hierarchy.directory, "/", name);
    RETURN_IF_ERROR(MakeGroup(own.directory));
    group->groups_.push_back(std::move(own));
  }
  return group;
}

}  // namespace xpool::sandbox
