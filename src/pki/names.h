// What names and addresses in certificates may look like. Whoever asks for a certificate chooses them, and they end up
// in files, logs, tables and terminals of others: so they are short, and of letters, digits and a few marks. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace xpool::pki {

inline constexpr size_t kMostNameBytes = 63;
inline constexpr size_t kMostAddresses = 32;

// Of a node, or a laboratory: letters, digits, '.', '-', '_', with a letter or digit at both ends. INVALID_ARGUMENT
// says what is wrong with the |what|.
absl::Status CheckNodeName(const char* what, const std::string& name);
// Of a user: also '@'.
absl::Status CheckUserName(const char* what, const std::string& name);

// Where a node is reached, in the forms in which certificates have it.
struct NodeAddresses {
  std::vector<std::string> dns_names, ip_addresses;

  std::vector<std::string> All() const;
};

// INVALID_ARGUMENT for what no client could connect to, or nothing at all.
absl::StatusOr<NodeAddresses> ParseAddresses(const std::vector<std::string>& texts);

// |text|, shortened and with what is not printable replaced, between quotes: to be quoted in an error.
std::string Quoted(const std::string& text);

}  // namespace xpool::pki
