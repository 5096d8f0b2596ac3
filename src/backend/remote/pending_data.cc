#include "backend/remote/pending_data.h"

#include "wire/reader.h"
#include "wire_opencl/answer_decoder.h"

namespace xpool::remote {

void PendingData::Settle(cl_int status, int parts) {
  if (status < 0) {
    cl_int well = CL_COMPLETE;
    status_.compare_exchange_strong(well, status);
  }
  if (left_.fetch_sub(parts, std::memory_order_acq_rel) != parts) return;
  Link& link = link_->link();
  event_->End(status_.load());
  delete this;
  link.Progress();
}

void PendingData::Arrived(const absl::StatusOr<std::span<const std::byte>>& payload) {
  const bool bulk = expected_.sequence != 0;
  cl_int status = CL_OUT_OF_RESOURCES;
  if (payload.ok()) {
    wire::Reader reader(*payload, "answer");
    wire_cl::AnswerDecoder decoder(reader, *link_, expected_);
    if (!decoder.Failed()) decoder.Data();
    const absl::StatusOr<cl_int> decoded = decoder.Finish();
    // An answer that is not right ends the command, and the data that may still come is dropped with it.
    status = decoded.ok() ? *decoded : CL_OUT_OF_RESOURCES;
  }
  if (status == CL_SUCCESS || !bulk) return Settle(status, 1);
  const bool cancelled = link_->link().bulk().Cancel(expected_.sequence);
  Settle(status, cancelled ? 2 : 1);
}

void PendingData::BulkArrived(const absl::Status& status) {
  Settle(status.ok() ? CL_COMPLETE : CL_OUT_OF_RESOURCES, 1);
}

}  // namespace xpool::remote
