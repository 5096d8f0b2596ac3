// What may be an element of an array on the wire: types whose bytes in memory are their bytes on the wire. Structs are
// not among them (their padding would travel): a codec writes their fields.
#pragma once

#include <bit>
#include <cstddef>
#include <type_traits>

#include "wire/handle.h"

namespace xpool::wire {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian and so must be the host");
static_assert(sizeof(size_t) == 8, "sizes on the wire are 64 bits wide");

template <typename T>
concept WireElement = std::is_same_v<T, WireHandle> || std::is_enum_v<T> ||
    (std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, long double>);

}  // namespace xpool::wire
