#include "backend/remote/svm_space.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace xpool::remote {
namespace {

void* PointerTo(uint64_t address) { return reinterpret_cast<void*>(address); }
uint64_t AddressOf(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

uint64_t PageBytes() {
  static const auto bytes = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}
uint64_t FirstPage(uint64_t address) { return address / PageBytes() * PageBytes(); }
uint64_t PagesEnd(uint64_t address, uint64_t bytes) { return FirstPage(address + bytes - 1) + PageBytes(); }

// A kernel before 4.17 takes the address for a hint.
absl::Status MapPages(uint64_t begin, uint64_t end) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
  void* const got = mmap(PointerTo(begin), end - begin, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (got == PointerTo(begin)) return absl::OkStatus();
  if (got != MAP_FAILED) munmap(got, end - begin);
  return absl::AlreadyExistsError(absl::StrCat("something of this process is at ", absl::Hex(begin)));
}

}  // namespace

SvmSpace::Allocation::Allocation(SvmSpace* space, uint64_t address, uint64_t bytes, const void* owner)
    : data(static_cast<std::byte*>(PointerTo(address))), bytes(bytes), owner(owner), space_(space) {}

SvmSpace::Allocation::~Allocation() {
  MutexLock lock(&space_->mutex_);
  space_->Unreserve(FirstPage(AddressOf(data)), PagesEnd(AddressOf(data), bytes));
}

void SvmSpace::Allocation::AddMapping(Mapping mapping) {
  MutexLock lock(&mutex_);
  mappings_.push_back(std::move(mapping));
}

std::optional<SvmSpace::Mapping> SvmSpace::Allocation::TakeMapping(const void* pointer) {
  MutexLock lock(&mutex_);
  const auto found = std::find_if(mappings_.rbegin(), mappings_.rend(),
                                  [&](const Mapping& mapping) { return mapping.pointer == pointer; });
  if (found == mappings_.rend()) return std::nullopt;
  Mapping taken = std::move(*found);
  mappings_.erase(std::next(found).base());
  return taken;
}

SvmSpace& SvmSpace::OfProcess() {
  static SvmSpace& space = *new SvmSpace;
  return space;
}

absl::Status SvmSpace::Add(const void* owner, uint64_t address, uint64_t bytes) {
  const uint64_t most = UINT64_MAX - address;
  if (address == 0 || bytes == 0 || bytes > most || most - bytes < PageBytes())
    return absl::InvalidArgumentError("is no memory that there can be");
  Held made;  // dropped without the lock
  MutexLock lock(&mutex_);
  RETURN_IF_ERROR(Reserve(FirstPage(address), PagesEnd(address, bytes)));
  made.reset(new Allocation(this, address, bytes, owner));
  if (live_.Add(made)) return absl::OkStatus();
  return absl::AlreadyExistsError("another worker's memory is there");
}

SvmSpace::Held SvmSpace::Find(const void* owner, const void* pointer, uint64_t bytes) {
  MutexLock lock(&mutex_);
  Held found = live_.Find(AddressOf(pointer), bytes);
  return found != nullptr && found->owner == owner ? found : nullptr;
}

bool SvmSpace::Remove(const void* owner, const void* pointer) {
  const Held found = Find(owner, pointer, 1);  // dropped without the lock
  if (found == nullptr || found->data != pointer) return false;
  MutexLock lock(&mutex_);
  return live_.Take(AddressOf(pointer)) != nullptr;
}

void SvmSpace::RemoveAll(const void* owner) {
  std::vector<Held> removed;  // dropped without the lock
  MutexLock lock(&mutex_);
  live_.TakeIf([&](const Held& held) {
    if (held->owner != owner) return false;
    removed.push_back(held);
    return true;
  });
}

// --- Pages ----------------------------------------------------------------------------------------------------------

// Makes |address| the border of two entries, if it lies inside one.
void SvmSpace::SplitAt(uint64_t address) {
  auto after = pages_.upper_bound(address);
  if (after == pages_.begin()) return;
  const auto found = std::prev(after);
  if (found->first == address || found->second.end <= address) return;
  pages_.emplace_hint(after, address, found->second);
  found->second.end = address;
}

absl::Status SvmSpace::Reserve(uint64_t begin, uint64_t end) {
  SplitAt(begin);
  SplitAt(end);
  uint64_t at = begin;
  while (at < end) {
    const auto next = pages_.lower_bound(at);
    if (next != pages_.end() && next->first == at) {
      ++next->second.users;
      at = next->second.end;
      continue;
    }
    const uint64_t gap_end = next == pages_.end() ? end : std::min(end, next->first);
    const absl::Status mapped = MapPages(at, gap_end);
    if (!mapped.ok()) {
      Unreserve(begin, at);
      return mapped;
    }
    pages_.emplace_hint(next, at, Pages{gap_end, 1});
    at = gap_end;
  }
  return absl::OkStatus();
}

// REQUIRES: all of it is reserved, once at least.
void SvmSpace::Unreserve(uint64_t begin, uint64_t end) {
  SplitAt(begin);
  SplitAt(end);
  for (auto entry = pages_.lower_bound(begin); entry != pages_.end() && entry->first < end;) {
    if (--entry->second.users != 0) {
      ++entry;
      continue;
    }
    munmap(PointerTo(entry->first), entry->second.end - entry->first);
    entry = pages_.erase(entry);
  }
}

}  // namespace xpool::remote
