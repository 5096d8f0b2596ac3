// Reads one answer of a driver's clGet*Info function as a value, a string or an array.
#pragma once

#include <CL/cl.h>

#include <algorithm>
#include <string>
#include <vector>

namespace xpool::cl {

// |query|(size, value, size_ret) is the driver's function with its first arguments bound.
template <typename T, typename Query>
T QueryValue(const Query& query, T fallback) {
  T value{};
  return query(sizeof(T), &value, nullptr) == CL_SUCCESS ? value : fallback;
}

template <typename T, typename Query>
std::vector<T> QueryArray(const Query& query) {
  size_t size = 0;
  if (query(0, nullptr, &size) != CL_SUCCESS) return {};
  std::vector<T> values(size / sizeof(T));
  if (values.empty() || query(values.size() * sizeof(T), values.data(), nullptr) != CL_SUCCESS) return {};
  return values;
}

template <typename Query>
std::string QueryString(const Query& query) {
  const std::vector<char> text = QueryArray<char>(query);
  return std::string(text.begin(), std::find(text.begin(), text.end(), 0));
}

}  // namespace xpool::cl
