// A channel over UCX: RDMA where there is an adapter for it, shared memory within a machine. Part of
// xpool_transport_ucx; UCX is loaded at run time (ucx_library.h). Read ucx_options.h for whom it must not be used with.
//
// It begins as another channel, over which both sides tell each other where their UCX workers are: who the peer is, is
// as sure as that channel makes it. It stays open as the sign of life (ucx_control.h).
//
// Bytes are copied into a window (ucx_window.h) and leave as active messages. A peer that does not read makes this side
// hold a window's bytes, and no more. Waiting to send ends when a quarter of the window is free.
//
// An end takes some 15 descriptors, a window, and within a machine 4 MiB of shared memory (UCX's).
//
// Errors as channel.h says. OUT_OF_RANGE comes only after the peer's farewell and all it had sent, UNAVAILABLE
// otherwise: when its process died, or bytes are still missing after UcxControl::kGraceNs.
//
// Threading as in channel.h. No thread of its own, but UCX has one (ucx_library.h). A fork's child may destroy its
// copy, which closes its hold of the control channel and leaks the rest, and may do nothing else with it.
#pragma once

#include <memory>

#include "transport/bulk_lane.h"
#include "transport/channel.h"
#include "transport/ucx_options.h"

namespace xpool::transport {

class UcxChannel : public Channel {
 public:
  // UNAVAILABLE where there is no UCX, or none of the transports: worth asking before a peer is told to upgrade.
  static absl::Status Usable(const UcxOptions& options);

  // Both sides call this at the two ends of |control|, on which nothing is under way. Returns when messages get through
  // both ways. On an error |control| is closed. Besides Usable's errors: those of |control|; INVALID_ARGUMENT when the
  // peer does something else, FAILED_PRECONDITION when its version is another; DEADLINE_EXCEEDED.
  static absl::StatusOr<std::unique_ptr<UcxChannel>> Upgrade(std::unique_ptr<Channel> control,
                                                             const UcxOptions& options, const Deadline& deadline);

  // nullptr unless both sides' options have bulk. The channel's.
  virtual BulkLane* bulk() = 0;
};

}  // namespace xpool::transport
