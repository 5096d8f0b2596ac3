#include "worker_protocol/messages.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace xpool::worker {
namespace {

using wire::Reader;
using wire::Writer;

constexpr uint32_t kMagic = 0x6b577058;  // "XpWk"
constexpr uint64_t kMostTextBytes = 16 * 1024;
constexpr uint32_t kMostSentences = 16;

// One description of each message's fields serves both ways: |Fields|(visit, message) visits them in their order.
template <typename Visit>
void Fields(Visit& visit, auto& m) {
  using M = std::remove_cvref_t<decltype(m)>;
  if constexpr (std::is_same_v<M, Ready>) {
    visit(m.driver_library);
  } else if constexpr (std::is_same_v<M, Tenancy>) {
    visit(m.confined), visit(m.own_user), visit(m.uid), visit(m.gid), visit(m.cache_directory);
    visit(m.temporary_directory), visit(m.data_bytes);
  } else if constexpr (std::is_same_v<M, Start>) {
    visit(m.session_id), visit(m.token), visit(m.slice), visit(m.program), visit(m.client_certificate);
    Fields(visit, m.tenancy);
  } else if constexpr (std::is_same_v<M, Started>) {
    visit(m.certificate), visit(m.memory_limit_bytes), visit(m.missing);
  } else if constexpr (std::is_same_v<M, Lane>) {
    visit(m.preamble);
  } else if constexpr (std::is_same_v<M, Report>) {
    visit(m.sent_bytes), visit(m.received_bytes), visit(m.calls), visit(m.connections), visit(m.round_trip_ns);
  } else if constexpr (std::is_same_v<M, End>) {
    visit(m.why);
  } else if constexpr (std::is_same_v<M, Ended>) {
    visit(m.code), visit(m.why);
  } else if constexpr (std::is_same_v<M, Dial>) {
    visit(m.request), visit(m.address), visit(m.preamble);
  } else if constexpr (std::is_same_v<M, Dialed>) {
    visit(m.request), visit(m.code), visit(m.why);
  } else {
    visit(m.session_id);
  }
}

struct WriteField {
  Writer& writer;

  void operator()(bool value) { writer.Bool(value); }
  void operator()(uint32_t value) { writer.U32(value); }
  void operator()(uint64_t value) { writer.U64(value); }
  void operator()(int64_t value) { writer.I64(value); }
  void operator()(absl::StatusCode value) { writer.U32(static_cast<uint32_t>(value)); }
  void operator()(const wire::ResumeToken& value) { writer.Raw(value); }
  void operator()(const wire::Preamble& value) { writer.Raw(wire::EncodePreamble(value)); }
  void operator()(const std::string& value) { writer.Bytes(std::as_bytes(std::span(value))); }
  void operator()(const std::vector<std::string>& values) {
    writer.U32(static_cast<uint32_t>(values.size()));
    for (const std::string& value : values) (*this)(value);
  }
};

struct ReadField {
  Reader& reader;
  absl::Status bad;

  void operator()(bool& value) { value = reader.Bool("flag"); }
  void operator()(uint32_t& value) { value = reader.U32("number"); }
  void operator()(uint64_t& value) { value = reader.U64("number"); }
  void operator()(int64_t& value) { value = reader.I64("number"); }
  void operator()(absl::StatusCode& value) {
    const uint32_t number = reader.U32("status");
    const std::optional<absl::StatusCode> code = StatusCodeOf(number);
    value = code.value_or(absl::StatusCode::kUnknown);
    if (!code) bad = absl::InvalidArgumentError(absl::StrCat("status code ", number));
  }
  void operator()(wire::ResumeToken& value) { value = wire::GetSecret<wire::ResumeToken>(&reader, "token"); }
  void operator()(wire::Preamble& value) {
    const std::span<const std::byte> bytes = reader.Raw("preamble", wire::kPreambleBytes);
    if (!reader.ok()) return;
    const absl::StatusOr<wire::Preamble> preamble =
        wire::DecodePreamble(std::span<const std::byte, wire::kPreambleBytes>(bytes));
    if (preamble.ok()) value = *preamble;
    bad.Update(preamble.status());
  }
  void operator()(std::string& value) {
    const std::span<const std::byte> bytes = reader.Bytes("text", kMostTextBytes);
    value.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  void operator()(std::vector<std::string>& values) {
    values.resize(reader.Count("list", kMostSentences, sizeof(uint32_t)));
    for (std::string& value : values) (*this)(value);
  }
};

// An empty message of kind |index|.
template <size_t... kIndex>
Message EmptyMessage(size_t index, std::index_sequence<kIndex...>) {
  Message message;
  static_cast<void>(((index == kIndex ? (message.emplace<kIndex>(), true) : false) || ...));
  return message;
}

}  // namespace

absl::StatusOr<std::vector<std::byte>> EncodeMessage(const Message& message) {
  Writer writer(kMaxWorkerMessageBytes);
  writer.U32(kMagic);
  writer.U16(kWorkerProtocolVersion);
  writer.U16(static_cast<uint16_t>(message.index()));
  WriteField visit{writer};
  std::visit([&](const auto& m) { Fields(visit, m); }, message);
  RETURN_IF_ERROR(writer.status());
  return writer.Flatten();
}

absl::StatusOr<Message> DecodeMessage(std::span<const std::byte> bytes) {
  Reader reader(bytes, "worker message");
  const uint32_t magic = reader.U32("magic");
  const uint16_t version = reader.U16("version"), kind = reader.U16("kind");
  RETURN_IF_ERROR(reader.status());
  if (magic != kMagic || kind >= std::variant_size_v<Message>)
    return absl::InvalidArgumentError("what came is no message between an agent and a worker");
  if (version != kWorkerProtocolVersion) {
    return absl::FailedPreconditionError(absl::StrCat("agent and worker are of different versions (", version, ", ",
                                                      kWorkerProtocolVersion, "); install both anew"));
  }
  Message message = EmptyMessage(kind, std::make_index_sequence<std::variant_size_v<Message>>());
  ReadField visit{reader, {}};
  std::visit([&](auto& m) { Fields(visit, m); }, message);
  RETURN_IF_ERROR(reader.status());
  RETURN_IF_ERROR(visit.bad);
  if (!reader.Rest().empty()) return absl::InvalidArgumentError("a worker message is longer than its fields");
  return message;
}

}  // namespace xpool::worker
