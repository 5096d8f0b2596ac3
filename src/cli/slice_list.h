// The file that tells a program of its remote slices (backend/remote/slice_file.h): in a folder of its own that nobody
// else can enter, removed with this object. Not thread-safe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backend/remote/slice_file.h"

namespace xpool::cli {

class SliceList {
 public:
  static absl::StatusOr<SliceList> Create();
  SliceList(SliceList&& other) noexcept : folder_(std::exchange(other.folder_, "")) {}
  SliceList& operator=(SliceList&&) = delete;
  ~SliceList();

  // Replaces what the file says, at once.
  absl::Status Write(const std::vector<remote::SliceEntry>& slices) const;

  // For remote::kSliceFileVariable.
  std::string path() const { return folder_ + "/slices"; }

 private:
  explicit SliceList(std::string folder) : folder_(std::move(folder)) {}

  std::string folder_;
};

}  // namespace xpool::cli
