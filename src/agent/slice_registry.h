// The slices of this machine and the rules by which they may be made and changed. Pure bookkeeping: a change is planned
// (all rules checked), then stored by the caller, then put in here. Every refusal says what was asked, what is free and
// what to do.
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/records.h"
#include "device/xpu_info.h"

namespace xpool::agent {

// Numbers as they came in: not yet known to be sensible.
struct SliceRequest {
  std::string name;           // empty: made up
  std::string xpu_id;         // empty: the XPU with most room
  uint32_t guarantee_bp = 0;  // 0: best effort
  uint32_t limit_bp = 0;      // 0: 100 %
  uint64_t memory_bytes = 0;  // 0: in proportion to the guarantee
  arbiter::Priority priority = arbiter::Priority::kNormal;
  uid_t owner_uid = 0;
  pid_t owner_pid = 0;
  uint64_t owner_start_ticks = 0;
};

// Zero: unchanged.
struct SliceChange {
  uint32_t guarantee_bp = 0, limit_bp = 0;
  uint64_t memory_bytes = 0;
  bool change_priority = false;
  arbiter::Priority priority = arbiter::Priority::kNormal;
};

class SliceRegistry {
 public:
  struct Sums {
    int64_t guaranteed_bp = 0;
    uint64_t reserved_bytes = 0;
    uint32_t slices = 0;
  };

  explicit SliceRegistry(std::vector<XpuInfo> xpus) : xpus_(std::move(xpus)) {}

  // The slice that |request| makes, without a number.
  absl::StatusOr<SliceRecord> PlanCreate(const SliceRequest& request) const;
  // |slice| as |change| leaves it.
  absl::StatusOr<SliceRecord> PlanChange(const SliceRecord& slice, const SliceChange& change) const;

  void Put(const SliceRecord& slice) { slices_[slice.number] = slice; }
  void Erase(SliceNumber number) { slices_.erase(number); }

  // By name or id; NOT_FOUND names what there is.
  absl::StatusOr<SliceRecord> Find(std::string_view name_or_id) const;
  const SliceRecord* Get(SliceNumber number) const;

  const std::map<SliceNumber, SliceRecord>& slices() const { return slices_; }
  const std::vector<XpuInfo>& xpus() const { return xpus_; }
  const XpuInfo* Xpu(std::string_view id) const;
  Sums SumsOf(std::string_view xpu_id) const;

 private:
  absl::StatusOr<std::string> PlanName(const std::string& asked) const;
  absl::StatusOr<const XpuInfo*> PlanXpu(const SliceRequest& request) const;
  absl::Status CheckShares(const XpuInfo& xpu, uint32_t guarantee_bp, uint32_t limit_bp, int64_t others_bp) const;
  absl::StatusOr<uint64_t> PlanMemory(const XpuInfo& xpu, uint64_t asked_bytes, uint32_t guarantee_bp,
                                      uint64_t others_bytes) const;

  const std::vector<XpuInfo> xpus_;
  std::map<SliceNumber, SliceRecord> slices_;
};

}  // namespace xpool::agent
