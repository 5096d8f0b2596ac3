// Three sizes as OpenCL passes them: an origin, a region, numbers of work items. Commands that are recorded keep
// copies.
#pragma once

#include <array>
#include <cstddef>

namespace xpool::cl {

using Triple = std::array<size_t, 3>;

inline Triple CopyOf(const size_t* three) { return {three[0], three[1], three[2]}; }

}  // namespace xpool::cl
