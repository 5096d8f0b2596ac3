#include "lane/handshake.h"

#include <array>

#include "base/status.h"
#include "wire/limits.h"

namespace xpool::lane {

absl::StatusOr<ReceivedFrame> ReceiveFrame(transport::Channel& channel, const transport::Deadline& deadline) {
  std::array<std::byte, wire::kFrameHeaderBytes> header;
  RETURN_IF_ERROR(transport::ReceiveAll(channel, header, deadline));
  ReceivedFrame received;
  ASSIGN_OR_RETURN(received.header, wire::DecodeHeader(header, wire::kMaxHelloBytes));
  received.payload.resize(received.header.length);
  RETURN_IF_ERROR(transport::ReceiveAll(channel, received.payload, deadline));
  return received;
}

absl::Status SendWritten(transport::Channel& channel, const wire::Writer& writer, const transport::Deadline& deadline) {
  const std::span<const std::byte> bytes = writer.buffer();
  const iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
  return transport::SendAll(channel, {&piece, 1}, deadline);
}

absl::Status SendPreamble(transport::Channel& channel, const wire::Preamble& preamble,
                          const transport::Deadline& deadline) {
  auto bytes = wire::EncodePreamble(preamble);
  const iovec piece{bytes.data(), bytes.size()};
  return transport::SendAll(channel, {&piece, 1}, deadline);
}

absl::StatusOr<wire::Attached> SendAttach(transport::Channel& channel, const wire::Attach& attach,
                                          const transport::Deadline& deadline) {
  wire::Writer writer;
  RETURN_IF_ERROR(WriteAttach(&writer, attach));
  RETURN_IF_ERROR(SendWritten(channel, writer, deadline));
  ASSIGN_OR_RETURN(const ReceivedFrame answer, ReceiveFrame(channel, deadline));
  return wire::ReadAttachAnswer(answer.frame(), attach);
}

absl::StatusOr<wire::Welcome> SendHello(transport::Channel& channel, const wire::Hello& hello,
                                        const transport::Deadline& deadline) {
  wire::Writer writer;
  RETURN_IF_ERROR(WriteHello(&writer, hello));
  RETURN_IF_ERROR(SendWritten(channel, writer, deadline));
  ASSIGN_OR_RETURN(const ReceivedFrame answer, ReceiveFrame(channel, deadline));
  return wire::ReadHelloAnswer(answer.frame(), hello);
}

void SendRefusal(transport::Channel& channel, const absl::Status& why, const transport::Deadline& deadline) {
  wire::Writer writer;
  if (!WriteRefusal(&writer, wire::RefusalFor(why)).ok()) return;
  SendWritten(channel, writer, deadline).IgnoreError();
}

}  // namespace xpool::lane
