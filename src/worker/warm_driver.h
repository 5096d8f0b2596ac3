// Makes a driver ready before anybody waits for it: loaded, its devices found, its threads started, its compiler used
// once.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace xpool::worker {

// Everything that is made on the way is released again. The driver stays loaded.
absl::Status WarmDriver(const std::string& library);

}  // namespace xpool::worker
