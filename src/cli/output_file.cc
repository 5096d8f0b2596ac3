#include "cli/output_file.h"

#include <fstream>

#include "base/status.h"

namespace xpool::cli {

absl::Status WriteOutput(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (!file) return ErrnoStatus(absl::StrCat("cannot write ", path));
  return absl::OkStatus();
}

}  // namespace xpool::cli
