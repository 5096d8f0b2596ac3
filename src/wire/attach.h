// How a remote session begins. A client connects to the agent of the node with the card and says what the connection is
// for in a preamble, in the clear; then come TLS's handshake or the offer of a ring, where the preamble says so, and
// frames:
//
//   preamble kAttach:  Attach  ->            who wants a session on which slice
//                              <-  Attached | Refusal, then the server closes
//   preamble kLane:    Hello   ->            one for each lane of the session that Attached named (wire/hello.h)
//                              <-  Welcome | Refusal
//   preamble kRequest: Request ->            what `xpool` asks an agent of another node (wire/request.h)
//                              <-  Reply | Refusal, then the server closes
//   preamble kPeer:    Opening ->            a direct copy from another node's worker (wire/peer.h)
// An attaching connection ends in the agent. A lane's, and a peer's, is handed to the session's worker unread but for
// the preamble, so the preamble only says where to, and entitles to nothing: the worker asks for the session's token
// (the copy's), and under TLS for the client's certificate (the other worker's).
//
// The first fields of each message (magic, versions) stay in every version of the protocol, as does all of Refusal.
// Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/frame.h"
#include "wire/secret.h"
#include "wire/version.h"
#include "wire/writer.h"

namespace xpool::wire {

inline constexpr size_t kPreambleBytes = 24;
inline constexpr size_t kMaxSliceTokenBytes = 1024;
inline constexpr size_t kMaxNameBytes = 255;          // of a slice, a program, a node
inline constexpr size_t kMaxCertificateBytes = 4096;  // PEM text

enum class Purpose : uint8_t { kAttach = 1, kLane = 2, kPeer = 3, kRequest = 4 };
enum class Security : uint8_t { kPlain = 0, kTls = 1, kRing = 2 };

// u32 magic, u16 version of the preamble, u8 purpose, u8 security, u64 session, u64 zero; little-endian.
struct Preamble {
  Purpose purpose = Purpose::kAttach;
  Security security = Security::kPlain;
  uint64_t session_id = 0;  // of a lane and a peer; 0 otherwise

  friend bool operator==(const Preamble&, const Preamble&) = default;
};

std::array<std::byte, kPreambleBytes> EncodePreamble(const Preamble& preamble);
// INVALID_ARGUMENT for anything else than a preamble of this version.
absl::StatusOr<Preamble> DecodePreamble(std::span<const std::byte, kPreambleBytes> bytes);

using ResumeToken = std::array<std::byte, 16>;  // random, made by the server, known to the session's client alone

struct Attach {
  VersionRange versions;
  uint32_t api = 1;              // 1: OpenCL
  std::vector<std::byte> token;  // what entitles to the slice, opaque here; empty: the connection's credentials do
  std::string slice;             // its name or ID; empty: the token says it
  std::string program;           // for `xpool ps`; printable

  friend bool operator==(const Attach&, const Attach&) = default;
};

struct Attached {
  uint16_t version = kMaxVersion;
  uint64_t session_id = 0;
  ResumeToken resume_token{};
  std::string certificate;  // the worker's, to be found on its lanes when they are under TLS; PEM, empty otherwise
  std::string node, slice_id;
  uint64_t memory_limit_bytes = 0;  // of the slice

  friend bool operator==(const Attached&, const Attached&) = default;
};

enum class RefusalCode : uint32_t {
  kOther = 0,
  kVersion = 1,      // no common protocol version
  kBadHello = 2,     // not understood
  kNotEntitled = 3,  // the token is wrong or no longer good
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
absl::Status WriteAttach(Writer* writer, const Attach& attach);
absl::Status WriteAttached(Writer* writer, const Attached& attached);
absl::Status WriteRefusal(Writer* writer, const Refusal& refusal);

// FAILED_PRECONDITION when the client speaks no version that this code does (answer with RefusalCode::kVersion);
// INVALID_ARGUMENT when the frame is no Attach. Names in it are made printable.
absl::StatusOr<Attach> ReadAttach(const Frame& frame);
// A Refusal is the status that RefusalStatus() makes of it.
absl::StatusOr<Attached> ReadAttachAnswer(const Frame& frame, const Attach& attach);

// Any refusal, from a server of any version. A code that this version does not know becomes kOther.
absl::StatusOr<Refusal> ReadRefusal(const Frame& frame);

// Never OK: UNIMPLEMENTED (version), PERMISSION_DENIED, NOT_FOUND, UNAVAILABLE (try again), INTERNAL.
absl::Status RefusalStatus(const Refusal& refusal);
// The refusal that a client will read |status| from again, as far as codes go. REQUIRES: |status| is not OK.
Refusal RefusalFor(const absl::Status& status);

}  // namespace xpool::wire
