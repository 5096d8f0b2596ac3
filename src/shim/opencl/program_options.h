// The build option that the shim adds so that the driver tells the kinds of kernel arguments. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace xpool::cl {

// |options| (may be NULL) with -cl-kernel-arg-info, or nothing when they have it already.
std::optional<std::string> WithArgInfo(const char* options);

// What WithArgInfo() was given, from what it made; anything else as it is.
std::string WithoutArgInfo(std::string_view options);

}  // namespace xpool::cl
