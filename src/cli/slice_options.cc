#include "cli/slice_options.h"

#include "CLI/CLI.hpp"
#include "base/bytes.h"
#include "base/share.h"
#include "base/status.h"

namespace xpool::cli {
namespace {

absl::Status In(const char* option, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(option, ": ", status.message()));
}

absl::StatusOr<uint32_t> ParseShareOption(const char* option, const std::string& text) {
  if (text.empty()) return 0;
  absl::StatusOr<Share> share = Share::Parse(text);
  if (!share.ok()) return In(option, share.status());
  return static_cast<uint32_t>(share->basis_points());
}

// Sets the fields that resize and create have in common.
template <typename Message>
absl::Status Fill(const SliceOptions& options, Message& message) {
  ASSIGN_OR_RETURN(const uint32_t guarantee, ParseShareOption("--compute", options.compute));
  ASSIGN_OR_RETURN(const uint32_t limit, ParseShareOption("--limit", options.limit));
  if (guarantee != 0 && limit != 0 && limit < guarantee) {
    return absl::InvalidArgumentError(
        absl::StrCat("--limit ", options.limit, " is below --compute ", options.compute,
                     ": a slice cannot be promised more than it may use; raise --limit or lower --compute"));
  }
  message.set_guarantee_bp(guarantee);
  message.set_limit_bp(limit);
  if (!options.memory.empty()) {
    absl::StatusOr<uint64_t> bytes = ParseBytes(options.memory);
    if (!bytes.ok()) return In("--memory", bytes.status());
    message.set_memory_bytes(*bytes);
  }
  if (!options.priority.empty()) {
    ASSIGN_OR_RETURN(const v1::Priority priority, ParsePriority(options.priority));
    message.set_priority(priority);
  }
  return absl::OkStatus();
}

}  // namespace

void AddSliceOptions(CLI::App& app, SliceOptions& options, bool choose_xpu) {
  app.add_option("-c,--compute", options.compute,
                 "Guaranteed share of the XPU's time, such as 30% or 12.5%: what the slice gets when others want the "
                 "XPU too. Unused time of others may be used on top, up to --limit.")
      ->type_name("P%");
  app.add_option("-l,--limit", options.limit,
                 "Share that is never exceeded, also when nobody else wants the XPU. Equal to --compute: a strict "
                 "slice. Default 100%.")
      ->type_name("P%");
  app.add_option("-m,--memory", options.memory,
                 "Device memory that all programs of the slice together may hold, such as 512Mi or 2Gi; an allocation "
                 "past it fails with the API's own out-of-memory error.")
      ->type_name("SIZE");
  app.add_option("-p,--priority", options.priority,
                 "high, normal or low. A higher class runs first; shares count inside a class. Default normal.")
      ->type_name("CLASS");
  if (choose_xpu) {
    app.add_option("-x,--xpu", options.xpu,
                   "The XPU to cut the slice from, as 'xpool devices' lists it. Default: the one with most room.")
        ->type_name("ID");
  }
}

absl::StatusOr<v1::Priority> ParsePriority(std::string_view text) {
  if (text == "high") return v1::PRIORITY_HIGH;
  if (text == "normal") return v1::PRIORITY_NORMAL;
  if (text == "low") return v1::PRIORITY_LOW;
  return absl::InvalidArgumentError(
      absl::StrCat("--priority: there is no class \"", std::string(text), "\"; write high, normal or low"));
}

const char* PriorityName(v1::Priority priority) {
  if (priority == v1::PRIORITY_HIGH) return "high";
  return priority == v1::PRIORITY_LOW ? "low" : "normal";
}

absl::StatusOr<v1::SliceSpec> ToSpec(const SliceOptions& options) {
  v1::SliceSpec spec;
  RETURN_IF_ERROR(Fill(options, spec));
  spec.set_xpu_id(options.xpu);
  return spec;
}

absl::StatusOr<v1::ResizeSliceRequest> ToResize(const std::string& slice, const SliceOptions& options) {
  v1::ResizeSliceRequest request;
  RETURN_IF_ERROR(Fill(options, request));
  request.set_slice(slice);
  if (options.compute.empty() && options.limit.empty() && options.memory.empty() && options.priority.empty()) {
    return absl::InvalidArgumentError(
        "nothing to change: give one or more of --compute, --limit, --memory, --priority");
  }
  return request;
}

}  // namespace xpool::cli
