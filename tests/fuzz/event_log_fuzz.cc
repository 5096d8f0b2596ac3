// Any text as an event log: what can be read is played, and a scheduler stands whatever it is told.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "sim/event_log.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kMost = 1 << 14;  // a log of a megabyte tests nothing more
  if (size > kMost) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(xpool::sim::Replay(text, "bestfit"));
  return 0;
}
