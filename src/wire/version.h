// Which versions of the wire protocol two peers speak. The messages with which peers meet (wire/attach.h, wire/hello.h)
// begin with magic and versions in every version of the protocol, so that two that do not understand each other can say
// so. Pure.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "wire/reader.h"
#include "wire/writer.h"

namespace xpool::wire {

inline constexpr uint32_t kWireMagic = 0x57505858;  // "XXPW"
inline constexpr uint16_t kMinVersion = 1;          // what this code speaks
inline constexpr uint16_t kMaxVersion = 1;

struct VersionRange {
  uint16_t min = kMinVersion;
  uint16_t max = kMaxVersion;

  friend bool operator==(const VersionRange&, const VersionRange&) = default;
};

// The newest version of both, FAILED_PRECONDITION if there is none.
absl::StatusOr<uint16_t> CommonVersion(const VersionRange& ours, const VersionRange& theirs);

// Magic and versions, as the first fields of a message.
void PutVersions(Writer* writer, const VersionRange& versions);
VersionRange GetVersions(Reader* reader);
// Those of a message to this side, which must be checked before the rest is read: another version may lay that out
// differently. What is wrong with the bytes, or FAILED_PRECONDITION if there is none in common.
absl::StatusOr<VersionRange> GetSpokenVersions(Reader* reader);
// The one version that an answer chose.
uint16_t GetChosenVersion(Reader* reader);

}  // namespace xpool::wire
