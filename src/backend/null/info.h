// Answers a clGet*Info query: value, size and errors as the specification has them.
#pragma once

#include <CL/cl.h>

#include <cstring>
#include <string>
#include <vector>

namespace xpool::null_cl {

class InfoReply {
 public:
  InfoReply(size_t size, void* value, size_t* size_ret) : size_(size), value_(value), size_ret_(size_ret) {}

  cl_int Bytes(const void* data, size_t bytes) const {
    if (value_ != nullptr && size_ < bytes) return CL_INVALID_VALUE;
    if (value_ != nullptr && bytes > 0) std::memcpy(value_, data, bytes);
    if (size_ret_ != nullptr) *size_ret_ = bytes;
    return CL_SUCCESS;
  }

  template <typename T>
  cl_int Value(const T& value) const {
    return Bytes(&value, sizeof(value));
  }

  cl_int String(const std::string& text) const { return Bytes(text.c_str(), text.size() + 1); }

  template <typename T>
  cl_int Array(const std::vector<T>& values) const {
    return Bytes(values.data(), values.size() * sizeof(T));
  }

  // For answers that are written through pointers in the value.
  size_t size() const { return size_; }
  void* value() const { return value_; }
  size_t* size_ret() const { return size_ret_; }

 private:
  size_t size_;
  void* value_;
  size_t* size_ret_;
};

}  // namespace xpool::null_cl
