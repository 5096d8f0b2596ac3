#include "transport/ucx_line.h"

#include <cstring>

#include "base/status.h"

namespace xpool::transport {
namespace {

constexpr unsigned kMessageId = 1;        // of the one kind of active message there is
constexpr size_t kZerosAfter = 4096;      // what UCX may read past the end of a torn address or key
constexpr int kMostCloseRounds = 10'000;  // breaking off takes a few

ucp_request_param_t Parameters(void* user_data) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_MEMORY_TYPE;
  param.memory_type = UCS_MEMORY_TYPE_HOST;
  param.user_data = user_data;
  return param;
}

std::vector<std::byte> FollowedByZeros(std::span<const std::byte> bytes) {
  std::vector<std::byte> padded(bytes.size() + kZerosAfter);
  memcpy(padded.data(), bytes.data(), bytes.size());
  return padded;
}

}  // namespace

UcxLine::UcxLine(const UcxContext& context, uint64_t key) : context_(context), ucx_(context.ucx()), key_(key) {
  for (size_t i = 0; i < sending_.size(); ++i) sending_[i] = {this, i, {}};
  for (size_t i = 0; i < receiving_.size(); ++i) receiving_[i] = {this, i};
  for (size_t i = 0; i < putting_.size(); ++i) putting_[i] = {this, i, 0};
}

absl::StatusOr<std::unique_ptr<UcxLine>> UcxLine::Create(const UcxContext& context, uint64_t key) {
  std::unique_ptr<UcxLine> line(new UcxLine(context, key));
  RETURN_IF_ERROR(line->MakeWorker());
  return line;
}

absl::Status UcxLine::MakeWorker() {
  ucp_worker_params_t params{};
  params.field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE;
  params.thread_mode = UCS_THREAD_MODE_SERIALIZED;
  const SignalsBlocked no_signals;
  ucs_status_t status = ucx_.ucp_worker_create(context_.handle(), &params, &worker_);
  if (status != UCS_OK)
    return ucx_.Error(status, "cannot make a UCX worker; has /dev/shm no room, or are there no descriptors left?");
  status = ucx_.ucp_worker_get_efd(worker_, &fd_);
  if (status != UCS_OK) return ucx_.Error(status, "the UCX transports cannot wake a thread that waits");
  ucp_am_handler_param_t handler{};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  handler.id = kMessageId;
  handler.cb = OnMessage;
  handler.arg = this;
  status = ucx_.ucp_worker_set_am_recv_handler(worker_, &handler);
  return status == UCS_OK ? absl::OkStatus() : ucx_.Error(status, "cannot listen for UCX's active messages");
}

UcxLine::~UcxLine() {
  if (!context_.IsOurs()) return;
  listener_ = nullptr;
  if (endpoint_ != nullptr) CloseEndpoint();
  if (worker_ != nullptr) ucx_.ucp_worker_destroy(worker_);
}

void UcxLine::CloseEndpoint() {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  void* request = ucx_.ucp_ep_close_nbx(endpoint_, &param);
  if (request == nullptr || UCS_PTR_IS_ERR(request)) return;
  for (int round = 0; round < kMostCloseRounds; ++round) {
    if (ucx_.ucp_request_check_status(request) != UCS_INPROGRESS) break;
    Progress();
  }
  ucx_.ucp_request_free(request);
}

absl::StatusOr<std::vector<std::byte>> UcxLine::Address() const {
  ucp_address_t* address = nullptr;
  size_t size = 0;
  const ucs_status_t status = ucx_.ucp_worker_get_address(worker_, &address, &size);
  if (status != UCS_OK) return ucx_.Error(status, "cannot ask a UCX worker for its address");
  const auto* bytes = reinterpret_cast<const std::byte*>(address);
  std::vector<std::byte> copy(bytes, bytes + size);
  ucx_.ucp_worker_release_address(worker_, address);
  if (copy.size() <= kMostUcxAddressBytes) return copy;
  return absl::ResourceExhaustedError(absl::StrCat("this machine's UCX address has ", size, " bytes, ",
                                                   kMostUcxAddressBytes, " are allowed; name fewer transports"));
}

absl::Status UcxLine::Connect(std::span<const std::byte> address, uint64_t key, Listener* listener) {
  if (address.size() > kMostUcxAddressBytes)
    return absl::InvalidArgumentError(absl::StrCat("a UCX address of ", address.size(), " bytes"));
  const std::vector<std::byte> padded = FollowedByZeros(address);
  ucp_ep_params_t params{};
  params.field_mask =
      UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.address = reinterpret_cast<const ucp_address_t*>(padded.data());
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler = {OnError, this};
  peer_key_ = key;
  listener_ = listener;
  const SignalsBlocked no_signals;
  const ucs_status_t status = ucx_.ucp_ep_create(worker_, &params, &endpoint_);
  if (status == UCS_OK) return absl::OkStatus();
  endpoint_ = nullptr;
  return ucx_.Error(status, "the peer cannot be reached over the UCX transports both sides may use");
}

void UcxLine::Lose(ucs_status_t status, const char* doing) {
  if (!lost_.ok()) return;
  lost_ = ucx_.Error(status, absl::StrCat("the UCX connection was lost when ", doing));
  if (listener_ != nullptr) listener_->OnLost();
}

void UcxLine::OnError(void* line, ucp_ep_h, ucs_status_t status) {
  static_cast<UcxLine*>(line)->Lose(status, "it was used");
}

void UcxLine::Send(size_t slot, const UcxHeader& header, std::span<const std::byte> bytes, uint32_t flags) {
  Sending& sending = sending_[slot];
  sending.header = header;
  ucp_request_param_t param = Parameters(&sending);
  param.op_attr_mask |= UCP_OP_ATTR_FIELD_FLAGS;
  param.flags = flags;
  param.cb.send = OnSent;
  unflushed_ = true;
  void* request = ucx_.ucp_am_send_nbx(endpoint_, kMessageId, &sending.header, sizeof(sending.header), bytes.data(),
                                       bytes.size(), &param);
  if (UCS_PTR_IS_ERR(request)) return Lose(UCS_PTR_STATUS(request), "sending");
  if (request == nullptr) listener_->OnSent(slot);
}

void UcxLine::OnSent(void* request, ucs_status_t status, void* data) {
  const Sending& sending = *static_cast<Sending*>(data);
  UcxLine& line = *sending.line;
  line.ucx_.ucp_request_free(request);
  if (status != UCS_OK) return line.Lose(status, "sending");
  if (line.listener_ != nullptr) line.listener_->OnSent(sending.slot);
}

bool UcxLine::Flush() {
  if (flushing_) return false;
  if (!unflushed_) return true;
  unflushed_ = false;
  ucp_request_param_t param = Parameters(this);
  param.cb.send = OnFlushed;
  void* request = ucx_.ucp_ep_flush_nbx(endpoint_, &param);
  if (UCS_PTR_IS_ERR(request)) Lose(UCS_PTR_STATUS(request), "flushing");
  flushing_ = request != nullptr && !UCS_PTR_IS_ERR(request);
  return request == nullptr;
}

void UcxLine::OnFlushed(void* request, ucs_status_t status, void* data) {
  UcxLine& line = *static_cast<UcxLine*>(data);
  line.ucx_.ucp_request_free(request);
  line.flushing_ = false;
  if (status != UCS_OK) return line.Lose(status, "flushing");
  if (line.listener_ != nullptr) line.listener_->OnFlushed();
}

ucs_status_t UcxLine::OnMessage(void* line, const void* header, size_t header_bytes, void* data, size_t bytes,
                                const ucp_am_recv_param_t* param) {
  UcxLine& self = *static_cast<UcxLine*>(line);
  UcxHeader copy;
  if (self.listener_ == nullptr || header_bytes != sizeof(copy)) return UCS_OK;
  memcpy(&copy, header, sizeof(copy));
  if (copy.key == self.key_) self.Receive(copy, data, bytes, (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) != 0);
  return UCS_OK;
}

void UcxLine::Receive(const UcxHeader& header, void* data, size_t size, bool fetch) {
  const UcxReceiveWindow::Place place = listener_->OnMessage(header, size);
  if (place.bytes.empty()) return;
  if (fetch) return Fetch(place, data);
  memcpy(place.bytes.data(), data, size);
  listener_->OnArrived(place.slot);
}

void UcxLine::Fetch(const UcxReceiveWindow::Place& place, void* descriptor) {
  ucp_request_param_t param = Parameters(&receiving_[place.slot]);
  param.cb.recv_am = OnFetched;
  void* request = ucx_.ucp_am_recv_data_nbx(worker_, descriptor, place.bytes.data(), place.bytes.size(), &param);
  if (UCS_PTR_IS_ERR(request)) return Lose(UCS_PTR_STATUS(request), "fetching");
  if (request == nullptr) listener_->OnArrived(place.slot);
}

void UcxLine::OnFetched(void* request, ucs_status_t status, size_t, void* data) {
  const Receiving& receiving = *static_cast<Receiving*>(data);
  UcxLine& line = *receiving.line;
  line.ucx_.ucp_request_free(request);
  if (status != UCS_OK) return line.Lose(status, "fetching");
  if (line.listener_ != nullptr) line.listener_->OnArrived(receiving.slot);
}

void UcxLine::Put(const UcxPuts::Chunk& chunk) {
  Putting& putting = putting_[chunk.slot];
  putting.open = 2;
  ucp_request_param_t param = Parameters(&putting);
  param.cb.send = OnPutPart;
  Follow(&putting,
         ucx_.ucp_put_nbx(endpoint_, chunk.bytes.data(), chunk.bytes.size(), chunk.address, chunk.key, &param),
         "writing");
  // A put is done when its bytes are free again; a flush after it when they have arrived.
  Follow(&putting, ucx_.ucp_ep_flush_nbx(endpoint_, &param), "writing");
}

void UcxLine::Follow(Putting* putting, void* request, const char* doing) {
  if (UCS_PTR_IS_ERR(request)) return Lose(UCS_PTR_STATUS(request), doing);
  if (request == nullptr) PutPartDone(putting);
}

void UcxLine::PutPartDone(Putting* putting) {
  if (--putting->open == 0 && listener_ != nullptr) listener_->OnPut(putting->slot);
}

void UcxLine::OnPutPart(void* request, ucs_status_t status, void* data) {
  auto* const putting = static_cast<Putting*>(data);
  UcxLine& line = *putting->line;
  line.ucx_.ucp_request_free(request);
  if (status != UCS_OK) return line.Lose(status, "writing");
  line.PutPartDone(putting);
}

absl::StatusOr<ucp_rkey_h> UcxLine::UnpackKey(std::span<const std::byte> packed) const {
  ucp_rkey_h key = nullptr;
  const ucs_status_t status = ucx_.ucp_ep_rkey_unpack(endpoint_, FollowedByZeros(packed).data(), &key);
  if (status == UCS_OK) return key;
  return ucx_.Error(status, "the peer's memory cannot be written to over this UCX connection");
}

bool UcxLine::Arm() {
  const ucs_status_t status = ucx_.ucp_worker_arm(worker_);
  if (status != UCS_OK && status != UCS_ERR_BUSY) Lose(status, "waiting");
  return status != UCS_ERR_BUSY;
}

}  // namespace xpool::transport
