// What every fuzz target says of its input.
#pragma once

#include <cstdlib>

namespace xpool::fuzz {

// Ends the process unless |promise| is kept; the fuzzer then keeps the input.
inline void Check(bool promise) {
  if (!promise) std::abort();
}

}  // namespace xpool::fuzz
