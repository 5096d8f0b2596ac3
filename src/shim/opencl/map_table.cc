#include "shim/opencl/map_table.h"

#include <cstdlib>
#include <utility>

#include "shim/opencl/memory.h"

namespace xpool::cl {

std::shared_ptr<Staging> Staging::Make(size_t bytes) {
  if (bytes > SIZE_MAX - kAlignment) return nullptr;
  void* data = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
  if (data == nullptr) return nullptr;
  auto staging = std::make_shared<Staging>();
  staging->data = static_cast<unsigned char*>(data);
  return staging;
}

Staging::~Staging() { std::free(data); }

void AddMapping(Mem& mem, void* pointer, std::shared_ptr<Staging> staging) {
  mem.map_count.fetch_add(1, std::memory_order_relaxed);
  MutexLock lock(&mem.maps_mutex);
  if (mem.maps == nullptr) mem.maps = std::make_shared<MapTable>();
  MapTable::Entry& entry = mem.maps->entries[pointer];
  ++entry.count;
  if (staging != nullptr) entry.staging = std::move(staging);
}

std::optional<MapTable::Entry> FindMapping(Mem& mem, void* pointer) {
  MutexLock lock(&mem.maps_mutex);
  if (mem.maps == nullptr) return std::nullopt;
  const auto found = mem.maps->entries.find(pointer);
  if (found == mem.maps->entries.end()) return std::nullopt;
  return found->second;
}

void RemoveMapping(Mem& mem, void* pointer) {
  MutexLock lock(&mem.maps_mutex);
  if (mem.maps == nullptr) return;
  const auto found = mem.maps->entries.find(pointer);
  if (found == mem.maps->entries.end()) return;
  mem.map_count.fetch_sub(1, std::memory_order_relaxed);
  if (--found->second.count == 0) mem.maps->entries.erase(found);
}

}  // namespace xpool::cl
