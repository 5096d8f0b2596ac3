// The puts of a bulk lane that are under way. They leave in chunks, few at a time: what UCX emulates without an adapter
// goes through the same queue as the stream, which is short, and an adapter is kept busy by few as well. Pure memory;
// the line does the writing. Threading: one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>

#include "base/bytes.h"

struct ucp_rkey;

namespace xpool::transport {

class UcxPuts {
 public:
  static constexpr size_t kMostPuts = 32;
  static constexpr size_t kMostChunks = 3;
  static constexpr size_t kChunkBytes = 256 * kKiB;

  struct Chunk {
    std::span<const std::byte> bytes;
    uint64_t address;  // at the peer
    ucp_rkey* key;
    size_t slot;  // < kMostChunks
  };

  // The put's number, from 1 on; 0 when kMostPuts are under way.
  uint64_t Add(std::span<const std::byte> bytes, uint64_t address, ucp_rkey* key);
  // The next to write, when there is one and a slot is free.
  std::optional<Chunk> Next();
  // The chunk of |slot| has arrived.
  void Arrived(size_t slot);

  uint64_t added() const { return first_ + puts_.size() - 1; }
  // Up to which number all have arrived.
  uint64_t done() const { return first_ - 1; }

 private:
  struct Put {
    Chunk rest;          // not given out yet
    size_t chunks_open;  // given out and not arrived
  };

  void DropArrived();

  std::deque<Put> puts_;
  uint64_t first_ = 1;                                // the number of puts_' first
  std::array<uint64_t, kMostChunks> put_of_chunk_{};  // 0: the slot is free
};

}  // namespace xpool::transport
