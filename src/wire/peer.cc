#include "wire/peer.h"

#include "base/status.h"
#include "wire/writer.h"

namespace xpool::wire {

std::array<std::byte, kPeerOpeningBytes> EncodePeerOpening(const PeerOpening& opening) {
  Writer writer(kPeerOpeningBytes);
  writer.Raw(opening.token);
  writer.U64(opening.bytes);
  return writer.Exactly<kPeerOpeningBytes>();
}

absl::StatusOr<PeerOpening> DecodePeerOpening(std::span<const std::byte, kPeerOpeningBytes> bytes) {
  Reader reader(bytes, "opening of a direct copy");
  PeerOpening opening;
  opening.token = GetSecret<PeerToken>(&reader, "token");
  opening.bytes = reader.U64("bytes");
  if (opening.bytes == 0) reader.Fail("bytes", "is 0");
  RETURN_IF_ERROR(reader.Finish());
  return opening;
}

std::array<std::byte, kPeerStatusBytes> EncodePeerStatus(absl::StatusCode code) {
  Writer writer(kPeerStatusBytes);
  writer.U32(static_cast<uint32_t>(code));
  return writer.Exactly<kPeerStatusBytes>();
}

absl::Status DecodePeerStatus(std::span<const std::byte, kPeerStatusBytes> bytes) {
  Reader reader(bytes, "status of a direct copy");
  const std::optional<absl::StatusCode> code = StatusCodeOf(reader.U32("status"));
  if (!code) return absl::DataLossError("the other worker answers with what is no status");
  return absl::Status(*code, "the other worker has refused the copy, or failed");
}

}  // namespace xpool::wire
