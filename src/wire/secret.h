// Secrets of a fixed size: compared, and read off a message.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "wire/reader.h"

namespace xpool::wire {

// Compares in a time that does not depend on where they differ.
template <size_t kBytes>
bool SameSecret(const std::array<std::byte, kBytes>& a, const std::array<std::byte, kBytes>& b) {
  std::byte difference{0};
  for (size_t i = 0; i < kBytes; ++i) difference |= a[i] ^ b[i];
  return difference == std::byte{0};
}

// All zero when the read failed.
template <typename Secret>
Secret GetSecret(Reader* reader, const char* field) {
  Secret secret{};
  const std::span<const std::byte> bytes = reader->Raw(field, secret.size());
  if (reader->ok()) std::copy(bytes.begin(), bytes.end(), secret.begin());
  return secret;
}

}  // namespace xpool::wire
