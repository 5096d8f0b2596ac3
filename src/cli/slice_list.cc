#include "cli/slice_list.h"

#include <cstdlib>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/paths.h"
#include "base/status.h"

namespace xpool::cli {

absl::StatusOr<SliceList> SliceList::Create() {
  const std::string base = UserRuntimeDirectory();
  RETURN_IF_ERROR(EnsureOwnDirectory(base));
  std::string folder = absl::StrCat(base, "/run-XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) return ErrnoStatus(absl::StrCat("a folder in ", base));
  return SliceList(std::move(folder));
}

SliceList::~SliceList() {
  std::error_code error;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, error);
}

absl::Status SliceList::Write(const std::vector<remote::SliceEntry>& slices) const {
  return WriteFileDurably(path(), remote::SliceFileText(slices), 0600, IfExists::kReplace);
}

}  // namespace xpool::cli
