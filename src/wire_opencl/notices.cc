#include "wire_opencl/notices.h"

#include <algorithm>

#include "base/status.h"
#include "wire/attach.h"
#include "wire/reader.h"

namespace xpool::wire_cl {
namespace {

constexpr uint32_t kMaxKernels = 65536;
constexpr uint32_t kMaxArgs = 4096;
constexpr uint32_t kMaxNameBytes = 65536;
constexpr size_t kKernelBytes = 8;  // the least that one takes
constexpr size_t kArgBytes = 2;

void Text(wire::Writer& writer, const std::string& text, size_t most = kMaxNameBytes) {
  writer.Bytes(std::as_bytes(std::span(text)).first(std::min(text.size(), most)));
}

std::string Text(wire::Reader& reader, const char* field, size_t most = kMaxNameBytes) {
  const std::span<const std::byte> bytes = reader.Bytes(field, most);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void WriteArg(wire::Writer& writer, const ArgSheet& arg) {
  writer.U8(static_cast<uint8_t>(arg.takes));
  writer.Bool(arg.has_info);
  if (!arg.has_info) return;
  writer.U32(arg.address);
  writer.U32(arg.access);
  writer.U64(arg.type_qualifier);
  Text(writer, arg.type_name);
  Text(writer, arg.name);
}

ArgSheet ReadArg(wire::Reader& reader) {
  ArgSheet arg;
  const uint8_t takes = reader.U8("takes");
  if (takes > static_cast<uint8_t>(ArgSheet::Takes::kMaybeNotPointer)) reader.Fail("takes", "is nothing that there is");
  arg.takes = static_cast<ArgSheet::Takes>(takes);
  arg.has_info = reader.Bool("has_info");
  if (!arg.has_info) return arg;
  arg.address = reader.U32("address");
  arg.access = reader.U32("access");
  arg.type_qualifier = reader.U64("type_qualifier");
  arg.type_name = Text(reader, "type_name");
  arg.name = Text(reader, "name");
  return arg;
}

void WriteKernel(wire::Writer& writer, const KernelSheet& kernel) {
  Text(writer, kernel.name);
  writer.U32(static_cast<uint32_t>(kernel.args.size()));
  for (const ArgSheet& arg : kernel.args) WriteArg(writer, arg);
}

KernelSheet ReadKernel(wire::Reader& reader) {
  KernelSheet kernel;
  kernel.name = Text(reader, "kernel");
  const uint32_t args = reader.Count("args", kMaxArgs, kArgBytes);
  for (uint32_t i = 0; i < args && reader.ok(); ++i) kernel.args.push_back(ReadArg(reader));
  return kernel;
}

// Of Invite and Push.
template <typename Message>
void WriteRange(wire::Writer& writer, const Message& notice) {
  writer.Handle(notice.queue);
  writer.Handle(notice.mem);
  writer.U64(notice.offset);
  writer.U64(notice.bytes);
}

template <typename Message>
void ReadRange(wire::Reader& reader, Message* notice) {
  notice->queue = reader.Handle("queue");
  notice->mem = reader.Handle("mem");
  notice->offset = reader.U64("offset");
  notice->bytes = reader.U64("bytes");
  if (notice->bytes == 0 || notice->offset > UINT64_MAX - notice->bytes) reader.Fail("bytes", "is no range");
}

absl::StatusCode ReadCode(wire::Reader& reader) {
  const std::optional<absl::StatusCode> code = StatusCodeOf(reader.U32("code"));
  if (!code) reader.Fail("code", "is none that there is");
  return code.value_or(absl::StatusCode::kUnknown);
}

EventTimes ReadTimes(wire::Reader& reader) {
  EventTimes times;
  times.status = reader.I32("status");
  times.queued = reader.U64("queued");
  times.submit = reader.U64("submit");
  times.start = reader.U64("start");
  times.end = reader.U64("end");
  times.complete = reader.U64("complete");
  return times;
}

}  // namespace

void Write(wire::Writer& writer, const Want& notice) {
  writer.Handle(notice.queue);
  writer.Handle(notice.event);
  writer.U64(notice.sequence);
  writer.Bool(notice.times);
}

template <>
absl::StatusOr<Want> Read<Want>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Want");
  Want notice;
  notice.queue = reader.Handle("queue");
  notice.event = reader.Handle("event");
  notice.sequence = reader.U64("sequence");
  notice.times = reader.Bool("times");
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const Staged& notice) {
  writer.U64(notice.transfer);
  writer.U64(notice.bytes);
}

template <>
absl::StatusOr<Staged> Read<Staged>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Stage");
  Staged notice;
  notice.transfer = reader.U64("transfer");
  notice.bytes = reader.U64("bytes");
  if (notice.transfer == 0 || notice.bytes == 0) reader.Fail("transfer", "is none that there is");
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const Done& notice) {
  writer.Handle(notice.queue);
  writer.U64(notice.through);
  writer.U32(static_cast<uint32_t>(notice.entries.size()));
  for (const Done::Entry& entry : notice.entries) {
    writer.U64(entry.sequence);
    writer.I32(entry.status);
  }
}

template <>
absl::StatusOr<Done> Read<Done>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Done");
  Done notice;
  notice.queue = reader.Handle("queue");
  notice.through = reader.U64("through");
  const uint32_t count = reader.Count("entries", kMaxDoneEntries, 12);
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    const uint64_t sequence = reader.U64("sequence");
    const int32_t status = reader.I32("status");
    if (status > CL_COMPLETE) reader.Fail("status", "is that of no command that has ended");
    notice.entries.push_back({sequence, status});
  }
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const Fired& notice) {
  writer.U16(static_cast<uint16_t>(notice.call));
  writer.U64(notice.token);
  writer.I32(notice.status);
  Text(writer, notice.message, kMaxMessageBytes);
}

template <>
absl::StatusOr<Fired> Read<Fired>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Fired");
  Fired notice;
  notice.call = static_cast<CallId>(reader.U16("call"));
  notice.token = reader.U64("token");
  notice.status = reader.I32("status");
  notice.message = Text(reader, "message", kMaxMessageBytes);
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const Failed& notice) {
  writer.U16(notice.call);
  writer.U64(notice.sequence);
  writer.I32(notice.status);
  writer.Handle(notice.subject);
  writer.Handle(notice.minted);
}

template <>
absl::StatusOr<Failed> Read<Failed>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Failed");
  Failed notice;
  notice.call = reader.U16("call");
  notice.sequence = reader.U64("sequence");
  notice.status = reader.I32("status");
  notice.subject = reader.Handle("subject");
  notice.minted = reader.Handle("minted");
  if (notice.status >= 0) reader.Fail("status", "is no failure");
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const SliceState& notice) { writer.U64(notice.memory_limit_bytes); }

template <>
absl::StatusOr<SliceState> Read<SliceState>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Slice");
  const SliceState notice{reader.U64("memory_limit_bytes")};
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const Output& notice) { writer.Bytes(notice.bytes); }

template <>
absl::StatusOr<Output> Read<Output>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Output");
  const Output notice{reader.Bytes("bytes", kMaxOutputBytes)};
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const EventTimes& answer) {
  writer.I32(answer.status);
  for (const uint64_t time : {answer.queued, answer.submit, answer.start, answer.end, answer.complete})
    writer.U64(time);
}

template <>
absl::StatusOr<EventTimes> Read<EventTimes>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Profile's answer");
  const EventTimes answer = ReadTimes(reader);
  RETURN_IF_ERROR(reader.Finish());
  return answer;
}

void Write(wire::Writer& writer, const Times& notice) {
  writer.Handle(notice.queue);
  writer.U64(notice.sequence);
  Write(writer, notice.times);
}

template <>
absl::StatusOr<Times> Read<Times>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Times");
  Times notice;
  notice.queue = reader.Handle("queue");
  notice.sequence = reader.U64("sequence");
  notice.times = ReadTimes(reader);
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const MemoryState& answer) {
  writer.U64(answer.used_bytes);
  writer.U64(answer.limit_bytes);
}

template <>
absl::StatusOr<MemoryState> Read<MemoryState>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Memory's answer");
  MemoryState answer;
  answer.used_bytes = reader.U64("used_bytes");
  answer.limit_bytes = reader.U64("limit_bytes");
  RETURN_IF_ERROR(reader.Finish());
  return answer;
}

void Write(wire::Writer& writer, const Invite& notice) {
  WriteRange(writer, notice);
  Text(writer, notice.certificate, wire::kMaxCertificateBytes);
}

template <>
absl::StatusOr<Invite> Read<Invite>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Invite");
  Invite notice;
  ReadRange(reader, &notice);
  notice.certificate = Text(reader, "certificate", wire::kMaxCertificateBytes);
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const Invited& answer) {
  writer.U32(static_cast<uint32_t>(answer.code));
  writer.Raw(answer.token);
}

template <>
absl::StatusOr<Invited> Read<Invited>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Invite's answer");
  Invited answer;
  answer.code = ReadCode(reader);
  answer.token = wire::GetSecret<wire::PeerToken>(&reader, "token");
  RETURN_IF_ERROR(reader.Finish());
  return answer;
}

void Write(wire::Writer& writer, const Push& notice) {
  WriteRange(writer, notice);
  Text(writer, notice.address, kMaxPeerAddressBytes);
  writer.U64(notice.session_id);
  writer.Raw(notice.token);
  Text(writer, notice.certificate, wire::kMaxCertificateBytes);
}

template <>
absl::StatusOr<Push> Read<Push>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Push");
  Push notice;
  ReadRange(reader, &notice);
  notice.address = Text(reader, "address", kMaxPeerAddressBytes);
  notice.session_id = reader.U64("session_id");
  if (notice.session_id == 0) reader.Fail("session_id", "is none that there is");
  notice.token = wire::GetSecret<wire::PeerToken>(&reader, "token");
  notice.certificate = Text(reader, "certificate", wire::kMaxCertificateBytes);
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const Pushed& answer) { writer.U32(static_cast<uint32_t>(answer.code)); }

template <>
absl::StatusOr<Pushed> Read<Pushed>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Push's answer");
  const Pushed answer{ReadCode(reader)};
  RETURN_IF_ERROR(reader.Finish());
  return answer;
}

void Write(wire::Writer& writer, const Withdraw& notice) { writer.Raw(notice.token); }

template <>
absl::StatusOr<Withdraw> Read<Withdraw>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Withdraw");
  const Withdraw notice{wire::GetSecret<wire::PeerToken>(&reader, "token")};
  RETURN_IF_ERROR(reader.Finish());
  return notice;
}

void Write(wire::Writer& writer, const ProgramSheet& answer, uint64_t most_bytes) {
  wire::Writer kernels(most_bytes > 16 ? most_bytes - 16 : 0);
  uint32_t count = 0;
  bool complete = answer.complete;
  for (const KernelSheet& kernel : answer.kernels) {
    const wire::Writer::Mark mark = kernels.mark();
    WriteKernel(kernels, kernel);
    count += kernels.ok();
    complete &= kernels.ok();
    if (!kernels.ok()) kernels.Rewind(mark);
  }
  writer.Bool(complete);
  writer.U32(count);
  writer.Raw(kernels.buffer());
}

template <>
absl::StatusOr<ProgramSheet> Read<ProgramSheet>(std::span<const std::byte> payload) {
  wire::Reader reader(payload, "Describe's answer");
  ProgramSheet answer;
  answer.complete = reader.Bool("complete");
  const uint32_t count = reader.Count("kernels", kMaxKernels, kKernelBytes);
  for (uint32_t i = 0; i < count && reader.ok(); ++i) answer.kernels.push_back(ReadKernel(reader));
  RETURN_IF_ERROR(reader.Finish());
  return answer;
}

}  // namespace xpool::wire_cl
