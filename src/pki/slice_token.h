// A slice token: an agent's own word that a holder may do something with one slice for a while. The agent that gives it
// is the one that takes it, so a secret of its own is all it needs (token_keys.h). It is text that travels in a
// message:
//
//   xpool-token-1.<160 characters of base64url>
//
// of the bytes (integers big-endian)
//
//   purpose 1 | id 16 | slice number 8 | slice's creation 8 | valid from 8 | until 8 | most uses 4 | holder's kind 1 |
//   holder 32 | filler 2 | HMAC-SHA256, over all before it and the text's first part, 32
//
// Its times are CLOCK_MONOTONIC's, which no user sets; the keys are bound to the machine's start, since that clock
// begins anew with it. What is secret is compared in constant time. Pure, thread-safe.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/clock.h"
#include "pki/token_keys.h"

namespace xpool::pki {

inline constexpr size_t kSliceTokenChars = 14 + 160;
inline constexpr int64_t kTokenLifeNs = 5 * 60 * kNsPerSec;       // unless another is asked for
inline constexpr int64_t kMostTokenLifeNs = 60 * 60 * kNsPerSec;  // who needs longer asks again
inline constexpr uint32_t kUnlimitedUses = 0;

enum class TokenPurpose : uint8_t {
  kAttach = 1,        // open a session on the slice
  kPeerTransfer = 2,  // fetch or bring one transfer's data, from one worker to another; used once
};

// Who may show a token. A stolen one is of no use to others.
class TokenHolder {
 public:
  // A user of this machine, as the kernel says.
  static TokenHolder OfUid(uid_t uid);
  // The peer of a TLS connection: CertificateFacts::fingerprint. INVALID_ARGUMENT for anything else.
  static absl::StatusOr<TokenHolder> OfCertificate(const std::string& fingerprint);
  // Whoever shows it, where nothing tells one peer from another: on unencrypted TCP, which is for closed networks.
  static TokenHolder Anybody();

  std::string ToString() const;  // "user 1000", "certificate 9f01..."
  friend bool operator==(const TokenHolder&, const TokenHolder&) = default;

 private:
  friend struct TokenCodec;
  enum class Kind : uint8_t { kUid = 1, kCertificate = 2, kAnybody = 3 };

  Kind kind_ = Kind::kUid;
  std::array<uint8_t, 32> who_{};
};

// With its creation, so that a slice that bears a number again is another one.
struct TokenSlice {
  uint64_t number = 0;
  int64_t created_unix_s = 0;

  friend bool operator==(const TokenSlice&, const TokenSlice&) = default;
};

using TokenId = std::array<uint8_t, 16>;
TokenId NewTokenId();  // random

struct SliceToken {
  TokenId id{};
  TokenPurpose purpose = TokenPurpose::kAttach;
  TokenSlice slice;
  TokenHolder holder;
  int64_t valid_from_ns = 0, valid_until_ns = 0;  // by the clock that it was made with
  uint32_t most_uses = kUnlimitedUses;            // counted by a TokenLedger

  friend bool operator==(const SliceToken&, const SliceToken&) = default;
};

struct TokenGrant {
  TokenPurpose purpose = TokenPurpose::kAttach;
  TokenSlice slice;
  TokenHolder holder;
  int64_t life_ns = kTokenLifeNs;
  uint32_t most_uses = kUnlimitedUses;  // of a peer transfer: 1
};

// The text, valid from |now_ns| on. INVALID_ARGUMENT for a life of nothing or more than kMostTokenLifeNs, or a peer
// transfer that could be used more than once.
absl::StatusOr<std::string> MakeSliceToken(const TokenGrant& grant, const TokenId& id, const TokenKeys& keys,
                                           int64_t now_ns);

// What somebody shows a token for.
struct TokenUse {
  TokenPurpose purpose;
  TokenSlice slice;
  TokenHolder holder;
};

// Why a token is refused, for those who count; the status says it in words.
enum class TokenFault {
  kNone,
  kMalformed,
  kWrongKey,  // made by another agent, with a key that is gone, before the machine started; or changed
  kOtherPurpose,
  kOtherSlice,
  kOtherHolder,
  kNotYetValid,
  kExpired,
  kUsedUp,
};
TokenFault FaultOf(const absl::Status& status);

// INVALID_ARGUMENT when |text| is malformed, UNAUTHENTICATED when it is not of these keys, else PERMISSION_DENIED. The
// uses are not counted here: TokenLedger::Use() comes next.
absl::StatusOr<SliceToken> CheckSliceToken(std::string_view text, const TokenUse& use, const TokenKeys& keys,
                                           int64_t now_ns);

// The error of a token with |fault|. For this folder's own use.
absl::Status TokenError(TokenFault fault, const std::string& why);

}  // namespace xpool::pki
