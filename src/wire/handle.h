// Handles on the wire: what stands for an OpenCL (later CUDA, ACL) object between client and worker. The client mints
// them, so that a creation need not wait for an answer; the worker maps them to the real objects. NULL is 0, and
// nothing minted is ever 0.
//
//   bits 63..56 type (1..255, the API's own numbering; 0 only in NULL)
//   bits 55..32 generation (1..2^24-1): counts the uses of an index, so that a released handle never means another
//   object bits 31..0  index
//
// Thread-compatible: the minter is used under the lock of the lane whose frames carry its handles, because a creation
// must be on its way before a release of the same index's next use; the table belongs to the worker's decoding thread.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace xpool::wire {

using HandleType = uint8_t;

inline constexpr uint32_t kMaxGeneration = (uint32_t{1} << 24) - 1;
inline constexpr uint32_t kDefaultMaxHandles = uint32_t{1} << 20;  // of one type in one session

struct WireHandle {
  uint64_t bits = 0;

  static constexpr WireHandle Make(HandleType type, uint32_t generation, uint32_t index) {
    return {uint64_t{type} << 56 | uint64_t{generation & kMaxGeneration} << 32 | index};
  }

  constexpr HandleType type() const { return static_cast<HandleType>(bits >> 56); }
  constexpr uint32_t generation() const { return static_cast<uint32_t>(bits >> 32) & kMaxGeneration; }
  constexpr uint32_t index() const { return static_cast<uint32_t>(bits); }
  constexpr bool is_null() const { return bits == 0; }
  // NULL, or what a minter can have made. Anything else came from a broken or hostile peer.
  constexpr bool is_well_formed() const { return is_null() || (type() != 0 && generation() != 0); }

  friend constexpr bool operator==(WireHandle, WireHandle) = default;
};
static_assert(sizeof(WireHandle) == 8);

// "type 5, generation 2, index 17", for errors.
inline std::string ToString(WireHandle handle) {
  if (handle.is_null()) return "NULL";
  return absl::StrCat("type ", handle.type(), ", generation ", handle.generation(), ", index ", handle.index());
}

// The client's side: gives out handles of one type.
class HandleMinter {
 public:
  // REQUIRES: |type| is not 0.
  explicit HandleMinter(HandleType type, uint32_t max_handles = kDefaultMaxHandles)
      : type_(type), max_handles_(max_handles) {}

  // A handle that this minter has never given before. RESOURCE_EXHAUSTED when every index is in use.
  absl::StatusOr<WireHandle> Mint() {
    if (!free_.empty()) {
      const WireHandle next = free_.front();
      free_.pop_front();
      ++live_;
      return next;
    }
    if (next_index_ == max_handles_) {
      return absl::ResourceExhaustedError(absl::StrCat("all ", max_handles_, " handles of type ", type_,
                                                       " are in use; release some, or raise the session's limit"));
    }
    ++live_;
    return WireHandle::Make(type_, 1, next_index_++);
  }

  // Takes back a handle whose release has been put on the lane (or whose creation never was). Its index comes again
  // with the next generation, and never again once the generations are used up.
  // REQUIRES: |handle| came from Mint() of this minter and was not recycled since.
  void Recycle(WireHandle handle) {
    --live_;
    if (handle.generation() < kMaxGeneration)
      free_.push_back(WireHandle::Make(type_, handle.generation() + 1, handle.index()));
  }

  uint32_t live() const { return live_; }

 private:
  const HandleType type_;
  const uint32_t max_handles_;
  uint32_t next_index_ = 0;
  uint32_t live_ = 0;
  std::deque<WireHandle> free_;  // with the generation of their next use; oldest first, so that generations last long
};

// The worker's side: the real object behind each handle of one type. T is cheap to move and default-constructible (a
// driver's handle, a unique_ptr). Every handle comes from the client and is believed only after these checks:
//   INVALID_ARGUMENT     wrong type, or malformed, or NULL
//   NOT_FOUND            nothing was ever created with that index and generation
//   FAILED_PRECONDITION  an old generation: the object was released, or a creation repeats one that was
//   ALREADY_EXISTS       a creation at an index that is in use
//   RESOURCE_EXHAUSTED   a creation past the number of handles the session may have
// Memory grows with the highest index used, up to |max_handles| slots.
template <typename T>
class HandleTable {
 public:
  // REQUIRES: |type| is not 0.
  explicit HandleTable(HandleType type, uint32_t max_handles = kDefaultMaxHandles)
      : type_(type), max_handles_(max_handles) {}

  // Whether Insert(handle) would succeed: to be asked before the real object is made.
  absl::Status CanInsert(WireHandle handle) const {
    if (absl::Status status = CheckType(handle); !status.ok()) return status;
    if (handle.index() >= max_handles_) {
      return absl::ResourceExhaustedError(
          absl::StrCat("handle (", ToString(handle), ") is past the session's ", max_handles_, " handles of its type"));
    }
    if (handle.index() >= slots_.size()) return absl::OkStatus();
    const Slot& slot = slots_[handle.index()];
    if (slot.live)
      return absl::AlreadyExistsError(absl::StrCat(Named(handle), " is created while its index is in use"));
    if (handle.generation() <= slot.generation) return OldGeneration(handle, slot);
    return absl::OkStatus();
  }

  absl::Status Insert(WireHandle handle, T object) {
    if (absl::Status status = CanInsert(handle); !status.ok()) return status;
    if (handle.index() >= slots_.size()) slots_.resize(size_t{handle.index()} + 1);
    slots_[handle.index()] = Slot{std::move(object), handle.generation(), true};
    ++live_;
    return absl::OkStatus();
  }

  // The object, good until the next Insert() or Erase().
  absl::StatusOr<T*> Find(WireHandle handle) {
    if (absl::Status status = Check(handle); !status.ok()) return status;
    return &slots_[handle.index()].object;
  }

  // Takes the object out; its handle and all older ones of that index are dead from here.
  absl::StatusOr<T> Erase(WireHandle handle) {
    if (absl::Status status = Check(handle); !status.ok()) return status;
    Slot& slot = slots_[handle.index()];
    slot.live = false;
    --live_;
    return std::exchange(slot.object, T{});
  }

  // Takes all objects out, for the session's end; |release| is called with each. Every handle is dead afterwards.
  template <typename Release>
  void Clear(Release release) {
    for (Slot& slot : slots_) {
      if (!slot.live) continue;
      slot.live = false;
      --live_;
      release(std::exchange(slot.object, T{}));
    }
  }

  uint32_t live() const { return live_; }

 private:
  struct Slot {
    T object{};
    uint32_t generation = 0;  // of the newest creation
    bool live = false;
  };

  absl::Status CheckType(WireHandle handle) const {
    if (!handle.is_null() && handle.is_well_formed() && handle.type() == type_) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(Named(handle), " where one of type ", type_, " is needed"));
  }

  absl::Status Check(WireHandle handle) const {
    if (absl::Status status = CheckType(handle); !status.ok()) return status;
    if (handle.index() >= slots_.size()) return Unknown(handle);
    const Slot& slot = slots_[handle.index()];
    if (handle.generation() > slot.generation) return Unknown(handle);
    if (handle.generation() < slot.generation || !slot.live) return OldGeneration(handle, slot);
    return absl::OkStatus();
  }

  static std::string Named(WireHandle handle) { return absl::StrCat("handle (", ToString(handle), ")"); }

  static absl::Status Unknown(WireHandle handle) {
    return absl::NotFoundError(absl::StrCat(Named(handle), " was never created in this session"));
  }

  static absl::Status OldGeneration(WireHandle handle, const Slot& slot) {
    return absl::FailedPreconditionError(absl::StrCat(Named(handle), " was released (its index is at generation ",
                                                      slot.generation, slot.live ? ", in use)" : ", free)"));
  }

  const HandleType type_;
  const uint32_t max_handles_;
  uint32_t live_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace xpool::wire
