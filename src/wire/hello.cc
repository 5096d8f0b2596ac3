#include "wire/hello.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "wire/control.h"
#include "wire/reader.h"

namespace xpool::wire {
namespace {

void PutLimits(Writer* writer, const Limits& limits) {
  writer->U32(limits.max_frame_bytes);
  writer->U32(limits.max_inline_bytes);
  writer->U32(limits.max_chunk_bytes);
  writer->U32(limits.max_handles);
  writer->U64(limits.credit_bytes);
  writer->U64(limits.resend_bytes);
}

Limits GetLimits(Reader* reader) {
  Limits limits;
  limits.max_frame_bytes = reader->U32("max_frame_bytes");
  limits.max_inline_bytes = reader->U32("max_inline_bytes");
  limits.max_chunk_bytes = reader->U32("max_chunk_bytes");
  limits.max_handles = reader->U32("max_handles");
  limits.credit_bytes = reader->U64("credit_bytes");
  limits.resend_bytes = reader->U64("resend_bytes");
  return limits;
}

absl::StatusOr<Hello> GetHello(Reader* reader, const VersionRange& versions) {
  Hello hello;
  hello.versions = versions;
  const uint8_t lane = reader->U8("lane");
  if (lane > static_cast<uint8_t>(LaneKind::kBulk)) reader->Fail("lane", "is no lane");
  hello.lane = static_cast<LaneKind>(lane);
  hello.limits = GetLimits(reader);
  hello.session_id = reader->U64("session_id");
  if (hello.session_id == 0) reader->Fail("session_id", "is that of no session");
  hello.resume_token = GetSecret<ResumeToken>(reader, "resume_token");
  hello.received = reader->U64("received");
  RETURN_IF_ERROR(reader->Finish());
  return hello;
}

absl::Status BadWelcome(const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("the server's Welcome ", why, "; it is broken or not to be trusted"));
}

}  // namespace

absl::Status WriteHello(Writer* writer, const Hello& hello) {
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kHello));
  PutVersions(writer, hello.versions);
  writer->U8(static_cast<uint8_t>(hello.lane));
  PutLimits(writer, hello.limits);
  writer->U64(hello.session_id);
  writer->Raw(hello.resume_token);
  writer->U64(hello.received);
  return EndFrame(writer, frame, kMaxHelloBytes);
}

absl::Status WriteWelcome(Writer* writer, const Welcome& welcome) {
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kWelcome));
  PutVersions(writer, {welcome.version, welcome.version});
  PutLimits(writer, welcome.limits);
  writer->U64(welcome.received);
  return EndFrame(writer, frame, kMaxHelloBytes);
}

absl::StatusOr<Hello> ReadHello(const Frame& frame) {
  RETURN_IF_ERROR(CheckControl(frame, Control::kHello, "Hello"));
  Reader reader(frame.payload, "Hello");
  ASSIGN_OR_RETURN(const VersionRange versions, GetSpokenVersions(&reader));
  ASSIGN_OR_RETURN(Hello hello, GetHello(&reader, versions));
  RETURN_IF_ERROR(CheckLimits(hello.limits));
  return hello;
}

absl::StatusOr<Welcome> ReadHelloAnswer(const Frame& frame, const Hello& hello) {
  if (CheckControl(frame, Control::kRefusal, "Refusal").ok()) {
    ASSIGN_OR_RETURN(const Refusal refusal, ReadRefusal(frame));
    return RefusalStatus(refusal);
  }
  RETURN_IF_ERROR(CheckControl(frame, Control::kWelcome, "Welcome"));
  Reader reader(frame.payload, "Welcome");
  Welcome welcome;
  welcome.version = GetChosenVersion(&reader);
  welcome.limits = GetLimits(&reader);
  welcome.received = reader.U64("received");
  RETURN_IF_ERROR(reader.Finish());
  if (welcome.version < hello.versions.min || welcome.version > hello.versions.max)
    return BadWelcome(absl::StrCat("chose version ", welcome.version, ", which was not offered"));
  if (Minimum(welcome.limits, hello.limits) != welcome.limits) return BadWelcome("has larger limits than were offered");
  RETURN_IF_ERROR(CheckLimits(welcome.limits));
  return welcome;
}

}  // namespace xpool::wire
