#include "pki/slice_token.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "base/status.h"

namespace xpool::pki {
namespace {

constexpr char kPrefix[] = "xpool-token-1.";
constexpr size_t kPrefixChars = sizeof(kPrefix) - 1;
constexpr size_t kMacBytes = 32, kFillerBytes = 2;
// A multiple of three, so that base64 has one form for it.
constexpr size_t kBodyBytes = 1 + 16 + 8 + 8 + 8 + 8 + 4 + 1 + 32 + kFillerBytes;
constexpr size_t kBytes = kBodyBytes + kMacBytes;
static_assert(kBytes % 3 == 0 && kPrefixChars + kBytes / 3 * 4 == kSliceTokenChars);

constexpr char kFaultUrl[] = "xpool/token-fault";

template <typename T>
void Put(T value, std::string* out) {
  for (size_t shift = sizeof(T) * 8; shift > 0; shift -= 8) out->push_back(static_cast<char>(value >> (shift - 8)));
}

// REQUIRES: |*bytes| holds as many.
uint64_t Take(size_t size, std::string_view* bytes) {
  uint64_t value = 0;
  for (const char byte : bytes->substr(0, size)) value = value << 8 | static_cast<uint8_t>(byte);
  bytes->remove_prefix(size);
  return value;
}

absl::Status Malformed(const std::string& why) {
  return TokenError(TokenFault::kMalformed, absl::StrCat("this is no slice token: ", why));
}

std::string Decode(std::string_view text) {
  const bool alphabet =
      std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isalnum(c) || c == '-' || c == '_'; });
  std::string bytes;
  return alphabet && absl::WebSafeBase64Unescape(absl::string_view(text.data(), text.size()), &bytes) ? bytes : "";
}

bool IsSignedWith(const TokenKey& key, const std::string& signed_text, std::string_view mac) {
  return CRYPTO_memcmp(Hmac(key, signed_text).data(), mac.data(), kMacBytes) == 0;
}

// Both keys are tried whatever the first says.
bool IsOurs(const TokenKeys& keys, std::string_view body, std::string_view mac) {
  const std::string signed_text = absl::StrCat(kPrefix, absl::string_view(body.data(), body.size()));
  const bool current = IsSignedWith(keys.current, signed_text, mac);
  const bool previous = keys.previous.has_value() && IsSignedWith(*keys.previous, signed_text, mac);
  return current || previous;
}

const char* PurposeName(TokenPurpose purpose) {
  return purpose == TokenPurpose::kAttach ? "attaching to a slice" : "a transfer between peers";
}

absl::Status CheckUse(const SliceToken& token, const TokenUse& use, int64_t now_ns) {
  if (token.purpose != use.purpose) {
    return TokenError(TokenFault::kOtherPurpose, absl::StrCat("the slice token is for ", PurposeName(token.purpose),
                                                              " and was shown for ", PurposeName(use.purpose)));
  }
  if (token.slice != use.slice)
    return TokenError(TokenFault::kOtherSlice, "the slice token is for another slice, or one that is no more");
  if (!(token.holder == use.holder)) {
    return TokenError(TokenFault::kOtherHolder, absl::StrCat("the slice token was given to ", token.holder.ToString(),
                                                             " and shown by ", use.holder.ToString()));
  }
  if (now_ns < token.valid_from_ns)
    return TokenError(TokenFault::kNotYetValid, "the slice token is not valid yet: this machine's clock went back");
  if (now_ns < token.valid_until_ns) return absl::OkStatus();
  return TokenError(TokenFault::kExpired,
                    absl::StrCat("the slice token expired ", (now_ns - token.valid_until_ns) / kNsPerSec,
                                 " s ago: ask the agent for another"));
}

}  // namespace

struct TokenCodec {
  static std::string Body(const SliceToken& token) {
    std::string body;
    Put(static_cast<uint8_t>(token.purpose), &body);
    body.append(token.id.begin(), token.id.end());
    Put(token.slice.number, &body);
    Put(static_cast<uint64_t>(token.slice.created_unix_s), &body);
    Put(static_cast<uint64_t>(token.valid_from_ns), &body);
    Put(static_cast<uint64_t>(token.valid_until_ns), &body);
    Put(token.most_uses, &body);
    Put(static_cast<uint8_t>(token.holder.kind_), &body);
    body.append(token.holder.who_.begin(), token.holder.who_.end());
    body.append(kFillerBytes, '\0');
    return body;
  }

  // REQUIRES: |body| is what Body() made.
  static SliceToken Read(std::string_view body) {
    SliceToken token;
    token.purpose = static_cast<TokenPurpose>(Take(1, &body));
    std::copy_n(body.begin(), token.id.size(), token.id.begin());
    body.remove_prefix(token.id.size());
    token.slice.number = Take(8, &body);
    token.slice.created_unix_s = static_cast<int64_t>(Take(8, &body));
    token.valid_from_ns = static_cast<int64_t>(Take(8, &body));
    token.valid_until_ns = static_cast<int64_t>(Take(8, &body));
    token.most_uses = static_cast<uint32_t>(Take(4, &body));
    token.holder.kind_ = static_cast<TokenHolder::Kind>(Take(1, &body));
    std::copy_n(body.begin(), token.holder.who_.size(), token.holder.who_.begin());
    return token;
  }
};

TokenHolder TokenHolder::OfUid(uid_t uid) {
  TokenHolder holder;
  std::string bytes;
  Put(static_cast<uint32_t>(uid), &bytes);
  std::copy(bytes.begin(), bytes.end(), holder.who_.end() - 4);
  return holder;
}

absl::StatusOr<TokenHolder> TokenHolder::OfCertificate(const std::string& fingerprint) {
  TokenHolder holder;
  holder.kind_ = Kind::kCertificate;
  const bool good = fingerprint.size() == 2 * holder.who_.size() &&
                    std::all_of(fingerprint.begin(), fingerprint.end(), absl::ascii_isxdigit);
  if (!good) return absl::InvalidArgumentError("a certificate's fingerprint is 64 hexadecimal digits (SHA-256)");
  const std::string bytes = absl::HexStringToBytes(fingerprint);
  std::copy(bytes.begin(), bytes.end(), holder.who_.begin());
  return holder;
}

TokenHolder TokenHolder::Anybody() {
  TokenHolder holder;
  holder.kind_ = Kind::kAnybody;
  return holder;
}

std::string TokenHolder::ToString() const {
  if (kind_ == Kind::kAnybody) return "whoever shows it";
  if (kind_ == Kind::kUid) {
    std::string_view uid(reinterpret_cast<const char*>(who_.data() + who_.size() - 4), 4);
    return absl::StrCat("user ", Take(4, &uid));
  }
  return absl::StrCat("certificate ", absl::BytesToHexString(
                                          absl::string_view(reinterpret_cast<const char*>(who_.data()), who_.size())));
}

TokenId NewTokenId() {
  TokenId id;
  if (RAND_bytes(id.data(), static_cast<int>(id.size())) != 1) std::abort();  // two tokens must never be one
  return id;
}

absl::Status TokenError(TokenFault fault, const std::string& why) {
  const auto code = fault == TokenFault::kMalformed  ? absl::StatusCode::kInvalidArgument
                    : fault == TokenFault::kWrongKey ? absl::StatusCode::kUnauthenticated
                                                     : absl::StatusCode::kPermissionDenied;
  absl::Status status(code, why);
  status.SetPayload(kFaultUrl, absl::Cord(absl::StrCat(static_cast<int>(fault))));
  return status;
}

TokenFault FaultOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kFaultUrl);
  int fault = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &fault)) return TokenFault::kNone;
  return static_cast<TokenFault>(fault);
}

absl::StatusOr<std::string> MakeSliceToken(const TokenGrant& grant, const TokenId& id, const TokenKeys& keys,
                                           int64_t now_ns) {
  if (grant.life_ns <= 0 || grant.life_ns > kMostTokenLifeNs) {
    return absl::InvalidArgumentError(absl::StrCat("a slice token that lives ", grant.life_ns / kNsPerSec,
                                                   " s: it can be up to ", kMostTokenLifeNs / kNsPerSec, " s"));
  }
  if (grant.purpose == TokenPurpose::kPeerTransfer && grant.most_uses != 1)
    return absl::InvalidArgumentError("a slice token for a transfer between peers is used once");
  const SliceToken token{id, grant.purpose, grant.slice, grant.holder, now_ns, now_ns + grant.life_ns, grant.most_uses};
  const std::string body = TokenCodec::Body(token);
  const TokenKey mac = Hmac(keys.current, kPrefix + body);
  return kPrefix + absl::WebSafeBase64Escape(body + std::string(mac.begin(), mac.end()));
}

absl::StatusOr<SliceToken> CheckSliceToken(std::string_view text, const TokenUse& use, const TokenKeys& keys,
                                           int64_t now_ns) {
  if (!text.starts_with(kPrefix)) return Malformed(absl::StrCat("it does not begin with ", kPrefix));
  if (text.size() != kSliceTokenChars)
    return Malformed(absl::StrCat("it has ", text.size(), " characters instead of ", kSliceTokenChars));
  const std::string bytes = Decode(text.substr(kPrefixChars));
  if (bytes.size() != kBytes) return Malformed("it has characters that are not base64url's");
  const std::string_view body = std::string_view(bytes).substr(0, kBodyBytes);
  if (!IsOurs(keys, body, std::string_view(bytes).substr(kBodyBytes))) {
    return TokenError(TokenFault::kWrongKey,
                      "the slice token was not made by this agent with a key that it still has, or it was changed: ask"
                      " this agent for one");
  }
  const SliceToken token = TokenCodec::Read(body);
  RETURN_IF_ERROR(CheckUse(token, use, now_ns));
  return token;
}

}  // namespace xpool::pki
