// A fuzzer's input as what targets make of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace xpool::fuzz {

inline std::string_view TextOf(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// Takes numbers off it; zeros at its end.
class Numbers {
 public:
  explicit Numbers(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }
  uint64_t Next(size_t width) {
    uint64_t value = 0;
    for (size_t i = 0; i < width && !bytes_.empty(); ++i) {
      value = value << 8 | bytes_.front();
      bytes_ = bytes_.subspan(1);
    }
    return value;
  }

 private:
  std::span<const uint8_t> bytes_;
};

}  // namespace xpool::fuzz
