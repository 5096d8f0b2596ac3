// UCX's context: what it knows of the machine's adapters and may use of them. One a process for each set of
// transports, made when first asked for and never destroyed. Included by the ucx_*.cc files alone.
//
// Thread-safe. Of no use in a fork's child, where asking for one is an error.
#pragma once

#include <sys/types.h>

#include "absl/status/statusor.h"
#include "transport/ucx_library.h"
#include "transport/ucx_options.h"

namespace xpool::transport {

class UcxContext {
 public:
  // INVALID_ARGUMENT for options that cannot be, UNAVAILABLE without UCX or when none of the transports is here,
  // FAILED_PRECONDITION in the child of a fork.
  static absl::StatusOr<const UcxContext*> Get(const UcxOptions& options);

  const UcxLibrary& ucx() const { return ucx_; }
  ucp_context_h handle() const { return handle_; }
  // False in a fork's child: then UCX must not be called, not even to free what it holds.
  bool IsOurs() const;

 private:
  UcxContext(const UcxLibrary& ucx, ucp_context_h handle);
  static absl::StatusOr<const UcxContext*> Make(const UcxOptions& options);

  const UcxLibrary& ucx_;
  const ucp_context_h handle_;
  const pid_t process_;
};

}  // namespace xpool::transport
