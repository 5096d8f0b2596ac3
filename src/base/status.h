// Helpers around absl::Status, the project's way to return errors. An error says what was asked, what was there and
// what to do.
#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

#define XPOOL_CONCAT_INNER(a, b) a##b
#define XPOOL_CONCAT(a, b) XPOOL_CONCAT_INNER(a, b)

// Returns from the enclosing function when |expr| is an error.
#define RETURN_IF_ERROR(expr)                    \
  do {                                           \
    absl::Status xpool_status = (expr);          \
    if (!xpool_status.ok()) return xpool_status; \
  } while (0)

// ASSIGN_OR_RETURN(auto x, F()): x is the value, or the enclosing function returns F's error.
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_IMPL(XPOOL_CONCAT(xpool_or_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL(temp, lhs, expr) \
  auto temp = (expr);                          \
  if (!temp.ok()) return temp.status();        \
  lhs = std::move(temp).value()

namespace xpool {

// The status of the failed system call |what|, from errno.
inline absl::Status ErrnoStatus(std::string_view what) {
  const int error = errno;
  return absl::ErrnoToStatus(error, absl::string_view(what.data(), what.size()));
}

// The status code that came as |number| from another process; nothing when there is none of that number.
inline std::optional<absl::StatusCode> StatusCodeOf(uint32_t number) {
  if (number > static_cast<uint32_t>(absl::StatusCode::kUnauthenticated)) return std::nullopt;  // the last one
  return static_cast<absl::StatusCode>(number);
}

}  // namespace xpool
