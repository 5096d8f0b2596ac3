// A number's bits, well mixed: what hashes are made of. The finalizer of SplitMix64 (Steele, Lea & Flood, "Fast
// Splittable Pseudorandom Number Generators", OOPSLA'14).
#pragma once

#include <cstdint>

namespace xpool::scheduler {

constexpr uint64_t Mixed(uint64_t bits) {
  bits += 0x9e3779b97f4a7c15;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}

}  // namespace xpool::scheduler
