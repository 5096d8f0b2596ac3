// What the API spec says about handles inside bytes (property lists, answers of queries), for the codec. Constant data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "generated/opencl/call_info.h"
#include "wire/handle.h"

namespace xpool::wire_cl {

using cl::CallId;
using cl::ValueKind;
using Values = std::span<const cl::InnerValue>;

// The kinds of values inside parameter |param| of call |id|.
inline Values ValuesOf(CallId id, size_t param) {
  return cl::FindCall(static_cast<uint32_t>(id))->params[param].values;
}

// The kind that |selector| (a query's param_name, a key of a property list) has among |values|.
inline ValueKind KindOf(Values values, uint64_t selector) {
  for (const cl::InnerValue& value : values) {
    if (value.selector == selector) return value.kind;
  }
  return ValueKind::kNone;
}

inline bool IsHandle(ValueKind kind) { return kind != ValueKind::kNone && kind <= ValueKind::kEvent; }

// The type that a handle of |kind| has on the wire.
inline wire::HandleType TypeOf(ValueKind kind) { return static_cast<wire::HandleType>(kind); }

// Hard bounds of what one call may hold, the same on both sides. A program that needs more gets an error.
inline constexpr uint64_t kMaxElements = 65536;    // of an array: events, devices, strings, sizes
inline constexpr uint64_t kMaxWorkDimensions = 3;  // of clEnqueueNDRangeKernel; the API allows devices no more here
inline constexpr uint64_t kMaxProperties = 64;     // pairs of a property list, words of a partition
inline constexpr uint64_t kMaxStringBytes = uint64_t{1} << 20;  // names and build options; sources may be longer
inline constexpr uint64_t kMaxArgumentBytes = 65536;            // of a kernel argument

// Instead of a size: any within the limits.
inline constexpr uint64_t kAnySize = UINT64_MAX;

// Where the bytes of a payload are.
enum class Where : uint8_t {
  kInline = 1,  // u64 size, then the bytes
  kBulk = 2,    // u64 size, then the u64 sequence of the bulk frames that hold them
  kShared = 3,  // u64 size, then the u64 address in shared virtual memory where they are, to be used in place
};

// First byte of a kernel argument: 0 for plain bytes, else the kind of the handle that follows.
inline constexpr uint8_t kArgumentBytes = 0;

}  // namespace xpool::wire_cl
