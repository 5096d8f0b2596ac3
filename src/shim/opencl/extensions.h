// Which of the driver's extensions a slice offers: those that only change the kernel language or answer queries, and
// those whose functions the shim handles. Pure functions.
#pragma once

#include <CL/cl.h>

#include <string>
#include <string_view>
#include <vector>

namespace xpool::cl {

bool OffersExtension(std::string_view name);

// What is offered of a space-separated list, in the driver's order.
std::string FilterExtensions(std::string_view list);
std::vector<cl_name_version> FilterExtensions(const std::vector<cl_name_version>& list);

}  // namespace xpool::cl
