#include "wire/attach.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "wire/control.h"
#include "wire/reader.h"

namespace xpool::wire {
namespace {

constexpr uint16_t kPreambleVersion = 1;

absl::Status CheckLength(const char* field, size_t length, size_t max) {
  if (length <= max) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(field, " has ", length, " bytes; at most ", max, " can be sent"));
}

void PutText(Writer* writer, const std::string& text) { writer->Bytes(std::as_bytes(std::span(text))); }

std::string GetName(Reader* reader, const char* field) {
  return Printable(reader->Bytes(field, kMaxNameBytes), kMaxNameBytes);
}

absl::Status BadAnswer(const std::string& why) {
  return absl::InvalidArgumentError(
      absl::StrCat("the server's answer to Attach ", why, "; it is broken or not to be trusted"));
}

absl::Status CheckPreamble(Reader* reader, uint8_t purpose, uint8_t security, uint64_t session_id) {
  const bool of_session =
      purpose == static_cast<uint8_t>(Purpose::kLane) || purpose == static_cast<uint8_t>(Purpose::kPeer);
  if (purpose < static_cast<uint8_t>(Purpose::kAttach) || purpose > static_cast<uint8_t>(Purpose::kRequest))
    reader->Fail("purpose", "is none that there is");
  if (security > static_cast<uint8_t>(Security::kRing)) reader->Fail("security", "is none that there is");
  if (of_session != (session_id != 0)) reader->Fail("session_id", "is that of a lane or a peer, and of nothing else");
  return reader->Finish();
}

}  // namespace

std::array<std::byte, kPreambleBytes> EncodePreamble(const Preamble& preamble) {
  Writer writer(kPreambleBytes);
  writer.U32(kWireMagic);
  writer.U16(kPreambleVersion);
  writer.U8(static_cast<uint8_t>(preamble.purpose));
  writer.U8(static_cast<uint8_t>(preamble.security));
  writer.U64(preamble.session_id);
  writer.U64(0);
  return writer.Exactly<kPreambleBytes>();
}

absl::StatusOr<Preamble> DecodePreamble(std::span<const std::byte, kPreambleBytes> bytes) {
  Reader reader(bytes, "preamble");
  if (reader.U32("magic") != kWireMagic) reader.Fail("magic", "is not xpool's");
  if (reader.U16("version") != kPreambleVersion) reader.Fail("version", "is not this side's; install the same version");
  const uint8_t purpose = reader.U8("purpose");
  const uint8_t security = reader.U8("security");
  const uint64_t session_id = reader.U64("session_id");
  if (reader.U64("zero") != 0) reader.Fail("zero", "is not 0");
  RETURN_IF_ERROR(CheckPreamble(&reader, purpose, security, session_id));
  return Preamble{static_cast<Purpose>(purpose), static_cast<Security>(security), session_id};
}

absl::Status WriteAttach(Writer* writer, const Attach& attach) {
  RETURN_IF_ERROR(CheckLength("the slice's token", attach.token.size(), kMaxSliceTokenBytes));
  RETURN_IF_ERROR(CheckLength("the slice's name", attach.slice.size(), kMaxNameBytes));
  RETURN_IF_ERROR(CheckLength("the program's name", attach.program.size(), kMaxNameBytes));
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kAttach));
  PutVersions(writer, attach.versions);
  writer->U32(attach.api);
  writer->Bytes(attach.token);
  PutText(writer, attach.slice);
  PutText(writer, attach.program);
  return EndFrame(writer, frame, kMaxHelloBytes);
}

absl::Status WriteAttached(Writer* writer, const Attached& attached) {
  RETURN_IF_ERROR(CheckLength("the worker's certificate", attached.certificate.size(), kMaxCertificateBytes));
  RETURN_IF_ERROR(CheckLength("the node's name", attached.node.size(), kMaxNameBytes));
  RETURN_IF_ERROR(CheckLength("the slice's ID", attached.slice_id.size(), kMaxNameBytes));
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kAttached));
  PutVersions(writer, {attached.version, attached.version});
  writer->U64(attached.session_id);
  writer->Raw(attached.resume_token);
  PutText(writer, attached.certificate);
  PutText(writer, attached.node);
  PutText(writer, attached.slice_id);
  writer->U64(attached.memory_limit_bytes);
  return EndFrame(writer, frame, kMaxHelloBytes);
}

absl::Status WriteRefusal(Writer* writer, const Refusal& refusal) {
  RETURN_IF_ERROR(CheckLength("the refusal's sentence", refusal.message.size(), kMaxSentenceBytes));
  const Writer::Mark frame = BeginFrame(writer, ControlHeader(Control::kRefusal));
  PutVersions(writer, refusal.versions);
  writer->U32(static_cast<uint32_t>(refusal.code));
  PutText(writer, refusal.message);
  return EndFrame(writer, frame, kMaxHelloBytes);
}

absl::StatusOr<Attach> ReadAttach(const Frame& frame) {
  RETURN_IF_ERROR(CheckControl(frame, Control::kAttach, "Attach"));
  Reader reader(frame.payload, "Attach");
  Attach attach;
  ASSIGN_OR_RETURN(attach.versions, GetSpokenVersions(&reader));
  attach.api = reader.U32("api");
  const std::span<const std::byte> token = reader.Bytes("token", kMaxSliceTokenBytes);
  attach.token.assign(token.begin(), token.end());
  attach.slice = GetName(&reader, "slice");
  attach.program = GetName(&reader, "program");
  RETURN_IF_ERROR(reader.Finish());
  return attach;
}

absl::StatusOr<Attached> ReadAttachAnswer(const Frame& frame, const Attach& attach) {
  if (CheckControl(frame, Control::kRefusal, "Refusal").ok()) {
    ASSIGN_OR_RETURN(const Refusal refusal, ReadRefusal(frame));
    return RefusalStatus(refusal);
  }
  RETURN_IF_ERROR(CheckControl(frame, Control::kAttached, "Attached"));
  Reader reader(frame.payload, "Attached");
  Attached attached;
  attached.version = GetChosenVersion(&reader);
  attached.session_id = reader.U64("session_id");
  attached.resume_token = GetSecret<ResumeToken>(&reader, "resume_token");
  const std::span<const std::byte> certificate = reader.Bytes("certificate", kMaxCertificateBytes);
  attached.certificate.assign(reinterpret_cast<const char*>(certificate.data()), certificate.size());
  attached.node = GetName(&reader, "node");
  attached.slice_id = GetName(&reader, "slice_id");
  attached.memory_limit_bytes = reader.U64("memory_limit_bytes");
  RETURN_IF_ERROR(reader.Finish());
  if (attached.version < attach.versions.min || attached.version > attach.versions.max)
    return BadAnswer(absl::StrCat("chose version ", attached.version, ", which was not offered"));
  if (attached.session_id == 0) return BadAnswer("names no session");
  return attached;
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

Refusal RefusalFor(const absl::Status& status) {
  Refusal refusal;
  const std::string_view message(status.message().data(), std::min(status.message().size(), kMaxSentenceBytes));
  refusal.message = Printable(std::as_bytes(std::span(message)), kMaxSentenceBytes);
  switch (status.code()) {
    case absl::StatusCode::kFailedPrecondition:
      refusal.code = RefusalCode::kVersion;
      break;
    case absl::StatusCode::kInvalidArgument:
      refusal.code = RefusalCode::kBadHello;
      break;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      refusal.code = RefusalCode::kNotEntitled;
      break;
    case absl::StatusCode::kNotFound:
      refusal.code = RefusalCode::kNoSuchSlice;
      break;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kResourceExhausted:
      refusal.code = RefusalCode::kBusy;
      break;
    default:
      break;
  }
  return refusal;
}

}  // namespace xpool::wire
