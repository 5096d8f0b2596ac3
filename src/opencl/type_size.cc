#include "opencl/type_size.h"

#include <algorithm>
#include <iterator>

namespace xpool {
namespace {

struct Scalar {
  std::string_view name;
  size_t bytes;
};

// size_t and its like have the device's width, and bool cannot be an argument.
constexpr Scalar kScalars[] = {
    {"char", 1},          {"uchar", 1}, {"unsigned char", 1}, {"short", 2},    {"ushort", 2}, {"unsigned short", 2},
    {"int", 4},           {"uint", 4},  {"unsigned int", 4},  {"unsigned", 4}, {"long", 8},   {"ulong", 8},
    {"unsigned long", 8}, {"half", 2},  {"float", 4},         {"double", 8},
};

}  // namespace

std::optional<size_t> TypeBytes(std::string_view name) {
  const size_t digits = name.find_first_of("0123456789");
  const std::string_view width = digits == std::string_view::npos ? "" : name.substr(digits);
  const std::string_view scalar = name.substr(0, digits);
  const auto* const found =
      std::find_if(std::begin(kScalars), std::end(kScalars), [&](const Scalar& s) { return s.name == scalar; });
  if (found == std::end(kScalars)) return std::nullopt;
  if (width.empty()) return found->bytes;
  if (width == "2") return found->bytes * 2;
  if (width == "3" || width == "4") return found->bytes * 4;
  if (width == "8") return found->bytes * 8;
  if (width == "16") return found->bytes * 16;
  return std::nullopt;
}

}  // namespace xpool
