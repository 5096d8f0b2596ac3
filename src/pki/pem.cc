#include "pki/pem.h"

#include "base/status.h"
#include "pki/names.h"
#include "transport/tls_x509.h"

namespace xpool::pki {
namespace {

constexpr std::string_view kBegin = "-----BEGIN ", kEnd = "-----END ", kDashes = "-----";

// Takes the first line off |text|, without its end.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  return line;
}

// What stands between |before| and the dashes, if |line| is such a line.
std::string LabelIn(std::string_view line, std::string_view before) {
  if (!line.starts_with(before) || !line.ends_with(kDashes) || line.size() <= before.size() + kDashes.size()) return "";
  return std::string(line.substr(before.size(), line.size() - before.size() - kDashes.size()));
}

}  // namespace

absl::StatusOr<std::vector<PemBlock>> SplitPem(std::string_view text) {
  std::vector<PemBlock> blocks;
  const char* begin = nullptr;  // of the block that is open
  PemBlock block;
  std::string_view rest = text;
  for (int number = 1; !rest.empty(); ++number) {
    const char* const start = rest.data();
    const std::string_view line = TakeLine(&rest);
    if (const std::string label = LabelIn(line, kBegin); !label.empty()) {
      if (begin != nullptr) break;
      begin = start;
      block = {label, {}, number};
    } else if (begin != nullptr && LabelIn(line, kEnd) == block.label) {
      block.text = std::string_view(begin, static_cast<size_t>(start + line.size() - begin));
      blocks.push_back(block);
      begin = nullptr;
      if (blocks.size() > kMostPemBlocks)
        return absl::DataLossError(absl::StrCat("there are more than ", kMostPemBlocks, " PEM blocks in it"));
    } else if (begin == nullptr && line.starts_with('-')) {
      return absl::DataLossError(absl::StrCat("line ", number, ": ", Quoted(std::string(line)),
                                              " is no beginning of a PEM block: was the file cut?"));
    }
  }
  if (begin != nullptr)
    return absl::DataLossError(absl::StrCat("line ", block.line, ": the block that begins here, ", Quoted(block.label),
                                            ", has no end: was the file cut?"));
  return blocks;
}

absl::Status BadBlock(const PemBlock& block, const std::string& what) {
  const std::string reason = transport::TakeTlsReason("");
  return absl::DataLossError(absl::StrCat("line ", block.line, ": ", what, reason.empty() ? "" : ": ", reason));
}

}  // namespace xpool::pki
