// The answer to a clGet*Info query: param_value_size, param_value and param_value_size_ret with the meaning that all of
// them share. A value too small for the answer is CL_INVALID_VALUE and nothing is written; a NULL value only asks for
// the size. Plain data on the stack of one query. For the shim, the null driver and the remote driver.
#pragma once

#include <CL/cl.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace xpool {

class InfoOut {
 public:
  InfoOut(size_t size, void* value, size_t* size_ret) : size_(size), value_(value), size_ret_(size_ret) {}

  // |size| bytes at |data| are the answer (|data| may be NULL when |size| is 0).
  cl_int Bytes(const void* data, size_t size) const {
    if (value_ != nullptr && size_ < size) return CL_INVALID_VALUE;
    if (value_ != nullptr && size > 0) std::memcpy(value_, data, size);
    if (size_ret_ != nullptr) *size_ret_ = size;
    return CL_SUCCESS;
  }

  template <typename T>
  cl_int Value(const T& value) const {
    static_assert(std::is_trivially_copyable_v<T>);
    return Bytes(&value, sizeof(value));
  }

  template <typename T>
  cl_int Array(const std::vector<T>& values) const {
    return Bytes(values.data(), values.size() * sizeof(T));
  }

  // With the terminating NUL that OpenCL's strings have.
  cl_int String(std::string_view text) const {
    const std::string terminated(text);
    return Bytes(terminated.c_str(), terminated.size() + 1);
  }

  // For a query that the driver answers: its own three arguments.
  size_t size() const { return size_; }
  void* value() const { return value_; }
  size_t* size_ret() const { return size_ret_; }

 private:
  size_t size_;
  void* value_;
  size_t* size_ret_;
};

// A copy of a zero-terminated list of key-value pairs, with its final zero; empty for NULL.
template <typename Property>
std::vector<Property> CopyProperties(const Property* properties) {
  std::vector<Property> copy;
  if (properties == nullptr) return copy;
  for (; *properties != 0; properties += 2) copy.insert(copy.end(), {properties[0], properties[1]});
  copy.push_back(0);
  return copy;
}

}  // namespace xpool
