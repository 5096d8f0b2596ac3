// A direct copy: what two workers say to each other on a connection that the sender's agent has made to the receiver's
// (wire/attach.h: preamble kPeer). Both have heard from their common client what is copied; the token that the receiver
// made for this one copy came to the sender through the client.
//
//   Opening   ->            the token, and how many bytes will follow
//             <-  u32       a status code: 0, and then
//   the bytes ->
//             <-  u32       0: all of them are in the receiver's buffer
// Everything has a size that both sides know beforehand, so no length is believed. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "wire/secret.h"

namespace xpool::wire {

using PeerToken = std::array<std::byte, 32>;  // random; good for one copy

struct PeerOpening {
  PeerToken token{};
  uint64_t bytes = 0;  // not 0
};

inline constexpr size_t kPeerOpeningBytes = 40;
inline constexpr size_t kPeerStatusBytes = 4;

std::array<std::byte, kPeerOpeningBytes> EncodePeerOpening(const PeerOpening& opening);
// INVALID_ARGUMENT when it announces no bytes.
absl::StatusOr<PeerOpening> DecodePeerOpening(std::span<const std::byte, kPeerOpeningBytes> bytes);

std::array<std::byte, kPeerStatusBytes> EncodePeerStatus(absl::StatusCode code);
// OK, or the error that the receiver has answered; DATA_LOSS when it is no status code.
absl::Status DecodePeerStatus(std::span<const std::byte, kPeerStatusBytes> bytes);

}  // namespace xpool::wire
