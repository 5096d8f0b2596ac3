#include "agent/memory_ledger.h"

#include <algorithm>
#include <limits>

namespace xpool::agent {

const MemoryLedger::Account* MemoryLedger::Find(SliceNumber slice) const {
  const auto it = slices_.find(slice);
  return it == slices_.end() ? nullptr : &it->second;
}

bool MemoryLedger::Grant(SliceNumber slice, SessionId session, uint64_t bytes) {
  if (bytes > free_bytes(slice)) return false;
  Restore(slice, session, bytes);
  return true;
}

void MemoryLedger::Restore(SliceNumber slice, SessionId session, uint64_t bytes) {
  const auto it = slices_.find(slice);
  if (it == slices_.end()) return;
  // What a client claims to hold may be anything; the sum must not wrap.
  bytes = std::min(bytes, std::numeric_limits<uint64_t>::max() - it->second.used_bytes);
  it->second.held[session] += bytes;
  it->second.used_bytes += bytes;
}

void MemoryLedger::Return(SliceNumber slice, SessionId session, uint64_t bytes) {
  const auto it = slices_.find(slice);
  if (it == slices_.end()) return;
  const auto held = it->second.held.find(session);
  if (held == it->second.held.end()) return;
  bytes = std::min(bytes, held->second);
  held->second -= bytes;
  it->second.used_bytes -= bytes;
}

void MemoryLedger::EndSession(SliceNumber slice, SessionId session) {
  const auto it = slices_.find(slice);
  if (it == slices_.end()) return;
  const auto held = it->second.held.find(session);
  if (held == it->second.held.end()) return;
  it->second.used_bytes -= held->second;
  it->second.held.erase(held);
}

uint64_t MemoryLedger::used_bytes(SliceNumber slice) const {
  const Account* account = Find(slice);
  return account != nullptr ? account->used_bytes : 0;
}

uint64_t MemoryLedger::limit_bytes(SliceNumber slice) const {
  const Account* account = Find(slice);
  return account != nullptr ? account->limit_bytes : 0;
}

uint64_t MemoryLedger::free_bytes(SliceNumber slice) const {
  const Account* account = Find(slice);
  if (account == nullptr || account->used_bytes >= account->limit_bytes) return 0;
  return account->limit_bytes - account->used_bytes;
}

uint64_t MemoryLedger::held_bytes(SliceNumber slice, SessionId session) const {
  const Account* account = Find(slice);
  if (account == nullptr) return 0;
  const auto held = account->held.find(session);
  return held != account->held.end() ? held->second : 0;
}

}  // namespace xpool::agent
