// The slices of other nodes that a program may use: a small text that `xpool run --on` writes, names in the program's
// environment (kSliceFileVariable), and keeps up to date as its tokens are renewed. Read at every attach, so that
// children find what holds then.
//
//   xpool-slices 1
//   address tls:10.0.0.2:9747       begins a slice: where its agent is, as Dialer has it
//   node gpu2                       whom to take for it (the name in its certificate), and how to call it in messages
//   slice s7                        optional, as are those below: what the agent calls it
//   token xpool-token-1...          what entitles to it
//   identity /home/a/.config/...    whose certificate to show, and whom to believe
//   plain yes                       unencrypted TCP was asked for by name
//
// Pure, but for ReadSliceFile().
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace xpool::remote {

inline constexpr char kSliceFileVariable[] = "XPOOL_REMOTE_SLICES";
inline constexpr size_t kMostSliceFileBytes = 256 * 1024;
inline constexpr size_t kMostSlices = 64;

struct SliceEntry {
  std::string address, node, slice, token, identity;
  bool plain = false;

  friend bool operator==(const SliceEntry&, const SliceEntry&) = default;
};

// INVALID_ARGUMENT names the line.
absl::StatusOr<std::vector<SliceEntry>> ParseSliceFile(absl::string_view text);
// What ParseSliceFile() reads again. REQUIRES: no value has a line break.
std::string SliceFileText(const std::vector<SliceEntry>& slices);

// NOT_FOUND and PERMISSION_DENIED say which file; it is its owner's alone, for the tokens in it.
absl::StatusOr<std::vector<SliceEntry>> ReadSliceFile(const std::string& path);

}  // namespace xpool::remote
