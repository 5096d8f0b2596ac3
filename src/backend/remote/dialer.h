// How a client reaches the node that lends it a slice: opens a connection, says in the preamble what it is for, and
// makes it as secure as the address demands. Thread-safe.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "transport/channel.h"
#include "transport/deadline.h"
#include "wire/attach.h"

namespace xpool::remote {

class Dialer {
 public:
  virtual ~Dialer() = default;

  // A connection on which the preamble was sent. |session_id| and |worker_certificate| (PEM, as Attached has it) are of
  // a lane. Errors are the transport's; UNAVAILABLE and DEADLINE_EXCEEDED may pass.
  virtual absl::StatusOr<std::unique_ptr<transport::Channel>> Dial(wire::Purpose purpose, uint64_t session_id,
                                                                   const std::string& worker_certificate,
                                                                   const transport::Deadline& deadline) = 0;

  // The address as people write it.
  virtual std::string Describe() const = 0;

  // "host:port" of a node that other nodes can reach in the same way; "" if there is none.
  virtual std::string peer_address() const { return ""; }
};

// "unix:PATH" and "ring:PATH" (the agent's attach socket on this machine; lanes are then sockets or rings of shared
// memory), "tcp:HOST:PORT" (plain; |plain| says to where). INVALID_ARGUMENT for anything else.
absl::StatusOr<std::unique_ptr<Dialer>> MakePlainDialer(const std::string& address, bool plain_anywhere);

}  // namespace xpool::remote
