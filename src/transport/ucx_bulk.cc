// The bulk lane of a UCX channel: UCX's memory registration and puts.
#include <cstring>
#include <limits>

#include "base/status.h"
#include "transport/ucx_stream.h"

namespace xpool::transport {
namespace {

absl::Status OutsideError(uint64_t offset, uint64_t bytes, uint64_t size_bytes) {
  return absl::InvalidArgumentError(
      absl::StrCat("a put of ", bytes, " bytes at ", offset, " into a peer's memory of ", size_bytes, " bytes"));
}

}  // namespace

class UcxRegion : public BulkRegion {
 public:
  UcxRegion(const UcxContext& context, ucp_mem_h memory) : context_(context), memory_(memory) {}
  ~UcxRegion() override {
    if (context_.IsOurs()) context_.ucx().ucp_mem_unmap(context_.handle(), memory_);
  }
  absl::Status MakeKey(std::span<std::byte> memory);
  const std::vector<std::byte>& key() const override { return key_; }

 private:
  const UcxContext& context_;
  const ucp_mem_h memory_;
  std::vector<std::byte> key_;
};

absl::Status UcxRegion::MakeKey(std::span<std::byte> memory) {
  const UcxLibrary& ucx = context_.ucx();
  void* packed = nullptr;
  size_t size = 0;
  const ucs_status_t status = ucx.ucp_rkey_pack(context_.handle(), memory_, &packed, &size);
  if (status != UCS_OK) return ucx.Error(status, "cannot make a key for registered memory");
  const auto* bytes = static_cast<const std::byte*>(packed);
  key_ = EncodeRegionKey({reinterpret_cast<uintptr_t>(memory.data()), memory.size(), {bytes, bytes + size}});
  ucx.ucp_rkey_buffer_release(packed);
  if (key_.size() <= kMostBulkKeyBytes) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("UCX's key for registered memory has ", size, " bytes"));
}

class UcxTarget : public BulkTarget {
 public:
  UcxTarget(UcxStream* stream, ucp_rkey_h key, uint64_t address, uint64_t size_bytes)
      : stream_(stream), key_(key), address_(address), size_bytes_(size_bytes) {}
  ~UcxTarget() override { stream_->Forget(key_); }

  uint64_t size_bytes() const override { return size_bytes_; }
  uint64_t address() const { return address_; }
  ucp_rkey_h key() const { return key_; }

 private:
  UcxStream* const stream_;
  const ucp_rkey_h key_;
  const uint64_t address_;
  const uint64_t size_bytes_;
};

absl::StatusOr<std::unique_ptr<BulkRegion>> UcxStream::Register(std::span<std::byte> memory) {
  if (memory.empty()) return absl::InvalidArgumentError("no memory to register");
  const UcxContext& context = context_;
  ucp_mem_map_params_t params{};
  params.field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH;
  params.address = memory.data();
  params.length = memory.size();
  ucp_mem_h handle = nullptr;
  const ucs_status_t status = context.ucx().ucp_mem_map(context.handle(), &params, &handle);
  if (status != UCS_OK)
    return context.ucx().Error(status,
                               absl::StrCat("cannot register ", memory.size(), " bytes; is RLIMIT_MEMLOCK low?"));
  auto region = std::make_unique<UcxRegion>(context, handle);
  RETURN_IF_ERROR(region->MakeKey(memory));
  return region;
}

absl::StatusOr<std::unique_ptr<BulkTarget>> UcxStream::Open(std::span<const std::byte> key) {
  ASSIGN_OR_RETURN(const UcxRegionKey region, ParseRegionKey(key));
  MutexLock lock(&mutex_);
  ASSIGN_OR_RETURN(const ucp_rkey_h unpacked, line_->UnpackKey(region.packed));
  return std::make_unique<UcxTarget>(this, unpacked, region.address, region.size_bytes);
}

void UcxStream::Forget(ucp_rkey_h key) {
  if (!context_.IsOurs()) return;
  MutexLock lock(&mutex_);
  context_.ucx().ucp_rkey_destroy(key);
}

absl::StatusOr<uint64_t> UcxStream::Put(const BulkTarget& target, uint64_t offset, std::span<const std::byte> bytes) {
  const auto& to = static_cast<const UcxTarget&>(target);
  if (offset > to.size_bytes() || bytes.size() > to.size_bytes() - offset)
    return OutsideError(offset, bytes.size(), to.size_bytes());
  if (closed_) return ClosedHereError(who_);
  MutexLock lock(&mutex_);
  WakeUp(kSender);
  RETURN_IF_ERROR(SendEnd());
  const uint64_t number = puts_.Add(bytes, to.address() + offset, to.key());
  SubmitPuts();
  return number;
}

void UcxStream::OnPut(size_t slot) {
  puts_.Arrived(slot);
  Rouse(kSender);
}

absl::StatusOr<uint64_t> UcxStream::PutsDone() {
  if (closed_) return ClosedHereError(who_);
  MutexLock lock(&mutex_);
  WakeUp(kSender);
  if (puts_.done() < puts_.added()) Pump();
  if (puts_.done() == puts_.added()) return puts_.done();
  RETURN_IF_ERROR(SendEnd());
  return puts_.done();
}

PollTarget UcxStream::PollForPut(uint64_t number) {
  MutexLock lock(&mutex_);
  WakeUp(kSender);
  control_.Look();
  const bool armed = PumpAndArm();
  const bool over = closed_ || puts_.done() >= number || !SendEnd().ok();
  PollTarget target = FallAsleep(kSender);
  target.ready |= !armed || over;
  return target;
}

absl::Status UcxStream::WaitForPut(uint64_t number, const Deadline& deadline) {
  while (true) {
    ASSIGN_OR_RETURN(const uint64_t done, PutsDone());
    if (done >= number) return absl::OkStatus();
    const PollTarget target = PollForPut(number);
    if (target.ready) continue;
    pollfd polled{target.fd, target.events, 0};
    ASSIGN_OR_RETURN(const int events, PollUntil({&polled, 1}, deadline));
    if (events == 0) return WaitedTooLongError(who_, kToSend);
  }
}

}  // namespace xpool::transport
