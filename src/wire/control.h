// The small control messages of a lane: acknowledgements, credit, heartbeat, the orderly end. Each is one control
// frame; none is resent, and none needs to be: numbers in them are totals, so that a later one makes up for a lost one.
// Pure.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/frame.h"
#include "wire/writer.h"

namespace xpool::wire {

inline constexpr size_t kMaxSentenceBytes = 1024;  // of a Refusal and a Goodbye

// Everything up to and with the frame |received| has arrived on this lane (wire/receive_window.h).
struct Ack {
  uint64_t received = 0;
};
// The sender of this has granted |granted_bytes| since the session began (wire/credits.h).
struct Credit {
  uint64_t granted_bytes = 0;
};
// To be answered by a Pong with the same cookie at once.
struct Ping {
  uint64_t cookie = 0;
};
struct Pong {
  uint64_t cookie = 0;
};
// Nothing comes after this; the session is over, and why.
struct Goodbye {
  uint32_t code = 0;    // absl::StatusCode; 0: as the peer wished
  std::string message;  // printable
};

// Append one whole frame. A sentence is cut to kMaxSentenceBytes.
void WriteControl(Writer* writer, const Ack& message);
void WriteControl(Writer* writer, const Credit& message);
void WriteControl(Writer* writer, const Ping& message);
void WriteControl(Writer* writer, const Pong& message);
void WriteControl(Writer* writer, const Goodbye& message);

// |frame| as a |Message|. INVALID_ARGUMENT if it is another message or not right to the last byte.
template <typename Message>
absl::StatusOr<Message> ReadControl(const Frame& frame);
template <>
absl::StatusOr<Ack> ReadControl<Ack>(const Frame& frame);
template <>
absl::StatusOr<Credit> ReadControl<Credit>(const Frame& frame);
template <>
absl::StatusOr<Ping> ReadControl<Ping>(const Frame& frame);
template <>
absl::StatusOr<Pong> ReadControl<Pong>(const Frame& frame);
template <>
absl::StatusOr<Goodbye> ReadControl<Goodbye>(const Frame& frame);

// OK if |frame| is a |control| frame.
absl::Status CheckControl(const Frame& frame, Control control, const char* name);

// |text| with everything but printable ASCII replaced by '?', cut to |max_bytes|: what a peer wrote reaches terminals.
std::string Printable(std::span<const std::byte> text, size_t max_bytes);

}  // namespace xpool::wire
