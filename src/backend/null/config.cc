#include "backend/null/config.h"

#include <cstdlib>
#include <string>

namespace xpool::null_cl {
namespace {

std::string Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Config ReadConfig() {
  Config config;
  config.kernel_us = std::strtoll(Env("XPOOL_NULL_KERNEL_US").c_str(), nullptr, 10);
  config.sync = Env("XPOOL_NULL_SYNC") == "1";
  const uint64_t memory_bytes = std::strtoull(Env("XPOOL_NULL_MEMORY").c_str(), nullptr, 10);
  if (memory_bytes != 0) config.memory_bytes = memory_bytes;
  return config;
}

}  // namespace

const Config& GetConfig() {
  static const Config config = ReadConfig();
  return config;
}

}  // namespace xpool::null_cl
