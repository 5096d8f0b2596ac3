#include "wire/hello.h"

#include <algorithm>
#include <cstring>

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

void PutVersions(Writer* writer, const VersionRange& versions) {
  writer->U32(kWireMagic);
  writer->U16(versions.min);
  writer->U16(versions.max);
}

VersionRange GetVersions(Reader* reader) {
  if (reader->U32("magic") != kWireMagic) reader->Fail("magic", "is not xpool's");
  VersionRange versions;
  versions.min = reader->U16("min_version");
  versions.max = reader->U16("max_version");
  return versions;
}

ResumeToken GetToken(Reader* reader) {
  ResumeToken token{};
  const std::span<const std::byte> bytes = reader->Raw("resume_token", token.size());
  if (reader->ok()) std::copy(bytes.begin(), bytes.end(), token.begin());
  return token;
}

absl::Status CheckLength(const char* field, size_t length, size_t max) {
  if (length <= max) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(field, " has ", length, " bytes; at most ", max, " can be sent"));
}

// What a Hello asks for must be one of the three ways to attach.
absl::Status CheckAttach(const Hello& hello) {
  if (hello.session_id != 0) return absl::OkStatus();
  if (hello.lane == Lane::kCalls && hello.received == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("Hello asks for a new session on lane ", static_cast<int>(hello.lane),
                                                 " with ", hello.received,
                                                 " frames received; a session begins with the call lane and none"));
}

absl::StatusOr<Hello> GetHello(Reader* reader, const VersionRange& versions) {
  Hello hello;
  hello.versions = versions;
  const uint8_t lane = reader->U8("lane");
  if (lane > static_cast<uint8_t>(Lane::kBulk)) reader->Fail("lane", "is no lane");
  hello.lane = static_cast<Lane>(lane);
  hello.limits = GetLimits(reader);
  hello.features = reader->U64("features");
  hello.session_id = reader->U64("session_id");
  hello.resume_token = GetToken(reader);
  hello.received = reader->U64("received");
  const std::span<const std::byte> slice_token = reader->Bytes("slice_token", kMaxSliceTokenBytes);
  hello.slice_token.assign(slice_token.begin(), slice_token.end());
  hello.program = Printable(reader->Bytes("program", kMaxProgramBytes), kMaxProgramBytes);
  RETURN_IF_ERROR(reader->Finish());
  return hello;
}

absl::StatusOr<Welcome> GetWelcome(const Frame& frame) {
  RETURN_IF_ERROR(CheckControl(frame, Control::kWelcome, "Welcome"));
  Reader reader(frame.payload, "Welcome");
  Welcome welcome;
  const VersionRange versions = GetVersions(&reader);
  if (versions.min != versions.max) reader.Fail("max_version", "differs from min_version, but one was to be chosen");
  welcome.version = versions.max;
  welcome.limits = GetLimits(&reader);
  welcome.features = reader.U64("features");
  welcome.session_id = reader.U64("session_id");
  welcome.resume_token = GetToken(&reader);
  welcome.received = reader.U64("received");
  RETURN_IF_ERROR(reader.Finish());
  return welcome;
}

absl::Status BadWelcome(const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("the server's Welcome ", why, "; it is broken or not to be trusted"));
}

absl::Status CheckWelcome(const Welcome& welcome, const Hello& hello) {
  if (welcome.version < hello.versions.min || welcome.version > hello.versions.max)
    return BadWelcome(absl::StrCat("chose version ", welcome.version, ", which was not offered"));
  if (Minimum(welcome.limits, hello.limits) != welcome.limits) return BadWelcome("has larger limits than were offered");
  RETURN_IF_ERROR(CheckLimits(welcome.limits));
  if ((welcome.features & ~hello.features) != 0) return BadWelcome("has features that were not offered");
  if (welcome.session_id == 0) return BadWelcome("names no session");
  if (hello.session_id == 0) return welcome.received == 0 ? absl::OkStatus() : BadWelcome("has received frames before");
  if (welcome.session_id != hello.session_id) return BadWelcome("is for another session");
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteHello(Writer* writer, const Hello& hello) {
  RETURN_IF_ERROR(CheckLength("the slice's token", hello.slice_token.size(), kMaxSliceTokenBytes));
  RETURN_IF_ERROR(CheckLength("the program's name", hello.program.size(), kMaxProgramBytes));
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kHello));
  PutVersions(writer, hello.versions);
  writer->U8(static_cast<uint8_t>(hello.lane));
  PutLimits(writer, hello.limits);
  writer->U64(hello.features);
  writer->U64(hello.session_id);
  writer->Raw(hello.resume_token);
  writer->U64(hello.received);
  writer->Bytes(hello.slice_token);
  writer->Bytes(std::as_bytes(std::span(hello.program)));
  return EndFrame(writer, frame, kMaxHelloBytes);
}

absl::Status WriteWelcome(Writer* writer, const Welcome& welcome) {
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kWelcome));
  PutVersions(writer, {welcome.version, welcome.version});
  PutLimits(writer, welcome.limits);
  writer->U64(welcome.features);
  writer->U64(welcome.session_id);
  writer->Raw(welcome.resume_token);
  writer->U64(welcome.received);
  return EndFrame(writer, frame, kMaxHelloBytes);
}

absl::Status WriteRefusal(Writer* writer, const Refusal& refusal) {
  RETURN_IF_ERROR(CheckLength("the refusal's sentence", refusal.message.size(), kMaxSentenceBytes));
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kRefusal));
  PutVersions(writer, refusal.versions);
  writer->U32(static_cast<uint32_t>(refusal.code));
  writer->Bytes(std::as_bytes(std::span(refusal.message)));
  return EndFrame(writer, frame, kMaxHelloBytes);
}

absl::StatusOr<Hello> ReadHello(const Frame& frame) {
  RETURN_IF_ERROR(CheckControl(frame, Control::kHello, "Hello"));
  Reader reader(frame.payload, "Hello");
  const VersionRange versions = GetVersions(&reader);
  RETURN_IF_ERROR(reader.status());
  // Before the rest, which another version may lay out differently.
  RETURN_IF_ERROR(CommonVersion(VersionRange{}, versions).status());
  ASSIGN_OR_RETURN(Hello hello, GetHello(&reader, versions));
  RETURN_IF_ERROR(CheckLimits(hello.limits));
  RETURN_IF_ERROR(CheckAttach(hello));
  return hello;
}

absl::StatusOr<Welcome> ReadHelloAnswer(const Frame& frame, const Hello& hello) {
  if (CheckControl(frame, Control::kRefusal, "Refusal").ok()) {
    ASSIGN_OR_RETURN(const Refusal refusal, ReadRefusal(frame));
    return RefusalStatus(refusal);
  }
  ASSIGN_OR_RETURN(Welcome welcome, GetWelcome(frame));
  RETURN_IF_ERROR(CheckWelcome(welcome, hello));
  return welcome;
}

absl::StatusOr<Refusal> ReadRefusal(const Frame& frame) {
  RETURN_IF_ERROR(CheckControl(frame, Control::kRefusal, "Refusal"));
  Reader reader(frame.payload, "Refusal");
  Refusal refusal;
  refusal.versions = GetVersions(&reader);
  const uint32_t code = reader.U32("code");
  if (code <= static_cast<uint32_t>(RefusalCode::kShuttingDown)) refusal.code = static_cast<RefusalCode>(code);
  refusal.message = Printable(reader.Bytes("message", kMaxSentenceBytes), kMaxSentenceBytes);
  RETURN_IF_ERROR(reader.Finish());
  return refusal;
}

absl::Status RefusalStatus(const Refusal& refusal) {
  const std::string text = absl::StrCat("the server refused: ", refusal.message);
  switch (refusal.code) {
    case RefusalCode::kVersion:
      return absl::UnimplementedError(
          absl::StrCat(text, " (it speaks versions ", refusal.versions.min, " to ", refusal.versions.max, ")"));
    case RefusalCode::kNotEntitled:
      return absl::PermissionDeniedError(text);
    case RefusalCode::kNoSuchSlice:
    case RefusalCode::kNoSuchSession:
      return absl::NotFoundError(text);
    case RefusalCode::kBusy:
    case RefusalCode::kShuttingDown:
      return absl::UnavailableError(text);
    case RefusalCode::kOther:
    case RefusalCode::kBadHello:
      break;
  }
  return absl::InternalError(text);
}

absl::StatusOr<uint16_t> CommonVersion(const VersionRange& ours, const VersionRange& theirs) {
  const uint16_t newest = std::min(ours.max, theirs.max);
  if (newest >= ours.min && newest >= theirs.min) return newest;
  return absl::FailedPreconditionError(absl::StrCat("the peer speaks wire protocol versions ", theirs.min, " to ",
                                                    theirs.max, ", this side ", ours.min, " to ", ours.max,
                                                    "; install xpool versions that have one in common"));
}

bool SameToken(const ResumeToken& a, const ResumeToken& b) {
  std::byte difference{0};
  for (size_t i = 0; i < a.size(); ++i) difference |= a[i] ^ b[i];
  return difference == std::byte{0};
}

}  // namespace xpool::wire
