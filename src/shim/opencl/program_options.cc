#include "shim/opencl/program_options.h"

namespace xpool::cl {
namespace {

constexpr std::string_view kArgInfo = "-cl-kernel-arg-info";

}  // namespace

std::optional<std::string> WithArgInfo(const char* options) {
  std::string text = options == nullptr ? "" : options;
  if (text.find(kArgInfo) != std::string::npos) return std::nullopt;
  if (!text.empty()) text += ' ';
  return text.append(kArgInfo);
}

std::string WithoutArgInfo(std::string_view options) {
  if (options.size() < kArgInfo.size() || options.substr(options.size() - kArgInfo.size()) != kArgInfo) {
    return std::string(options);
  }
  options.remove_suffix(kArgInfo.size());
  if (!options.empty() && options.back() == ' ') options.remove_suffix(1);
  return std::string(options);
}

}  // namespace xpool::cl
