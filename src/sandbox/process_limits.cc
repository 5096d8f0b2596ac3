#include "sandbox/process_limits.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "base/fd.h"
#include "base/status.h"

namespace xpool::sandbox {
namespace {

absl::Status Lower(__rlimit_resource resource, const char* name, uint64_t value) {
  rlimit limit;
  if (getrlimit(resource, &limit) != 0) return ErrnoStatus(absl::StrCat("getrlimit(", name, ")"));
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, value);
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(resource, &limit) != 0) return ErrnoStatus(absl::StrCat("setrlimit(", name, ", ", value, ")"));
  return absl::OkStatus();
}

bool IsDevice(int fd) {
  struct stat info;
  return fstat(fd, &info) == 0 && S_ISCHR(info.st_mode) && isatty(fd) == 0;
}

}  // namespace

absl::Status CheckRoom(const Limits& limits) {
  uint64_t pages[6] = {};  // proc(5), statm: all, resident, shared, text, library, data
  std::ifstream file("/proc/self/statm");
  for (uint64_t& count : pages) file >> count;
  if (!file) return absl::InternalError("/proc/self/statm is not understood");
  const uint64_t page_bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const auto check = [page_bytes](const std::optional<uint64_t>& limit, uint64_t used_pages, const char* what) {
    if (!limit || *limit > used_pages * page_bytes) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("a worker cannot be limited to ", *limit, " bytes of ", what,
                                                   ": it uses ", used_pages * page_bytes, " now"));
  };
  RETURN_IF_ERROR(check(limits.address_space_bytes, pages[0], "address space"));
  return check(limits.data_bytes, pages[5], "data");
}

absl::Status LowerLimits(const Limits& limits, bool own_user) {
  RETURN_IF_ERROR(Lower(RLIMIT_CORE, "core", 0));
  RETURN_IF_ERROR(Lower(RLIMIT_RTPRIO, "real-time priority", 0));
  RETURN_IF_ERROR(Lower(RLIMIT_MSGQUEUE, "message queues", 0));
  RETURN_IF_ERROR(Lower(RLIMIT_NOFILE, "open files", limits.open_files));
  if (limits.file_bytes) RETURN_IF_ERROR(Lower(RLIMIT_FSIZE, "file size", *limits.file_bytes));
  if (limits.data_bytes) RETURN_IF_ERROR(Lower(RLIMIT_DATA, "data", *limits.data_bytes));
  if (limits.address_space_bytes) RETURN_IF_ERROR(Lower(RLIMIT_AS, "address space", *limits.address_space_bytes));
  if (limits.processes && own_user) RETURN_IF_ERROR(Lower(RLIMIT_NPROC, "processes", *limits.processes));
  return absl::OkStatus();
}

absl::Status JoinCgroups(const std::vector<std::string>& directories) {
  for (const std::string& directory : directories) {
    const std::string file = directory + "/cgroup.procs";
    const UniqueFd procs(open(file.c_str(), O_WRONLY | O_CLOEXEC));
    if (!procs.valid() || write(procs.get(), "0", 1) != 1) {
      return ErrnoStatus(absl::StrCat("joining the control group ", directory));
    }
  }
  return absl::OkStatus();
}

absl::Status CloseDescriptors(const std::vector<int>& keep, bool keep_devices) {
  DIR* const own = opendir("/proc/self/fd");
  if (own == nullptr) return ErrnoStatus("opening /proc/self/fd");
  std::vector<int> others;
  while (const dirent* entry = readdir(own)) {
    if (entry->d_name[0] == '.') continue;
    const int fd = static_cast<int>(std::strtol(entry->d_name, nullptr, 10));
    if (fd == dirfd(own) || std::find(keep.begin(), keep.end(), fd) != keep.end()) continue;
    if (!keep_devices || !IsDevice(fd)) others.push_back(fd);
  }
  closedir(own);
  for (const int fd : others) close(fd);
  return absl::OkStatus();
}

}  // namespace xpool::sandbox
