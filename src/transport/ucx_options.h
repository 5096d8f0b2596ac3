// What a UCX channel may use. Needs no UCX header, so whoever opens channels may include it.
//
// Read this before allowing UCX anywhere. A peer is trusted with this process's memory: UCX does not check the
// addresses in what it receives, and its rendezvous and RMA name addresses. What keeps others out is the transport:
//   shared memory  the kernel: processes of the same user (or root) alone, who could read and write ours anyway
//   InfiniBand     the adapter, by queue pair and key
//   tcp            nothing: UCX listens on a port of its own, asks nobody who he is, and writes to any address it is
//                  told. Everyone who reaches the port owns the process, so tcp must be asked for by name.
// Nor is anything encrypted. So UCX is for where plain TCP is allowed, and between sides that trust each other: never
// for serving a tenant who is not trusted.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace xpool::transport {

enum class PlainUcx {
  kThisMachine,  // shared memory, and the loopback device
  kAnywhere,     // any adapter: the caller was told explicitly that the network is safe
};

struct UcxOptions {
  static constexpr uint64_t kLeastWindowBytes = 4 * kKiB;
  static constexpr uint64_t kMostWindowBytes = 512 * kKiB;

  PlainUcx plain = PlainUcx::kThisMachine;
  // UCX's names with commas between them: "tcp", "sysv,cma". Empty: shared memory, and InfiniBand/RoCE where |plain|
  // allows it.
  std::string transports;
  // What the peer may have sent that was not received here yet; a power of two. A larger one would not fit into UCX's
  // shared-memory queue, whose sender spins while it is full.
  uint64_t window_bytes = kMostWindowBytes;
  // From this size on the receiver fetches a message (rendezvous) instead of being sent it; such a one, and SendAll
  // with it, waits until the receiver is in a call of its channel. 0: never; what is large is for the bulk lane.
  uint64_t rendezvous_bytes = 0;
  bool bulk = false;     // lets the peer write into memory registered for it (bulk_lane.h)
  int spin_rounds = -1;  // how often to look before sleeping; -1: by the number of cores this process may use
};

}  // namespace xpool::transport
