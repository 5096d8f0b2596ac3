// The secrets with which an agent makes its slice tokens (slice_token.h). They are in a file of its directory (mode
// 0600), made on first use; so tokens hold across the agent's restart. Rotating keeps one previous key, with which
// tokens are still taken but not made.
//
// What is returned is derived from the file's keys and |boot_id|, so that no token outlives the machine's run.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace xpool::pki {

using TokenKey = std::array<uint8_t, 32>;

struct TokenKeys {
  TokenKey current{};
  std::optional<TokenKey> previous;
};

// From |path| (AgentPaths::token_keys()), which is created if need be. |boot_id|: BootId() (base/process.h).
// PERMISSION_DENIED when others could read it, DATA_LOSS when it is damaged.
absl::StatusOr<TokenKeys> LoadTokenKeys(const std::string& path, const std::string& boot_id);

// A new current key; what was current is previous, and what was previous is gone.
absl::StatusOr<TokenKeys> RotateTokenKeys(const std::string& path, const std::string& boot_id);

// HMAC-SHA256. For this folder's own use.
TokenKey Hmac(const TokenKey& key, const std::string& message);

}  // namespace xpool::pki
