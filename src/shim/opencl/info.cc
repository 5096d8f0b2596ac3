#include "shim/opencl/info.h"

#include <string>

namespace xpool::cl {

cl_int InfoOut::String(std::string_view text) const {
  const std::string terminated(text);
  return Bytes(terminated.c_str(), terminated.size() + 1);
}

}  // namespace xpool::cl
