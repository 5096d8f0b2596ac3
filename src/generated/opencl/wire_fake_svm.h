// Written by hand, for the codec's tests: the shared virtual memory of the fake driver (wire_fake.h). Its functions read
// and write all that they are told of, and note when that was not theirs to touch. One thread, one at a time.
#pragma once

#include <CL/cl.h>

#include <cstdint>
#include <map>

#include "generated/opencl/dispatch_table.h"

namespace xpool::wire_cl {

class FakeSvm {
 public:
  // Allocations lie here one after the other, so that whoever makes up calls can hit them.
  static constexpr uint64_t kBegin = 0x10000000;
  static constexpr uint64_t kSlotBytes = 65536;  // the largest
  static constexpr uint64_t kSlots = 16;

  FakeSvm();
  ~FakeSvm();
  FakeSvm(const FakeSvm&) = delete;

  // Puts its functions into |table|.
  void Install(cl::DispatchTable* table);

  size_t live() const { return live_.size(); }
  int touches() const { return touches_; }   // regions of shared memory that the driver was given
  bool trespassed() const { return trespassed_; }  // one of them was not allocated
  cl_context freed_in() const { return freed_in_; }

  // For the functions in the table.
  void* Allocate(uint64_t bytes);
  void Free(cl_context context, void* pointer);
  void Touch(const void* pointer, uint64_t bytes, bool writes);
  bool IsShared(const void* pointer) const;

 private:
  std::map<uint64_t, uint64_t> live_;  // bytes, by address
  int touches_ = 0;
  bool trespassed_ = false;
  cl_context freed_in_ = nullptr;
};

}  // namespace xpool::wire_cl
