// The options by which people describe a slice, checked and turned into what the agent's API takes.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "xpool.pb.h"

namespace CLI {
class App;
}

namespace xpool::cli {

// As typed; empty: not given.
struct SliceOptions {
  std::string compute, limit, memory, priority, xpu;
};

// Adds --compute, --limit, --memory, --priority and, with |choose_xpu|, --xpu to |app|.
void AddSliceOptions(CLI::App& app, SliceOptions& options, bool choose_xpu);

absl::StatusOr<v1::Priority> ParsePriority(std::string_view text);
const char* PriorityName(v1::Priority priority);

// --limit alone is allowed (no guarantee, but never more than the limit). INVALID_ARGUMENT names the option.
absl::StatusOr<v1::SliceSpec> ToSpec(const SliceOptions& options);

// INVALID_ARGUMENT when nothing is to be changed.
absl::StatusOr<v1::ResizeSliceRequest> ToResize(const std::string& slice, const SliceOptions& options);

}  // namespace xpool::cli
