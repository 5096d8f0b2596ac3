#include "shim/opencl/live.h"

#include <array>
#include <unordered_set>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"

namespace xpool::cl {
namespace {

struct Shard {
  Mutex mutex;
  std::unordered_set<const void*> objects ABSL_GUARDED_BY(mutex);
};

constexpr size_t kShards = 16;

Shard& ShardOf(const void* address) {
  static auto& shards = *new std::array<Shard, kShards>;
  // Objects are some hundred bytes apart, so the bits above those differ.
  return shards[(reinterpret_cast<uintptr_t>(address) >> 8) % kShards];
}

uint64_t NextId() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

// A reference unless the last one is already gone (the object is being deleted).
bool TryRef(Object* object) {
  uint32_t count = object->refs.load(std::memory_order_relaxed);
  while (count != 0) {
    if (object->refs.compare_exchange_weak(count, count + 1, std::memory_order_acq_rel)) return true;
  }
  return false;
}

}  // namespace

LiveObject::LiveObject(Kind kind, void* driver_handle, void (*destroy)(LiveObject*))
    : Object(kind), driver_handle(driver_handle), destroy(destroy), id(NextId()) {
  Shard& shard = ShardOf(this);
  MutexLock lock(&shard.mutex);
  shard.objects.insert(this);
}

LiveObject::~LiveObject() {
  Shard& shard = ShardOf(this);
  MutexLock lock(&shard.mutex);
  shard.objects.erase(this);
}

template <>
void Unref<LiveObject>(LiveObject* object) {
  if (object == nullptr || object->refs.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  object->kind = Kind::kDead;
  object->destroy(object);
}

Ref<LiveObject> FindLiveOfAnyKind(const void* address) {
  if (address == nullptr) return {};
  Shard& shard = ShardOf(address);
  MutexLock lock(&shard.mutex);
  if (!shard.objects.contains(address)) return {};
  auto* object = const_cast<LiveObject*>(static_cast<const LiveObject*>(address));
  return TryRef(object) ? Ref<LiveObject>::Adopt(object) : Ref<LiveObject>();
}

Ref<LiveObject> FindLive(const void* address, Kind kind, uint64_t id) {
  Ref<LiveObject> object = FindLiveOfAnyKind(address);
  if (!object || object->kind != kind || (id != 0 && object->id != id)) return {};
  return object;
}

}  // namespace xpool::cl
