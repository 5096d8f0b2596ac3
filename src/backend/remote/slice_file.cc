#include "backend/remote/slice_file.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"

namespace xpool::remote {
namespace {

constexpr absl::string_view kFirstLine = "xpool-slices 1";

absl::Status BadLine(size_t line, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("line ", line, " of the file of slices ", why,
                                                 "; `xpool run --on` writes this file, start the program with it"));
}

// Where |key| goes; nullptr for one that there is not.
std::string* FieldOf(absl::string_view key, SliceEntry* entry) {
  if (key == "node") return &entry->node;
  if (key == "slice") return &entry->slice;
  if (key == "token") return &entry->token;
  if (key == "identity") return &entry->identity;
  return nullptr;
}

absl::Status TakeLine(size_t number, absl::string_view key, absl::string_view value, std::vector<SliceEntry>* slices) {
  if (value.empty()) return BadLine(number, "has no value");
  if (key == "address") {
    if (slices->size() >= kMostSlices) return BadLine(number, absl::StrCat("begins slice ", kMostSlices + 1));
    slices->emplace_back().address = std::string(value);
    return absl::OkStatus();
  }
  if (slices->empty()) return BadLine(number, "is not about any slice, for no address came before");
  if (key == "plain") {
    slices->back().plain = value == "yes";
    return value == "yes" ? absl::OkStatus() : BadLine(number, "says something else than yes");
  }
  std::string* const field = FieldOf(key, &slices->back());
  if (field == nullptr) return BadLine(number, "begins with none of the words that this version knows");
  if (!field->empty()) return BadLine(number, "says the same thing again");
  *field = std::string(value);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<SliceEntry>> ParseSliceFile(absl::string_view text) {
  if (text.size() > kMostSliceFileBytes) return absl::InvalidArgumentError("the file of slices is too long");
  std::vector<SliceEntry> slices;
  size_t number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (number == 1) {
      if (line != kFirstLine) return BadLine(1, absl::StrCat("is not \"", kFirstLine, "\""));
      continue;
    }
    if (line.empty()) continue;
    const std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(line, absl::MaxSplits(' ', 1));
    RETURN_IF_ERROR(TakeLine(number, parts.first, parts.second, &slices));
  }
  if (slices.empty()) return absl::InvalidArgumentError("the file of slices names none");
  return slices;
}

std::string SliceFileText(const std::vector<SliceEntry>& slices) {
  std::string text = absl::StrCat(kFirstLine, "\n");
  const auto put = [&](absl::string_view key, absl::string_view value) {
    if (!value.empty()) absl::StrAppend(&text, key, " ", value, "\n");
  };
  for (const SliceEntry& slice : slices) {
    put("address", slice.address);
    put("node", slice.node);
    put("slice", slice.slice);
    put("token", slice.token);
    put("identity", slice.identity);
    put("plain", slice.plain ? "yes" : "");
  }
  return text;
}

absl::StatusOr<std::vector<SliceEntry>> ReadSliceFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMostSliceFileBytes, FileTrust::kPrivate));
  absl::StatusOr<std::vector<SliceEntry>> slices = ParseSliceFile(text);
  if (!slices.ok()) return absl::Status(slices.status().code(), absl::StrCat(path, ": ", slices.status().message()));
  return slices;
}

}  // namespace xpool::remote
