// The few messages that are exchanged before a lane exists (wire/attach.h, wire/hello.h), over a connected channel, one
// frame at a time and with a deadline. Never reads past the frame it returns: what follows is the lane's. Thread-safe
// as far as the channel is.
#pragma once

#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "transport/channel.h"
#include "wire/attach.h"
#include "wire/hello.h"

namespace xpool::lane {

// A frame that owns its payload.
struct ReceivedFrame {
  wire::FrameHeader header;
  std::vector<std::byte> payload;

  wire::Frame frame() const { return {header, payload}; }
};

// INVALID_ARGUMENT for anything but a frame of at most kMaxHelloBytes; the channel's errors.
absl::StatusOr<ReceivedFrame> ReceiveFrame(transport::Channel& channel, const transport::Deadline& deadline);
// All that is in |writer|.
absl::Status SendWritten(transport::Channel& channel, const wire::Writer& writer, const transport::Deadline& deadline);

absl::Status SendPreamble(transport::Channel& channel, const wire::Preamble& preamble,
                          const transport::Deadline& deadline);

// The client's side.
absl::StatusOr<wire::Attached> SendAttach(transport::Channel& channel, const wire::Attach& attach,
                                          const transport::Deadline& deadline);
absl::StatusOr<wire::Welcome> SendHello(transport::Channel& channel, const wire::Hello& hello,
                                        const transport::Deadline& deadline);

// The server's: answers |why| with a Refusal, as well as that goes.
void SendRefusal(transport::Channel& channel, const absl::Status& why, const transport::Deadline& deadline);

}  // namespace xpool::lane
