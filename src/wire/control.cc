#include "wire/control.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "wire/reader.h"

namespace xpool::wire {
namespace {

void WriteNumber(Writer* writer, Control control, uint64_t number) {
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(control));
  writer->U64(number);
  EndFrame(writer, frame, kMaxHelloBytes).IgnoreError();  // an error is the writer's and stays in it
}

absl::StatusOr<uint64_t> ReadNumber(const Frame& frame, Control control, const char* name, const char* field) {
  RETURN_IF_ERROR(CheckControl(frame, control, name));
  Reader reader(frame.payload, name);
  const uint64_t number = reader.U64(field);
  RETURN_IF_ERROR(reader.Finish());
  return number;
}

}  // namespace

void WriteControl(Writer* writer, const Ack& message) { WriteNumber(writer, Control::kAck, message.received); }
void WriteControl(Writer* writer, const Credit& message) {
  WriteNumber(writer, Control::kCredit, message.granted_bytes);
}
void WriteControl(Writer* writer, const Ping& message) { WriteNumber(writer, Control::kPing, message.cookie); }
void WriteControl(Writer* writer, const Pong& message) { WriteNumber(writer, Control::kPong, message.cookie); }

void WriteControl(Writer* writer, const Goodbye& message) {
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kGoodbye));
  writer->U32(message.code);
  const auto text = std::as_bytes(std::span(message.message));
  writer->Bytes(text.first(std::min(text.size(), kMaxSentenceBytes)));
  EndFrame(writer, frame, kMaxHelloBytes).IgnoreError();
}

template <>
absl::StatusOr<Ack> ReadControl<Ack>(const Frame& frame) {
  ASSIGN_OR_RETURN(const uint64_t received, ReadNumber(frame, Control::kAck, "Ack", "received"));
  return Ack{received};
}

template <>
absl::StatusOr<Credit> ReadControl<Credit>(const Frame& frame) {
  ASSIGN_OR_RETURN(const uint64_t granted, ReadNumber(frame, Control::kCredit, "Credit", "granted_bytes"));
  return Credit{granted};
}

template <>
absl::StatusOr<Ping> ReadControl<Ping>(const Frame& frame) {
  ASSIGN_OR_RETURN(const uint64_t cookie, ReadNumber(frame, Control::kPing, "Ping", "cookie"));
  return Ping{cookie};
}

template <>
absl::StatusOr<Pong> ReadControl<Pong>(const Frame& frame) {
  ASSIGN_OR_RETURN(const uint64_t cookie, ReadNumber(frame, Control::kPong, "Pong", "cookie"));
  return Pong{cookie};
}

template <>
absl::StatusOr<Goodbye> ReadControl<Goodbye>(const Frame& frame) {
  RETURN_IF_ERROR(CheckControl(frame, Control::kGoodbye, "Goodbye"));
  Reader reader(frame.payload, "Goodbye");
  Goodbye message;
  message.code = reader.U32("code");
  message.message = Printable(reader.Bytes("message", kMaxSentenceBytes), kMaxSentenceBytes);
  RETURN_IF_ERROR(reader.Finish());
  return message;
}

absl::Status CheckControl(const Frame& frame, Control control, const char* name) {
  const auto call = static_cast<uint16_t>(control);
  if (frame.header.kind == FrameKind::kControl && frame.header.call == call) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("expected ", name, " (control ", call, "), got a frame of kind ",
                                                 static_cast<int>(frame.header.kind), ", call ", frame.header.call));
}

std::string Printable(std::span<const std::byte> text, size_t max_bytes) {
  std::string printable;
  for (const std::byte byte : text.first(std::min(text.size(), max_bytes))) {
    const auto c = static_cast<char>(byte);
    printable += c >= ' ' && c <= '~' ? c : '?';
  }
  return printable;
}

}  // namespace xpool::wire
