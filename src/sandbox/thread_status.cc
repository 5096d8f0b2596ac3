#include "sandbox/thread_status.h"

#include <linux/seccomp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "base/status.h"

namespace xpool::sandbox {
namespace {

bool ParseIds(absl::string_view value, std::array<uint32_t, 4>& ids) {
  const std::vector<absl::string_view> fields = absl::StrSplit(value, absl::ByAnyChar(" \t"), absl::SkipEmpty());
  if (fields.size() != ids.size()) return false;
  return std::equal(fields.begin(), fields.end(), ids.begin(),
                    [](absl::string_view field, uint32_t& id) { return absl::SimpleAtoi(field, &id); });
}

bool ParseField(absl::string_view name, absl::string_view value, ThreadStatus& status) {
  uint32_t number = 0;
  if (name == "Uid") return ParseIds(value, status.uids);
  if (name == "Gid") return ParseIds(value, status.gids);
  if (name == "Threads") return absl::SimpleAtoi(value, &status.process_threads);
  if (name == "Seccomp") return absl::SimpleAtoi(value, &status.seccomp);
  if (name == "CapInh") return absl::SimpleHexAtoi(value, &status.inheritable);
  if (name == "CapPrm") return absl::SimpleHexAtoi(value, &status.permitted);
  if (name == "CapEff") return absl::SimpleHexAtoi(value, &status.effective);
  if (name == "CapBnd") return absl::SimpleHexAtoi(value, &status.bounding);
  if (name == "CapAmb") return absl::SimpleHexAtoi(value, &status.ambient);
  if (name == "NoNewPrivs") {
    if (!absl::SimpleAtoi(value, &number)) return false;
    status.no_new_privileges = number == 1;
    return true;
  }
  const std::vector<absl::string_view> groups = absl::StrSplit(value, ' ', absl::SkipEmpty());
  status.groups = static_cast<uint32_t>(groups.size());
  return name == "Groups";
}

constexpr absl::string_view kNeeded[] = {"Uid",    "Gid",    "Groups", "Threads",    "CapInh", "CapPrm",
                                         "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"};

absl::Status Unconfined(const char* what) { return absl::InternalError(absl::StrCat("it still has ", what)); }

}  // namespace

absl::StatusOr<ThreadStatus> ParseThreadStatus(std::string_view file) {
  const absl::string_view text(file.data(), file.size());
  if (text.size() > kMaxStatusBytes) return absl::DataLossError("a thread's status is longer than the kernel writes");
  ThreadStatus status;
  std::array<bool, std::size(kNeeded)> seen{};
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const size_t colon = line.find(':');
    if (colon == absl::string_view::npos) continue;
    const absl::string_view name = line.substr(0, colon);
    const auto needed = std::find(std::begin(kNeeded), std::end(kNeeded), name);
    if (needed == std::end(kNeeded)) continue;
    if (!ParseField(name, absl::StripAsciiWhitespace(line.substr(colon + 1)), status)) {
      return absl::DataLossError(absl::StrCat("a thread's status has no readable \"", name, "\""));
    }
    seen[static_cast<size_t>(needed - std::begin(kNeeded))] = true;
  }
  const auto missing = std::find(seen.begin(), seen.end(), false);
  if (missing == seen.end()) return status;
  return absl::DataLossError(absl::StrCat("a thread's status has no \"", kNeeded[missing - seen.begin()],
                                          "\"; the kernel is older than Linux 4.10 or lacks seccomp"));
}

absl::StatusOr<ThreadStatus> ReadThreadStatus(int fd) {
  std::string text(kMaxStatusBytes, '\0');
  const ssize_t got = pread(fd, text.data(), text.size(), 0);
  if (got < 0 && errno == ESRCH) return absl::NotFoundError("the thread has ended");
  if (got < 0) return ErrnoStatus("reading a thread's status");
  return ParseThreadStatus(std::string_view(text.data(), static_cast<size_t>(got)));
}

absl::Status CheckConfined(const ThreadStatus& status, const ExpectedStatus& expected) {
  if (!status.no_new_privileges) return Unconfined("no no_new_privs");
  if (status.seccomp != SECCOMP_MODE_FILTER) return Unconfined("no system-call filter");
  if ((status.permitted | status.effective | status.inheritable | status.ambient) != 0)
    return Unconfined("capabilities");
  if (expected.no_bounding_set && status.bounding != 0) return Unconfined("a capability bounding set");
  if (!expected.own_identity) return absl::OkStatus();
  const auto all = [](const std::array<uint32_t, 4>& ids, uint32_t id) {
    return std::all_of(ids.begin(), ids.end(), [id](uint32_t each) { return each == id; });
  };
  if (!all(status.uids, expected.uid)) return Unconfined("another user");
  if (!all(status.gids, expected.gid)) return Unconfined("another group");
  if (status.groups != 0) return Unconfined("supplementary groups");
  return absl::OkStatus();
}

}  // namespace xpool::sandbox
