// The live mappings of a memory object. A mapping that could not go to the driver at once is *staged*: its pointer is
// memory of ours that a deferred read fills and the unmap writes back. Mappings made by the driver are listed too, so
// that an unmap that has to wait can be checked.
#pragma once

#include <CL/cl.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>

namespace xpool::cl {

struct Mem;

// Memory that stands in for a mapped region until it is unmapped. Immutable but for the bytes.
struct Staging {
  static constexpr size_t kAlignment = 128;  // of the largest OpenCL C type

  // nullptr when there is no memory.
  static std::shared_ptr<Staging> Make(size_t bytes);
  ~Staging();

  unsigned char* data = nullptr;
  bool writes = false;                    // mapped for writing: the unmap writes back
  bool invalidates = false;               // mapped with CL_MAP_WRITE_INVALIDATE_REGION: nothing is read
  std::array<size_t, 3> origin{};         // of a buffer: offset, 0, 0
  std::array<size_t, 3> region{1, 1, 1};  // of a buffer: size, 1, 1
  size_t row_pitch = 0, slice_pitch = 0;  // of an image
};

// Guarded by its Mem's maps_mutex.
struct MapTable {
  struct Entry {
    uint32_t count = 0;                // a driver may return one pointer several times
    std::shared_ptr<Staging> staging;  // empty: mapped by the driver
  };
  std::unordered_map<void*, Entry> entries;
};

// A mapping of |mem| begins.
void AddMapping(Mem& mem, void* pointer, std::shared_ptr<Staging> staging);

// The mapping at |pointer|; nullopt when there is none.
std::optional<MapTable::Entry> FindMapping(Mem& mem, void* pointer);

// It ends.
void RemoveMapping(Mem& mem, void* pointer);

}  // namespace xpool::cl
