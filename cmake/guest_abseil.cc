// Stands in for three members of Debian's static Abseil archives that cannot be linked into a shared library: they keep
// thread-local state by the local-exec model. Compiled into every guest library (xpool_guest_library), before the
// archives, so that the linker never takes those members. Cord sampling is off here; nothing else changes.
#include <sys/syscall.h>
#include <unistd.h>

#include "absl/base/internal/sysinfo.h"
#include "absl/strings/internal/cordz_functions.h"

namespace absl {
ABSL_NAMESPACE_BEGIN

namespace cord_internal {

constexpr int64_t kNever = int64_t{1} << 62;
thread_local int64_t cordz_next_sample = kNever;

bool cordz_should_profile_slow() {
  cordz_next_sample = kNever;
  return false;
}
int get_cordz_mean_interval() { return 1 << 30; }
void set_cordz_mean_interval(int) {}
void cordz_set_next_sample_for_testing(int64_t next_sample) { cordz_next_sample = next_sample; }

}  // namespace cord_internal

namespace base_internal {

int NumCPUs() {
  static const int count = static_cast<int>(sysconf(_SC_NPROCESSORS_CONF));
  return count;
}
double NominalCPUFrequency() { return 1.0; }
pid_t GetTID() { return static_cast<pid_t>(syscall(SYS_gettid)); }
pid_t GetCachedTID() {
  static thread_local pid_t thread_id = GetTID();
  return thread_id;
}

}  // namespace base_internal

ABSL_NAMESPACE_END
}  // namespace absl
