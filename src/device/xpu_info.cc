#include "device/xpu_info.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "base/status.h"

namespace xpool {
namespace {

using Json = nlohmann::json;
constexpr size_t kMaxTextBytes = 512;

absl::Status ReadText(const Json& object, const char* key, std::string& text) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_string()) {
    return absl::InvalidArgumentError(absl::StrCat("the device report has no text \"", key, "\""));
  }
  text = it->get_ref<const std::string&>().substr(0, kMaxTextBytes);
  return absl::OkStatus();
}

absl::Status ReadNumber(const Json& object, const char* key, uint64_t limit, uint64_t& number) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_number_unsigned() || it->get<uint64_t>() > limit) {
    return absl::InvalidArgumentError(absl::StrCat("the device report has no sensible number \"", key, "\""));
  }
  number = it->get<uint64_t>();
  return absl::OkStatus();
}

absl::Status ReadIndex(const Json& object, const char* key, uint32_t& index) {
  uint64_t number = 0;
  RETURN_IF_ERROR(ReadNumber(object, key, std::numeric_limits<uint32_t>::max(), number));
  index = static_cast<uint32_t>(number);
  return absl::OkStatus();
}

}  // namespace

std::string XpuInfo::Key() const {
  return absl::StrCat(driver_library, "|", platform_index, "|", device_index, "|", name);
}

std::string ToJsonLine(const XpuInfo& xpu) {
  const Json object = {{"name", xpu.name},
                       {"vendor", xpu.vendor},
                       {"driver_version", xpu.driver_version},
                       {"platform_name", xpu.platform_name},
                       {"driver_library", xpu.driver_library},
                       {"platform_index", xpu.platform_index},
                       {"device_index", xpu.device_index},
                       {"type", xpu.type},
                       {"compute_units", xpu.compute_units},
                       {"memory_bytes", xpu.memory_bytes}};
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<XpuInfo> FromJsonLine(std::string_view line) {
  const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::InvalidArgumentError("the device report is no JSON object");
  XpuInfo xpu;
  RETURN_IF_ERROR(ReadText(object, "name", xpu.name));
  RETURN_IF_ERROR(ReadText(object, "vendor", xpu.vendor));
  RETURN_IF_ERROR(ReadText(object, "driver_version", xpu.driver_version));
  RETURN_IF_ERROR(ReadText(object, "platform_name", xpu.platform_name));
  RETURN_IF_ERROR(ReadText(object, "driver_library", xpu.driver_library));
  RETURN_IF_ERROR(ReadText(object, "type", xpu.type));
  RETURN_IF_ERROR(ReadIndex(object, "platform_index", xpu.platform_index));
  RETURN_IF_ERROR(ReadIndex(object, "device_index", xpu.device_index));
  RETURN_IF_ERROR(ReadIndex(object, "compute_units", xpu.compute_units));
  RETURN_IF_ERROR(ReadNumber(object, "memory_bytes", uint64_t{1} << 62, xpu.memory_bytes));
  return xpu;
}

}  // namespace xpool
