#include "pki/token_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"

namespace xpool::pki {
namespace {

constexpr char kTitle[] = "xpool slice token keys 1";
constexpr size_t kMostFileBytes = 512;

TokenKey RandomKey() {
  TokenKey key;
  if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1) std::abort();  // no secret could be made
  return key;
}

std::string Hex(const TokenKey& key) {
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(key.data()), key.size()));
}

std::optional<TokenKey> FromHex(absl::string_view text) {
  TokenKey key;
  if (text.size() != 2 * key.size() || !std::all_of(text.begin(), text.end(), absl::ascii_isxdigit)) return {};
  const std::string bytes = absl::HexStringToBytes(text);
  std::copy(bytes.begin(), bytes.end(), key.begin());
  return key;
}

std::string ToText(const TokenKeys& keys) {
  std::string text = absl::StrCat(kTitle, "\n", Hex(keys.current), "\n");
  if (keys.previous.has_value()) absl::StrAppend(&text, Hex(*keys.previous), "\n");
  return text;
}

absl::StatusOr<TokenKeys> FromText(const std::string& path, const std::string& text) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  const absl::Status damaged = absl::DataLossError(
      absl::StrCat(path,
                   " is damaged: it was kept as it is; remove it for new keys (tokens of the last minutes are then"
                   " refused)"));
  if (lines.size() < 3 || lines.size() > 4 || lines.front() != kTitle || !lines.back().empty()) return damaged;
  const std::optional<TokenKey> current = FromHex(lines[1]);
  if (!current.has_value()) return damaged;
  TokenKeys keys{*current, {}};
  if (lines.size() == 3) return keys;
  keys.previous = FromHex(lines[2]);
  if (!keys.previous.has_value()) return damaged;
  return keys;
}

absl::StatusOr<TokenKeys> ReadOrCreate(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, kMostFileBytes, FileTrust::kPrivate);
  if (absl::IsNotFound(text.status())) {
    const absl::Status made = WriteFileDurably(path, ToText({RandomKey(), {}}), 0600, IfExists::kRefuse);
    if (!made.ok() && !absl::IsAlreadyExists(made)) return made;  // else somebody was faster
    text = ReadFile(path, kMostFileBytes, FileTrust::kPrivate);
  }
  RETURN_IF_ERROR(text.status());
  return FromText(path, *text);
}

TokenKeys Derive(const TokenKeys& kept, const std::string& boot_id) {
  const std::string message = absl::StrCat(kTitle, " of boot ", boot_id);
  TokenKeys keys{Hmac(kept.current, message), {}};
  if (kept.previous.has_value()) keys.previous = Hmac(*kept.previous, message);
  return keys;
}

}  // namespace

absl::StatusOr<TokenKeys> LoadTokenKeys(const std::string& path, const std::string& boot_id) {
  ASSIGN_OR_RETURN(const TokenKeys kept, ReadOrCreate(path));
  return Derive(kept, boot_id);
}

absl::StatusOr<TokenKeys> RotateTokenKeys(const std::string& path, const std::string& boot_id) {
  ASSIGN_OR_RETURN(const TokenKeys before, ReadOrCreate(path));
  const TokenKeys kept{RandomKey(), before.current};
  RETURN_IF_ERROR(WriteFileDurably(path, ToText(kept), 0600, IfExists::kReplace));
  return Derive(kept, boot_id);
}

TokenKey Hmac(const TokenKey& key, const std::string& message) {
  TokenKey mac{};
  unsigned size = 0;
  const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes, message.size(), mac.data(), &size) ==
          nullptr ||
      size != mac.size())
    std::abort();  // out of memory: nothing may be signed or believed
  return mac;
}

}  // namespace xpool::pki
