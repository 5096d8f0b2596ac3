// Any bytes as what the kernel says of a thread, of the mounts and of this process's control groups, as the sandbox
// reads it. The first byte divides the rest between the latter two.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "check.h"
#include "input.h"
#include "sandbox/cgroup_layout.h"
#include "sandbox/thread_status.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace xpool::sandbox;
  using namespace xpool::fuzz;
  const std::string_view text = TextOf(data, size);
  const auto status = ParseThreadStatus(text);
  if (status.ok()) (void)CheckConfined(*status, {true, true, 1, 1});
  if (text.empty()) return 0;
  const size_t border = static_cast<uint8_t>(text[0]) * (text.size() - 1) / 255 + 1;
  const auto found = FindHierarchies(text.substr(1, border - 1), text.substr(border));
  Check(!found.ok() || !found->empty());
  for (size_t i = 0; found.ok() && i < found->size(); ++i) {
    Check((*found)[i].version2 || !(*found)[i].controllers.empty());
  }
  return 0;
}
