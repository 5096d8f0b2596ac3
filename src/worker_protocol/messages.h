// What an agent and its workers say to each other, over a SOCK_SEQPACKET socket of the agent's on which each worker
// connects (AgentPaths::worker_socket()):
//
//   worker                                  agent
//   Ready                               ->                  its driver is loaded; it has no tenant yet
//                                       <-  Start           the one session of its life
//   Started | Ended                     ->
//                                       <-  Lane + socket   a connection for the session; its preamble has been read
//   Report                              ->                  traffic, once a second while there is any
//   Dial                                ->                  to another node's worker: by itself it can connect nowhere
//                                       <-  Dialed + socket the agent has, if it was told to allow that
//                                       <-  End             the slice was deleted, say
//   Ended                               ->                  and then the process ends
//
// When the agent is started again, a worker that has a session connects again and says Serving. What a worker sends is
// as hostile as its tenant's kernels: the agent believes it nothing but what is about its own session. Pure.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/attach.h"

namespace xpool::worker {

inline constexpr size_t kMaxWorkerMessageBytes = 32 * 1024;
inline constexpr uint16_t kWorkerProtocolVersion = 1;

struct Ready {
  std::string driver_library;

  friend bool operator==(const Ready&, const Ready&) = default;
};

// Who the worker is to become, for sandbox::Spec.
struct Tenancy {
  bool confined = false;  // else nothing of the rest: there is no sandbox
  bool own_user = false;
  uid_t uid = 0;
  gid_t gid = 0;
  std::string cache_directory;      // the tenant's own, for what its kernels are compiled to
  std::string temporary_directory;  // the tenant's own
  uint64_t data_bytes = 0;          // of private memory at most

  friend bool operator==(const Tenancy&, const Tenancy&) = default;
};

struct Start {
  uint64_t session_id = 0;
  wire::ResumeToken token{};
  std::string slice;               // its ID
  std::string program;             // the client's, for `xpool ps`
  std::string client_certificate;  // PEM, whose holder may connect lanes; empty: lanes are not under TLS
  Tenancy tenancy;

  friend bool operator==(const Start&, const Start&) = default;
};

struct Started {
  std::string certificate;  // the worker's, PEM; empty: lanes are not under TLS
  uint64_t memory_limit_bytes = 0;
  std::vector<std::string> missing;  // what the sandbox lacks on this machine, a sentence each

  friend bool operator==(const Started&, const Started&) = default;
};

struct Lane {
  wire::Preamble preamble;

  friend bool operator==(const Lane&, const Lane&) = default;
};

// Counters only grow.
struct Report {
  uint64_t sent_bytes = 0, received_bytes = 0, calls = 0, connections = 0;
  int64_t round_trip_ns = 0;  // 0: not known yet

  friend bool operator==(const Report&, const Report&) = default;
};

struct End {
  std::string why;

  friend bool operator==(const End&, const End&) = default;
};

struct Ended {
  absl::StatusCode code = absl::StatusCode::kOk;  // kOk: the client said goodbye
  std::string why;

  friend bool operator==(const Ended&, const Ended&) = default;
};

struct Serving {
  uint64_t session_id = 0;

  friend bool operator==(const Serving&, const Serving&) = default;
};

// A connection to another node's worker, for a direct copy (wire/peer.h).
struct Dial {
  uint64_t request = 0;     // comes back in the answer
  std::string address;      // "host:port" of the other worker's agent
  wire::Preamble preamble;  // which the agent sends

  friend bool operator==(const Dial&, const Dial&) = default;
};

struct Dialed {
  uint64_t request = 0;
  absl::StatusCode code = absl::StatusCode::kOk;  // kOk: with the socket
  std::string why;

  friend bool operator==(const Dialed&, const Dialed&) = default;
};

using Message = std::variant<Ready, Start, Started, Lane, Report, End, Ended, Serving, Dial, Dialed>;

// RESOURCE_EXHAUSTED for what is longer than kMaxWorkerMessageBytes.
absl::StatusOr<std::vector<std::byte>> EncodeMessage(const Message& message);
// INVALID_ARGUMENT for anything but what EncodeMessage() writes; FAILED_PRECONDITION for another version of it.
absl::StatusOr<Message> DecodeMessage(std::span<const std::byte> bytes);

}  // namespace xpool::worker
