// A command whose data comes back: it is complete when its answer is here and, if the data goes by the bulk lane, that
// too, whichever comes last. Made for each; deletes itself when both are settled, on whatever thread that happens.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "backend/remote/cl_link.h"
#include "backend/remote/objects.h"

namespace xpool::remote {

class PendingData final : public Link::Answer {
 public:
  // |event| is the command's; it ends when all is here.
  PendingData(ClLink* link, Event* event) : link_(link), event_(event) {}

  // Link::Answer: decodes what is in the frame.
  void Arrived(const absl::StatusOr<std::span<const std::byte>>& payload) override;
  // The bulk lane's part.
  void BulkArrived(const absl::Status& status);

  // What the encoder expects; filled in while the call is encoded.
  wire_cl::Expected* expected() { return &expected_; }
  // While the call is encoded: the bulk lane has no part in it; what must stay until all is here.
  void SetNoBulk() { left_.store(1, std::memory_order_relaxed); }
  void Keep(std::shared_ptr<std::byte[]> memory) { keep_ = std::move(memory); }
  // The call was not sent.
  void Drop() { delete this; }

 private:
  ~PendingData() override = default;
  void Settle(cl_int status, int parts);

  ClLink* const link_;
  const Ref<Event> event_;
  wire_cl::Expected expected_;
  std::shared_ptr<std::byte[]> keep_;
  std::atomic<int> left_{2};  // the answer, and the bulk lane
  std::atomic<cl_int> status_{CL_COMPLETE};
};

}  // namespace xpool::remote
