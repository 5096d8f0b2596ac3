// Frames: the pieces in which calls, answers, bulk data and control messages travel. A lane of a session is a stream of
// frames; each is a header of 16 bytes, little-endian, and a payload:
//
//   offset  size
//        0     4  length    of the payload
//        4     2  call      call and answer: the call's ID, or a notice's; bulk: 0; control: a Control
//        6     1  kind      a FrameKind
//        7     1  flags     frame flags below; which are allowed depends on the kind
//        8     8  sequence  call, answer, bulk: 1, 2, 3... per lane and direction; control: 0
//       16        payload
//
// An answer's payload begins with the u64 sequence of the call it answers; what follows, as what is in a call, is the
// API's generated codec's. Either side sends calls; from kFirstNotice on their IDs are the session's own and not the
// API's (wire_opencl/notices.h).
//
// A byte range longer than Limits::max_inline_bytes is named in its call or answer as {u64 transfer, u64 size} and
// travels on the bulk lane, transfer after transfer: first a frame with kFlagFirst whose payload says {u64 transfer,
// u64 size}, then frames that are nothing but data, of at most max_chunk_bytes, until the size is reached. Numbers of
// transfers are minted by the client (top bit 0) or the server (top bit 1), whoever of them names the transfer.
// Control frames are about their lane itself: not numbered, not resent (wire/control.h, wire/attach.h, wire/hello.h).
//
// Everything here is pure and thread-compatible.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/limits.h"
#include "wire/writer.h"

namespace xpool::wire {

inline constexpr size_t kFrameHeaderBytes = 16;
inline constexpr uint16_t kFirstNotice = 0xF000;
inline constexpr uint16_t kFirstControl = 0xFF00;

enum class FrameKind : uint8_t { kCall = 1, kAnswer = 2, kBulk = 3, kControl = 4 };

enum class Control : uint16_t {
  kHello = kFirstControl,
  kWelcome,
  kRefusal,
  kAttach,
  kAttached,
  kAck,
  kCredit,
  kPing,
  kPong,
  kGoodbye,
  kRequest,
  kReply,  // the last; new ones go after it, and DecodeHeader's check with them
};

inline constexpr uint8_t kFlagNeedsAnswer = 0x01;  // call: somebody waits for its answer
inline constexpr uint8_t kFlagFailed = 0x02;       // answer: the call failed; its outputs are absent
inline constexpr uint8_t kFlagFirst = 0x04;        // bulk: a transfer begins
inline constexpr uint8_t kFlagAckNow = 0x08;       // bulk: the sender waits for this frame's acknowledgement

struct FrameHeader {
  uint32_t length = 0;
  uint16_t call = 0;
  FrameKind kind{};
  uint8_t flags = 0;
  uint64_t sequence = 0;

  friend bool operator==(const FrameHeader&, const FrameHeader&) = default;
};

inline FrameHeader ControlHeader(Control control) {
  return {.call = static_cast<uint16_t>(control), .kind = FrameKind::kControl};
}

std::array<std::byte, kFrameHeaderBytes> EncodeHeader(const FrameHeader& header);

// The header in |bytes| if it keeps the rules above and its payload is at most |max_payload_bytes| long;
// INVALID_ARGUMENT with the rule it breaks otherwise.
absl::StatusOr<FrameHeader> DecodeHeader(std::span<const std::byte, kFrameHeaderBytes> bytes,
                                         uint32_t max_payload_bytes);

// Starts a frame in |writer|, after whatever is in it; what is written until EndFrame() is its payload. |header|.length
// is ignored.
Writer::Mark BeginFrame(Writer* writer, const FrameHeader& header);

// Ends the frame begun at |begun| and fills in its length. If it is longer than |max_payload_bytes|, or the writer
// failed meanwhile, the frame is taken out again (frames before it stay) and RESOURCE_EXHAUSTED says why.
absl::Status EndFrame(Writer* writer, const Writer::Mark& begun, uint32_t max_payload_bytes);

struct Frame {
  FrameHeader header;
  std::span<const std::byte> payload;
};

// Cuts a stream of bytes, given in pieces of any size, into frames.
//
//   std::span<const std::byte> input = received;
//   while (true) {
//     ASSIGN_OR_RETURN(const std::optional<Frame> frame, parser.Next(&input));
//     if (!frame.has_value()) break;  // all input used
//     ...
//   }
//
// A payload that is whole in one piece of input is not copied at all; one that comes in pieces is copied once, into a
// buffer of the announced length (which DecodeHeader has bounded before), or not at all if the pieces are read straight
// to Missing(). Nothing else is buffered.
class FrameParser {
 public:
  // Says where the payload of a frame goes whose header has just been read: a place of at least header.length bytes
  // that stays until the frame has been returned, or an empty span for the parser's own buffer.
  using Placement = std::function<std::span<std::byte>(const FrameHeader& header)>;

  explicit FrameParser(uint32_t max_payload_bytes, Placement placement = nullptr)
      : max_payload_bytes_(max_payload_bytes), placement_(std::move(placement)) {}

  // The next frame, taken from what the parser has and from the front of |*input|, which is moved past what was used;
  // nullopt when |*input| is used up before a frame is complete. The payload is good until the next call of a non-const
  // method, and as long as |*input|'s memory. Errors are DecodeHeader's, or RESOURCE_EXHAUSTED when there is no memory
  // for a payload; they stick: the stream has no frames any more.
  absl::StatusOr<std::optional<Frame>> Next(std::span<const std::byte>* input);

  // In the middle of a payload: where its missing bytes belong, so that they can be received there directly. Otherwise
  // (or without memory for it, which Next() will say) empty. After filling the first |bytes| of it call Filled(bytes),
  // then Next() (with empty input) for the frame.
  std::span<std::byte> Missing();
  // REQUIRES: |bytes| <= Missing().size().
  void Filled(size_t bytes) { payload_have_ += bytes; }

  // How many more bytes a frame needs at least: of the header if that is not complete, else of the payload.
  size_t wanted() const;

  // From the next header on; the agreed limit takes effect after Hello and Welcome.
  void set_max_payload_bytes(uint32_t bytes) { max_payload_bytes_ = bytes; }

  // Forgets a half frame and errors: what comes is a new connection's.
  void Reset();

 private:
  // True when the header is complete and right.
  absl::StatusOr<bool> TakeHeader(std::span<const std::byte>* input);
  absl::StatusOr<std::optional<Frame>> TakePayload(std::span<const std::byte>* input);
  // Sees to it that place() holds the payload; false when there is no memory for it.
  bool MakeRoom();
  std::byte* place() { return placed_.empty() ? buffer_.get() : placed_.data(); }
  Frame Finish(std::span<const std::byte> payload);

  uint32_t max_payload_bytes_;
  const Placement placement_;
  absl::Status status_;

  std::array<std::byte, kFrameHeaderBytes> header_bytes_;
  size_t header_have_ = 0;  // Invariant: the header is decoded exactly when this is kFrameHeaderBytes
  FrameHeader header_;
  std::span<std::byte> placed_;  // what the placement gave for this frame

  size_t payload_have_ = 0;
  std::unique_ptr<std::byte[]> buffer_;
  size_t capacity_ = 0;
};

}  // namespace xpool::wire
