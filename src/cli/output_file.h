// The file that a user names for a command's result: written as it stands, so that /dev/stdout and pipes serve too.
// (State that must survive a crash goes by WriteFileDurably(), base/file.h, which replaces what is there.)
#pragma once

#include <string>

#include "absl/status/status.h"

namespace xpool::cli {

absl::Status WriteOutput(const std::string& path, const std::string& text);

}  // namespace xpool::cli
