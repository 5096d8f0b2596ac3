#include "wire/frame.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace xpool::wire {
namespace {

template <typename T>
void Store(std::byte* to, T value) {
  std::memcpy(to, &value, sizeof(value));
}

template <typename T>
T Load(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

absl::Status Broken(const FrameHeader& header, const std::string& rule) {
  return absl::InvalidArgumentError(absl::StrCat("frame of kind ", static_cast<int>(header.kind), ", call ",
                                                 header.call, ", flags ", header.flags, ", sequence ", header.sequence,
                                                 ", ", header.length, " bytes: ", rule));
}

uint8_t AllowedFlags(FrameKind kind) {
  switch (kind) {
    case FrameKind::kCall:
      return kFlagNeedsAnswer;
    case FrameKind::kAnswer:
      return kFlagFailed;
    case FrameKind::kBulk:
      return kFlagFirst | kFlagAckNow;
    case FrameKind::kControl:
      return 0;
  }
  return 0;
}

bool CallFitsKind(const FrameHeader& header) {
  switch (header.kind) {
    case FrameKind::kCall:
    case FrameKind::kAnswer:
      return header.call != 0 && header.call < kFirstControl;
    case FrameKind::kBulk:
      return header.call == 0;
    case FrameKind::kControl:
      return header.call >= kFirstControl && header.call <= static_cast<uint16_t>(Control::kReply);
  }
  return false;  // no such kind
}

absl::Status CheckHeader(const FrameHeader& header, uint32_t max_payload_bytes) {
  if (!CallFitsKind(header)) return Broken(header, "no such kind, or the call ID is not one of that kind");
  if ((header.flags & ~AllowedFlags(header.kind)) != 0) return Broken(header, "has flags that its kind does not");
  if ((header.kind == FrameKind::kControl) != (header.sequence == 0))
    return Broken(header, "control frames have sequence 0, all others count from 1");
  if (header.length > max_payload_bytes)
    return Broken(header, absl::StrCat("is longer than the limit of ", max_payload_bytes));
  return absl::OkStatus();
}

}  // namespace

std::array<std::byte, kFrameHeaderBytes> EncodeHeader(const FrameHeader& header) {
  std::array<std::byte, kFrameHeaderBytes> bytes;
  Store(bytes.data(), header.length);
  Store(bytes.data() + 4, header.call);
  Store(bytes.data() + 6, header.kind);
  Store(bytes.data() + 7, header.flags);
  Store(bytes.data() + 8, header.sequence);
  return bytes;
}

absl::StatusOr<FrameHeader> DecodeHeader(std::span<const std::byte, kFrameHeaderBytes> bytes,
                                         uint32_t max_payload_bytes) {
  const FrameHeader header = {.length = Load<uint32_t>(bytes.data()),
                              .call = Load<uint16_t>(bytes.data() + 4),
                              .kind = Load<FrameKind>(bytes.data() + 6),
                              .flags = Load<uint8_t>(bytes.data() + 7),
                              .sequence = Load<uint64_t>(bytes.data() + 8)};
  RETURN_IF_ERROR(CheckHeader(header, max_payload_bytes));
  return header;
}

Writer::Mark BeginFrame(Writer* writer, const FrameHeader& header) {
  const Writer::Mark begun = writer->mark();
  writer->Raw(EncodeHeader(header));
  return begun;
}

absl::Status EndFrame(Writer* writer, const Writer::Mark& begun, uint32_t max_payload_bytes) {
  absl::Status status = writer->status();
  const size_t start = begun.buffer_bytes + begun.referenced_bytes;
  // After an error the header may not be there; then the length is not used.
  const uint64_t length = status.ok() ? writer->size() - start - kFrameHeaderBytes : 0;
  if (length > max_payload_bytes) {
    status = absl::ResourceExhaustedError(
        absl::StrCat("cannot send a frame of ", length, " bytes: the session's limit is ", max_payload_bytes));
  }
  if (!status.ok()) {
    writer->Rewind(begun);
    return status;
  }
  writer->PatchU32(begun.buffer_bytes, static_cast<uint32_t>(length));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Frame>> FrameParser::Next(std::span<const std::byte>* input) {
  if (!status_.ok()) return status_;
  absl::StatusOr<bool> header = TakeHeader(input);
  if (!header.ok()) return status_ = header.status();
  if (!*header) return std::nullopt;
  absl::StatusOr<std::optional<Frame>> frame = TakePayload(input);
  if (!frame.ok()) status_ = frame.status();
  return frame;
}

std::span<std::byte> FrameParser::Missing() {
  if (header_have_ < kFrameHeaderBytes || !MakeRoom()) return {};
  return {place() + payload_have_, header_.length - payload_have_};
}

size_t FrameParser::wanted() const {
  return header_have_ < kFrameHeaderBytes ? kFrameHeaderBytes - header_have_ : header_.length - payload_have_;
}

void FrameParser::Reset() {
  status_ = absl::OkStatus();
  header_have_ = 0;
  payload_have_ = 0;
  placed_ = {};
}

absl::StatusOr<bool> FrameParser::TakeHeader(std::span<const std::byte>* input) {
  if (header_have_ == kFrameHeaderBytes) return true;
  const size_t taken = std::min(kFrameHeaderBytes - header_have_, input->size());
  if (taken > 0) std::memcpy(header_bytes_.data() + header_have_, input->data(), taken);
  *input = input->subspan(taken);
  if (header_have_ + taken < kFrameHeaderBytes) {
    header_have_ += taken;
    return false;
  }
  ASSIGN_OR_RETURN(header_, DecodeHeader(header_bytes_, max_payload_bytes_));
  header_have_ = kFrameHeaderBytes;
  if (placement_ != nullptr) placed_ = placement_(header_);
  if (placed_.size() < header_.length) placed_ = {};
  return true;
}

absl::StatusOr<std::optional<Frame>> FrameParser::TakePayload(std::span<const std::byte>* input) {
  if (payload_have_ == 0 && placed_.empty() && input->size() >= header_.length) {
    const std::span<const std::byte> payload = input->first(header_.length);
    *input = input->subspan(header_.length);
    return Finish(payload);
  }
  const size_t taken = std::min<size_t>(header_.length - payload_have_, input->size());
  if (taken > 0 && !MakeRoom()) {
    return absl::ResourceExhaustedError(absl::StrCat("no memory for a frame of ", header_.length, " bytes"));
  }
  if (taken > 0) std::memcpy(place() + payload_have_, input->data(), taken);
  *input = input->subspan(taken);
  payload_have_ += taken;
  if (payload_have_ < header_.length) return std::nullopt;
  return Finish({place(), header_.length});
}

bool FrameParser::MakeRoom() {
  if (!placed_.empty() || header_.length <= capacity_) return true;
  // Nothing of this payload is in the old buffer yet: the length is known before its first byte.
  buffer_.reset(new (std::nothrow) std::byte[header_.length]);
  capacity_ = buffer_ != nullptr ? header_.length : 0;
  return buffer_ != nullptr;
}

Frame FrameParser::Finish(std::span<const std::byte> payload) {
  header_have_ = 0;
  payload_have_ = 0;
  placed_ = {};
  return {header_, payload};
}

}  // namespace xpool::wire
