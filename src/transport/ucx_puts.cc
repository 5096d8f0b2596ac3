#include "transport/ucx_puts.h"

#include <algorithm>

namespace xpool::transport {

uint64_t UcxPuts::Add(std::span<const std::byte> bytes, uint64_t address, ucp_rkey* key) {
  if (puts_.size() == kMostPuts) return 0;
  puts_.push_back({{bytes, address, key, 0}, 0});
  const uint64_t number = added();
  DropArrived();  // one without bytes
  return number;
}

std::optional<UcxPuts::Chunk> UcxPuts::Next() {
  const auto slot = std::find(put_of_chunk_.begin(), put_of_chunk_.end(), 0);
  const auto put = std::find_if(puts_.begin(), puts_.end(), [](const Put& each) { return !each.rest.bytes.empty(); });
  if (slot == put_of_chunk_.end() || put == puts_.end()) return std::nullopt;
  *slot = first_ + static_cast<uint64_t>(put - puts_.begin());
  ++put->chunks_open;
  Chunk chunk = put->rest;
  chunk.bytes = chunk.bytes.first(std::min(chunk.bytes.size(), kChunkBytes));
  chunk.slot = static_cast<size_t>(slot - put_of_chunk_.begin());
  put->rest.bytes = put->rest.bytes.subspan(chunk.bytes.size());
  put->rest.address += chunk.bytes.size();
  return chunk;
}

void UcxPuts::Arrived(size_t slot) {
  --puts_[put_of_chunk_[slot] - first_].chunks_open;
  put_of_chunk_[slot] = 0;
  DropArrived();
}

void UcxPuts::DropArrived() {
  while (!puts_.empty() && puts_.front().rest.bytes.empty() && puts_.front().chunks_open == 0) {
    puts_.pop_front();
    ++first_;
  }
}

}  // namespace xpool::transport
