#include "shim/opencl/extensions.h"

#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace xpool::cl {
namespace {

// Sorted. Not here, although drivers have them: sharing with graphics and other processes, command buffers, unified
// shared memory with its own allocation calls (they would pass the quota by), and vendors' extra calls.
constexpr std::array<std::string_view, 61> kOffered = {
    "cl_amd_device_attribute_query",
    "cl_amd_fp64",
    "cl_amd_media_ops",
    "cl_amd_media_ops2",
    "cl_amd_popcnt",
    "cl_amd_printf",
    "cl_amd_vec3",
    "cl_arm_core_id",
    "cl_arm_integer_dot_product_accumulate_int16",
    "cl_arm_integer_dot_product_accumulate_int8",
    "cl_arm_integer_dot_product_accumulate_saturate_int8",
    "cl_arm_integer_dot_product_int8",
    "cl_arm_non_uniform_work_group_size",
    "cl_ext_cxx_for_opencl",
    "cl_ext_float_atomics",
    "cl_intel_bfloat16_conversions",
    "cl_intel_device_attribute_query",
    "cl_intel_required_subgroup_size",
    "cl_intel_spirv_media_block_io",
    "cl_intel_spirv_subgroups",
    "cl_intel_split_work_group_barrier",
    "cl_intel_subgroup_matrix_multiply_accumulate",
    "cl_intel_subgroups",
    "cl_intel_subgroups_char",
    "cl_intel_subgroups_long",
    "cl_intel_subgroups_short",
    "cl_khr_3d_image_writes",
    "cl_khr_async_work_group_copy_fence",
    "cl_khr_byte_addressable_store",
    "cl_khr_create_command_queue",
    "cl_khr_depth_images",
    "cl_khr_device_uuid",
    "cl_khr_expect_assume",
    "cl_khr_extended_async_copies",
    "cl_khr_extended_bit_ops",
    "cl_khr_extended_versioning",
    "cl_khr_fp16",
    "cl_khr_fp64",
    "cl_khr_global_int32_base_atomics",
    "cl_khr_global_int32_extended_atomics",
    "cl_khr_icd",
    "cl_khr_il_program",
    "cl_khr_image2d_from_buffer",
    "cl_khr_int64_base_atomics",
    "cl_khr_int64_extended_atomics",
    "cl_khr_integer_dot_product",
    "cl_khr_local_int32_base_atomics",
    "cl_khr_local_int32_extended_atomics",
    "cl_khr_pci_bus_info",
    "cl_khr_priority_hints",
    "cl_khr_select_fprounding_mode",
    "cl_khr_spir",
    "cl_khr_srgb_image_writes",
    "cl_khr_suggested_local_work_size",
    "cl_khr_throttle_hints",
    "cl_khr_work_group_uniform_arithmetic",
    "cl_nv_compiler_options",
    "cl_nv_copy_opts",
    "cl_nv_device_attribute_query",
    "cl_nv_kernel_attribute",
    "cl_nv_pragma_unroll",
};
static_assert(std::is_sorted(kOffered.begin(), kOffered.end()));

// Families of kernel-language extensions.
constexpr std::array<std::string_view, 2> kOfferedPrefixes = {"cl_khr_spirv_", "cl_khr_subgroup"};

}  // namespace

bool OffersExtension(std::string_view name) {
  return std::binary_search(kOffered.begin(), kOffered.end(), name) ||
         std::any_of(kOfferedPrefixes.begin(), kOfferedPrefixes.end(), [name](std::string_view prefix) {
           return absl::StartsWith({name.data(), name.size()}, {prefix.data(), prefix.size()});
         });
}

std::string FilterExtensions(std::string_view list) {
  std::vector<std::string> offered;
  for (std::string& name :
       std::vector<std::string>(absl::StrSplit(absl::string_view(list.data(), list.size()), ' ', absl::SkipEmpty()))) {
    if (OffersExtension(name)) offered.push_back(std::move(name));
  }
  return absl::StrJoin(offered, " ");
}

std::vector<cl_name_version> FilterExtensions(const std::vector<cl_name_version>& list) {
  std::vector<cl_name_version> offered;
  std::copy_if(list.begin(), list.end(), std::back_inserter(offered),
               [](const cl_name_version& entry) { return OffersExtension(entry.name); });
  return offered;
}

}  // namespace xpool::cl
