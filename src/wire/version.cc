#include "wire/version.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace xpool::wire {

absl::StatusOr<uint16_t> CommonVersion(const VersionRange& ours, const VersionRange& theirs) {
  const uint16_t newest = std::min(ours.max, theirs.max);
  if (newest >= ours.min && newest >= theirs.min) return newest;
  return absl::FailedPreconditionError(absl::StrCat("the peer speaks wire protocol versions ", theirs.min, " to ",
                                                    theirs.max, ", this side ", ours.min, " to ", ours.max,
                                                    "; install xpool versions that have one in common"));
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

absl::StatusOr<VersionRange> GetSpokenVersions(Reader* reader) {
  const VersionRange versions = GetVersions(reader);
  RETURN_IF_ERROR(reader->status());
  RETURN_IF_ERROR(CommonVersion(VersionRange{}, versions).status());
  return versions;
}

uint16_t GetChosenVersion(Reader* reader) {
  const VersionRange versions = GetVersions(reader);
  if (versions.min != versions.max) reader->Fail("max_version", "differs from min_version, but one was to be chosen");
  return versions.max;
}

}  // namespace xpool::wire
