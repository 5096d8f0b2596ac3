// An owning reference to an OpenCL object of ours, from our side: not one that clRetain* counts. T has an atomic count
// |refs|, and its namespace a function Unref(T*) that drops one (NULL is none) and deletes at zero. For the shim,
// the null driver and the remote driver. Thread-compatible, like a pointer; the count is atomic.
#pragma once

#include <atomic>
#include <utility>

namespace xpool {

template <typename T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* object) : object_(object) {
    if (object_ != nullptr) object_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  static Ref Adopt(T* object) {  // takes over a reference already counted
    Ref ref;
    ref.object_ = object;
    return ref;
  }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { Unref(object_); }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  T* object_ = nullptr;
};

}  // namespace xpool
