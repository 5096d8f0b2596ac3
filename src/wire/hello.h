// How a lane of a remote session is connected, the first time and again after its connection was lost: the client's
// first frame (behind the preamble, wire/attach.h) is a Hello, the server's first is a Welcome or a Refusal, after
// which it closes.
//
//   client                                      server
//   Hello, session and token, received n     ->
//                                            <- Welcome with the agreed version and limits, and what the server had
//                                               received on the lane
// After a resume each side sends again what the other has not received (wire/outbox.h). The first fields of each
// message (magic, versions) stay in every version of the protocol. Pure.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/attach.h"
#include "wire/frame.h"
#include "wire/limits.h"
#include "wire/version.h"
#include "wire/writer.h"

namespace xpool::wire {

enum class LaneKind : uint8_t { kCalls = 0, kBulk = 1 };

struct Hello {
  VersionRange versions;
  LaneKind lane = LaneKind::kCalls;
  Limits limits;  // what the client can take
  uint64_t session_id = 0;
  ResumeToken resume_token{};
  uint64_t received = 0;  // last sequence the client received on this lane

  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Welcome {
  uint16_t version = kMaxVersion;
  Limits limits;          // agreed
  uint64_t received = 0;  // last sequence the server received on this lane

  friend bool operator==(const Welcome&, const Welcome&) = default;
};

// Append one whole frame each.
absl::Status WriteHello(Writer* writer, const Hello& hello);
absl::Status WriteWelcome(Writer* writer, const Welcome& welcome);

// FAILED_PRECONDITION when the client speaks no version that this code does (answer with RefusalCode::kVersion);
// INVALID_ARGUMENT when the frame is no Hello or has limits nothing can work with.
absl::StatusOr<Hello> ReadHello(const Frame& frame);

// What the server answered to |hello|. OK only if version and limits are such as |hello| allows; INVALID_ARGUMENT
// otherwise. A Refusal is the status that RefusalStatus() makes of it.
absl::StatusOr<Welcome> ReadHelloAnswer(const Frame& frame, const Hello& hello);

}  // namespace xpool::wire
