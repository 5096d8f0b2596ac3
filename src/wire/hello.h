// How a lane of a remote session is attached: the client's first frame on a new connection is a Hello, the server's
// first is a Welcome or a Refusal, after which it closes.
//
//   client                                      server
//   Hello, session 0 (call lane)             ->             a new session
//   Hello, session and token, bulk lane      ->             its bulk lane, on a connection of its own
//   Hello, session and token, received n     ->             a lane resumed after its connection was lost
//                                            <- Welcome with the session, its token, the agreed version and limits,
//                                               and what the server had received on the lane
// After a resume each side replays what the other has not received (wire/resend_window.h).
//
// The first fields of each message (magic, versions) stay in every version of the protocol, as does all of Refusal, so
// that two that do not understand each other can say so. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/frame.h"
#include "wire/limits.h"
#include "wire/writer.h"

namespace xpool::wire {

inline constexpr uint32_t kWireMagic = 0x57505858;  // "XXPW"
inline constexpr uint16_t kMinVersion = 1;          // what this code speaks
inline constexpr uint16_t kMaxVersion = 1;
inline constexpr size_t kMaxSliceTokenBytes = 4096;
inline constexpr size_t kMaxProgramBytes = 255;

using ResumeToken = std::array<std::byte, 16>;  // random, made by the server, known to the session's client alone

enum class Lane : uint8_t { kCalls = 0, kBulk = 1 };

// Features are used when both sides have them.
inline constexpr uint64_t kFeatureResume = 1;    // keeps resend windows; a lost connection can be resumed
inline constexpr uint64_t kFeatureBulkLane = 2;  // takes a second connection for bulk

struct VersionRange {
  uint16_t min = kMinVersion;
  uint16_t max = kMaxVersion;

  friend bool operator==(const VersionRange&, const VersionRange&) = default;
};

struct Hello {
  VersionRange versions;
  Lane lane = Lane::kCalls;
  Limits limits;  // what the client can take
  uint64_t features = 0;
  uint64_t session_id = 0;  // 0: a new session, on the call lane
  ResumeToken resume_token{};
  uint64_t received = 0;               // last sequence the client received on this lane
  std::vector<std::byte> slice_token;  // what entitles to the slice; opaque here
  std::string program;                 // for `xpool ps`; printable

  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Welcome {
  uint16_t version = kMaxVersion;
  Limits limits;          // agreed
  uint64_t features = 0;  // agreed
  uint64_t session_id = 0;
  ResumeToken resume_token{};
  uint64_t received = 0;  // last sequence the server received on this lane

  friend bool operator==(const Welcome&, const Welcome&) = default;
};

enum class RefusalCode : uint32_t {
  kOther = 0,
  kVersion = 1,      // no common protocol version
  kBadHello = 2,     // not understood
  kNotEntitled = 3,  // the slice token is wrong or no longer good
  kNoSuchSlice = 4,
  kNoSuchSession = 5,  // nothing to resume: ended, or the token is wrong
  kBusy = 6,           // try again later
  kShuttingDown = 7,
};

struct Refusal {
  VersionRange versions;  // what the server speaks
  RefusalCode code = RefusalCode::kOther;
  std::string message;  // a sentence: what was refused, why, what to do; printable

  friend bool operator==(const Refusal&, const Refusal&) = default;
};

// Append one whole frame each. RESOURCE_EXHAUSTED if a token, name or sentence is longer than its bound.
absl::Status WriteHello(Writer* writer, const Hello& hello);
absl::Status WriteWelcome(Writer* writer, const Welcome& welcome);
absl::Status WriteRefusal(Writer* writer, const Refusal& refusal);

// FAILED_PRECONDITION when the client speaks no version that this code does (answer with RefusalCode::kVersion);
// INVALID_ARGUMENT when the frame is no Hello, has limits nothing can work with, or asks to attach what cannot be.
// Names in it are made printable.
absl::StatusOr<Hello> ReadHello(const Frame& frame);

// What the server answered to |hello|. OK only if version, limits, features and session are such as |hello| allows;
// INVALID_ARGUMENT otherwise. A Refusal is the status that RefusalStatus() makes of it.
absl::StatusOr<Welcome> ReadHelloAnswer(const Frame& frame, const Hello& hello);

// Any refusal, from a server of any version. A code that this version does not know becomes kOther.
absl::StatusOr<Refusal> ReadRefusal(const Frame& frame);

// Never OK: UNIMPLEMENTED (version), PERMISSION_DENIED, NOT_FOUND, UNAVAILABLE (try again), INTERNAL.
absl::Status RefusalStatus(const Refusal& refusal);

// The newest version of both, FAILED_PRECONDITION if there is none.
absl::StatusOr<uint16_t> CommonVersion(const VersionRange& ours, const VersionRange& theirs);

// Compares in a time that does not depend on where they differ.
bool SameToken(const ResumeToken& a, const ResumeToken& b);

}  // namespace xpool::wire
