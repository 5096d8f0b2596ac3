#include "agent/slice_registry.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "agent/options.h"
#include "base/bytes.h"
#include "base/status.h"

namespace xpool::agent {
namespace {

constexpr size_t kMaxNameBytes = 63;
constexpr int64_t kFullBp = Share::Full().basis_points();

std::string Percent(int64_t bp) { return Share::FromBasisPoints(bp).ToString(); }

bool LooksLikeId(std::string_view name) {
  return name.size() > 1 && name[0] == 's' && std::all_of(name.begin() + 1, name.end(), absl::ascii_isdigit);
}

absl::Status CheckName(const std::string& name) {
  const bool spelled = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
  if (name.size() > kMaxNameBytes || !spelled || !absl::ascii_isalnum(static_cast<unsigned char>(name[0]))) {
    return absl::InvalidArgumentError(
        absl::StrCat("slice name \"", absl::CHexEscape(name.substr(0, kMaxNameBytes)), "\" must have 1 to ",
                     kMaxNameBytes, " letters, digits, '-', '_' or '.' and start with a letter or digit"));
  }
  if (LooksLikeId(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat("slice name \"", name, "\" looks like a slice id; choose another, such as \"slice-", name, "\""));
  }
  return absl::OkStatus();
}

// A slice that names no memory gets as much of the card's as of its time, one without a guarantee half of what is free:
// so that the next slice finds something too. REQUIRES: |free_bytes| > 0.
uint64_t DefaultMemory(uint64_t card_bytes, uint32_t guarantee_bp, uint64_t free_bytes) {
  const uint64_t share = guarantee_bp > 0 ? card_bytes / uint64_t{kFullBp} * guarantee_bp : free_bytes / 2;
  return std::min(std::max(share, kMiB), free_bytes);
}

absl::Status CheckBasisPoints(const char* what, uint32_t bp) {
  if (bp <= kFullBp) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(what, " of ", bp / 100, "% asked; a share is at most 100%"));
}

}  // namespace

const SliceRecord* SliceRegistry::Get(SliceNumber number) const {
  const auto it = slices_.find(number);
  return it == slices_.end() ? nullptr : &it->second;
}

const XpuInfo* SliceRegistry::Xpu(std::string_view id) const {
  for (const XpuInfo& xpu : xpus_) {
    if (xpu.id == id) return &xpu;
  }
  return nullptr;
}

absl::StatusOr<SliceRecord> SliceRegistry::Find(std::string_view name_or_id) const {
  for (const auto& [number, slice] : slices_) {
    if (slice.name == name_or_id || slice.id() == name_or_id) return slice;
  }
  std::string known;
  for (const auto& [number, slice] : slices_) {
    if (known.size() > 200) {
      known += ", ...";
      break;
    }
    absl::StrAppend(&known, known.empty() ? "" : ", ", slice.name);
  }
  return absl::NotFoundError(absl::StrCat(
      "there is no slice \"", absl::CHexEscape(std::string(name_or_id.substr(0, kMaxNameBytes))), "\"; ",
      known.empty() ? "there are none: make one with `xpool slice create`" : absl::StrCat("there are: ", known)));
}

SliceRegistry::Sums SliceRegistry::SumsOf(std::string_view xpu_id) const {
  Sums sums;
  for (const auto& [number, slice] : slices_) {
    if (slice.xpu_id != xpu_id) continue;
    sums.guaranteed_bp += slice.guarantee.basis_points();
    sums.reserved_bytes += slice.memory_bytes;
    ++sums.slices;
  }
  return sums;
}

absl::StatusOr<std::string> SliceRegistry::PlanName(const std::string& asked) const {
  const auto taken = [&](const std::string& name) {
    return std::any_of(slices_.begin(), slices_.end(), [&](const auto& entry) { return entry.second.name == name; });
  };
  if (!asked.empty()) {
    RETURN_IF_ERROR(CheckName(asked));
    if (!taken(asked)) return asked;
    return absl::AlreadyExistsError(
        absl::StrCat("a slice \"", asked, "\" exists; choose another name, or use that one with --slice ", asked));
  }
  SliceNumber next = slices_.empty() ? 1 : slices_.rbegin()->first + 1;
  while (taken(absl::StrCat("slice-", next))) ++next;
  return absl::StrCat("slice-", next);
}

absl::StatusOr<const XpuInfo*> SliceRegistry::PlanXpu(const SliceRequest& request) const {
  if (xpus_.empty()) {
    return absl::FailedPreconditionError(
        "this machine has no XPU: no OpenCL driver with a device was found. Install one (such as pocl-opencl-icd), see "
        "`xpool events` for drivers that failed, and restart the agent");
  }
  if (!request.xpu_id.empty()) {
    if (const XpuInfo* xpu = Xpu(request.xpu_id)) return xpu;
    std::string known;
    for (const XpuInfo& xpu : xpus_) absl::StrAppend(&known, known.empty() ? "" : ", ", xpu.id, " (", xpu.name, ")");
    return absl::NotFoundError(
        absl::StrCat("there is no XPU \"", absl::CHexEscape(request.xpu_id.substr(0, 63)), "\"; there are: ", known));
  }
  // Most room: where the request fits before where it does not, then by free share, then by free memory.
  const auto room = [&](const XpuInfo& xpu) {
    const Sums sums = SumsOf(xpu.id);
    const int64_t free_bp = kFullBp - sums.guaranteed_bp;
    const uint64_t free_bytes = xpu.memory_bytes > sums.reserved_bytes ? xpu.memory_bytes - sums.reserved_bytes : 0;
    const bool fits = free_bp >= request.guarantee_bp && free_bytes > 0 && free_bytes >= request.memory_bytes;
    return std::tuple(fits, free_bp, free_bytes);
  };
  return &*std::max_element(xpus_.begin(), xpus_.end(),
                            [&](const XpuInfo& a, const XpuInfo& b) { return room(a) < room(b); });
}

absl::Status SliceRegistry::CheckShares(const XpuInfo& xpu, uint32_t guarantee_bp, uint32_t limit_bp,
                                        int64_t others_bp) const {
  if (limit_bp < guarantee_bp) {
    return absl::InvalidArgumentError(absl::StrCat("a limit of ", Percent(limit_bp), " is below the guarantee of ",
                                                   Percent(guarantee_bp), "; raise the limit or lower the guarantee"));
  }
  const int64_t free_bp = std::max<int64_t>(kFullBp - others_bp, 0);
  if (guarantee_bp > free_bp) {
    return absl::ResourceExhaustedError(absl::StrCat(
        Percent(guarantee_bp), " of ", xpu.id, " asked, ", Percent(free_bp), " is free (", Percent(others_bp),
        " is guaranteed to others); ask for less, choose another XPU, or resize or delete a slice"));
  }
  return absl::OkStatus();
}

absl::StatusOr<uint64_t> SliceRegistry::PlanMemory(const XpuInfo& xpu, uint64_t asked_bytes, uint32_t guarantee_bp,
                                                   uint64_t others_bytes) const {
  const uint64_t free_bytes = xpu.memory_bytes > others_bytes ? xpu.memory_bytes - others_bytes : 0;
  if (asked_bytes <= free_bytes && free_bytes > 0) {
    return asked_bytes > 0 ? asked_bytes : DefaultMemory(xpu.memory_bytes, guarantee_bp, free_bytes);
  }
  return absl::ResourceExhaustedError(absl::StrCat(
      asked_bytes > 0 ? FormatBytes(asked_bytes) : std::string("a part"), " of memory on ", xpu.id, " asked, ",
      FormatBytes(free_bytes), " of ", FormatBytes(xpu.memory_bytes), " is free (", FormatBytes(others_bytes),
      " is reserved by others); ask for less with --memory, choose another XPU, or resize or delete a slice"));
}

absl::StatusOr<SliceRecord> SliceRegistry::PlanCreate(const SliceRequest& request) const {
  if (slices_.size() >= kMaxSlices) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this agent keeps at most ", kMaxSlices, " slices, and they exist; delete some"));
  }
  RETURN_IF_ERROR(CheckBasisPoints("a guarantee", request.guarantee_bp));
  RETURN_IF_ERROR(CheckBasisPoints("a limit", request.limit_bp));
  SliceRecord slice;
  ASSIGN_OR_RETURN(slice.name, PlanName(request.name));
  ASSIGN_OR_RETURN(const XpuInfo* xpu, PlanXpu(request));
  const Sums sums = SumsOf(xpu->id);
  const uint32_t limit_bp = request.limit_bp > 0 ? request.limit_bp : static_cast<uint32_t>(kFullBp);
  RETURN_IF_ERROR(CheckShares(*xpu, request.guarantee_bp, limit_bp, sums.guaranteed_bp));
  ASSIGN_OR_RETURN(slice.memory_bytes,
                   PlanMemory(*xpu, request.memory_bytes, request.guarantee_bp, sums.reserved_bytes));
  slice.xpu_id = xpu->id;
  slice.guarantee = Share::FromBasisPoints(request.guarantee_bp);
  slice.limit = Share::FromBasisPoints(limit_bp);
  slice.priority = request.priority;
  slice.owner_uid = request.owner_uid;
  slice.owner_pid = request.owner_pid;
  slice.owner_start_ticks = request.owner_start_ticks;
  return slice;
}

absl::StatusOr<SliceRecord> SliceRegistry::PlanChange(const SliceRecord& slice, const SliceChange& change) const {
  const XpuInfo* xpu = Xpu(slice.xpu_id);
  if (xpu == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat("slice ", slice.name, " is on ", slice.xpu_id, ", which was not found at the agent's start"));
  }
  RETURN_IF_ERROR(CheckBasisPoints("a guarantee", change.guarantee_bp));
  RETURN_IF_ERROR(CheckBasisPoints("a limit", change.limit_bp));
  const auto guarantee_bp =
      change.guarantee_bp > 0 ? change.guarantee_bp : static_cast<uint32_t>(slice.guarantee.basis_points());
  const auto limit_bp = change.limit_bp > 0 ? change.limit_bp : static_cast<uint32_t>(slice.limit.basis_points());
  const Sums sums = SumsOf(xpu->id);
  RETURN_IF_ERROR(CheckShares(*xpu, guarantee_bp, limit_bp, sums.guaranteed_bp - slice.guarantee.basis_points()));
  SliceRecord changed = slice;
  if (change.memory_bytes > 0) {
    ASSIGN_OR_RETURN(changed.memory_bytes,
                     PlanMemory(*xpu, change.memory_bytes, guarantee_bp, sums.reserved_bytes - slice.memory_bytes));
  }
  changed.guarantee = Share::FromBasisPoints(guarantee_bp);
  changed.limit = Share::FromBasisPoints(limit_bp);
  if (change.change_priority) changed.priority = change.priority;
  return changed;
}

}  // namespace xpool::agent
