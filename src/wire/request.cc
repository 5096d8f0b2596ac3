#include "wire/request.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "wire/attach.h"
#include "wire/control.h"
#include "wire/reader.h"

namespace xpool::wire {
namespace {

absl::Status CheckBody(const std::string& body) {
  if (body.size() <= kMaxRequestBodyBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("a message of ", body.size(), " bytes; at most ", kMaxRequestBodyBytes, " can be sent"));
}

std::string GetBody(Reader* reader) {
  const std::span<const std::byte> bytes = reader->Bytes("body", kMaxRequestBodyBytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

absl::Status WriteRequest(Writer* writer, const Request& request) {
  RETURN_IF_ERROR(CheckBody(request.body));
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kRequest));
  PutVersions(writer, request.versions);
  writer->U16(request.method);
  writer->Bytes(std::as_bytes(std::span(request.body)));
  return EndFrame(writer, frame, kMaxHelloBytes);
}

absl::Status WriteReply(Writer* writer, const absl::StatusOr<std::string>& body) {
  if (body.ok()) RETURN_IF_ERROR(CheckBody(*body));
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kReply));
  writer->U32(static_cast<uint32_t>(body.status().code()));
  const std::string sentence(body.status().message());
  writer->Bytes(std::as_bytes(std::span(sentence)).first(std::min(sentence.size(), kMaxSentenceBytes)));
  writer->Bytes(body.ok() ? std::as_bytes(std::span(*body)) : std::span<const std::byte>());
  return EndFrame(writer, frame, kMaxHelloBytes);
}

absl::StatusOr<Request> ReadRequest(const Frame& frame) {
  RETURN_IF_ERROR(CheckControl(frame, Control::kRequest, "Request"));
  Reader reader(frame.payload, "Request");
  Request request;
  ASSIGN_OR_RETURN(request.versions, GetSpokenVersions(&reader));
  request.method = reader.U16("method");
  request.body = GetBody(&reader);
  RETURN_IF_ERROR(reader.Finish());
  return request;
}

absl::StatusOr<std::string> ReadReply(const Frame& frame) {
  if (CheckControl(frame, Control::kRefusal, "Refusal").ok()) {
    ASSIGN_OR_RETURN(const Refusal refusal, ReadRefusal(frame));
    return RefusalStatus(refusal);
  }
  RETURN_IF_ERROR(CheckControl(frame, Control::kReply, "Reply"));
  Reader reader(frame.payload, "Reply");
  const uint32_t code = reader.U32("code");
  const std::string sentence = Printable(reader.Bytes("message", kMaxSentenceBytes), kMaxSentenceBytes);
  std::string body = GetBody(&reader);
  RETURN_IF_ERROR(reader.Finish());
  if (code == 0) return body;
  return absl::Status(StatusCodeOf(code).value_or(absl::StatusCode::kInternal), sentence);
}

}  // namespace xpool::wire
