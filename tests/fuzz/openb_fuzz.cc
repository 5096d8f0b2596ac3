// Any text as a list of nodes, of pods and of arrivals; what can be read can be written and read again.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "check.h"
#include "sim/openb.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace xpool::sim;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  absl::StatusOr<Cluster> cluster = ParseNodes(text, "nodes");
  if (cluster.ok()) xpool::fuzz::Check(ParseNodes(PrintNodes(cluster->specs), "again").ok());
  xpool::scheduler::KindTable models;
  const absl::StatusOr<Workload> workload = ParsePods(text, "pods", &models);
  if (workload.ok()) xpool::fuzz::Check(ParsePods(PrintPods(workload->specs), "again", &models).ok());
  static_cast<void>(ParseEvents(text, "events", 10, 3));
  return 0;
}
