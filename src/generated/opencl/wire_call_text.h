// Written by hand, for the codec's tests: plausible arguments for any call, and any call's arguments as text, both from
// call_info.h and independent of the codec. The same call has the same text on both sides: objects of the program and of
// the driver are told apart by address and named alike, and of host memory only the bytes inside a region count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "generated/opencl/call_info.h"
#include "wire_opencl/host_layout.h"

namespace xpool::wire_cl {

using cl::CallId;
using cl::CallInfo;
using cl::ParamInfo;
using cl::SizeForm;
using cl::ValueKind;
using Args = std::span<const uint64_t>;  // by parameter, whatever their types

// Addresses of objects that are not there: nobody may follow them.
void* ProgramObject(ValueKind kind, uint32_t index);
void* DriverObject(ValueKind kind, uint32_t index);
struct Named {
  ValueKind kind = ValueKind::kNone;  // kNone: no such object
  uint32_t index = 0;
};
Named NameOf(const void* object);

// What the fakes agree on.
ImageShape ShapeOfImage(uint32_t index);
ValueKind ArgumentKindOf(uint32_t index);

// Memory of a made-up program.
class Scratch {
 public:
  std::byte* Allocate(size_t bytes) {
    blocks_.push_back(std::make_unique<std::byte[]>(bytes + 1));
    return blocks_.back().get();
  }

 private:
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
};

// Arguments of |info| as a program may pass them. |mapped| is what it maps to be unmapped.
std::vector<uint64_t> MakeArgs(const CallInfo& info, std::mt19937_64& random, Scratch& scratch, void* mapped);

// What the driver reads, and after the call what it wrote. |result| is the pointer of a mapping.
std::string DescribeIn(const CallInfo& info, Args args);
std::string DescribeOut(const CallInfo& info, Args args, uint64_t result);

// Where a pointer's bytes lie, for pointers to host memory (SizeForm kBytes, kRect, kImage...).
HostLayout LayoutOf(const cl::SizeExpr& size, const CallInfo& info, Args args);
// The value of the parameter at |index|, or what it points to if it is an out parameter.
uint64_t ValueAt(const CallInfo& info, Args args, int index);
// The parameter whose out count |index| is, or -1.
int CountedBy(const CallInfo& info, int index);
bool IsHostMemory(SizeForm form);
std::string Hex(const void* data, size_t bytes);

}  // namespace xpool::wire_cl
