#include "cli/agent_client.h"

#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "base/fd.h"
#include "base/status.h"
#include "xpool.grpc.pb.h"

namespace xpool::cli {
namespace {

void SetDeadline(grpc::ClientContext& context, int64_t ns) {
  context.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(ns, GPR_TIMESPAN)));
}

std::shared_ptr<grpc::Channel> OpenChannel(const std::string& socket) {
  gpr_set_log_function([](gpr_log_func_args*) {});  // Its own messages mean nothing to the user; ours follow.
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // A restarted agent is not met with the old one's back-off.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(64 << 20);
  return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace

struct AgentClient::Impl {
  explicit Impl(const std::string& socket) : stub(v1::Agent::NewStub(OpenChannel(socket))) {}

  // What a failed call means to a person.
  absl::Status Explain(const grpc::Status& status, const AgentPaths& paths, int64_t deadline_ns) const {
    switch (status.error_code()) {
      case grpc::StatusCode::OK:
        return absl::OkStatus();
      case grpc::StatusCode::DEADLINE_EXCEEDED:
        return absl::DeadlineExceededError(
            absl::StrCat("the agent at ", paths.directory, " did not answer within ", deadline_ns / kNsPerSec,
                         " s: it may be stopped or overloaded; see its log ", paths.log_file(),
                         " or restart it with 'xpool agent stop' and 'xpool agent start'"));
      case grpc::StatusCode::UNIMPLEMENTED:
        return absl::UnimplementedError(absl::StrCat(
            "the agent at ", paths.directory,
            " does not know this request: it is of another version than this xpool; restart it with 'xpool "
            "agent stop' and 'xpool agent start'"));
      case grpc::StatusCode::UNAVAILABLE:
        return absl::UnavailableError(absl::StrCat("lost the agent at ", paths.directory, " during the request (",
                                                   status.error_message(), "); see its log ", paths.log_file()));
      default:
        return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
    }
  }

  std::unique_ptr<v1::Agent::Stub> stub;
};

AgentClient::AgentClient(const AgentPaths& paths, int64_t deadline_ns) : paths_(paths), deadline_ns_(deadline_ns) {}
AgentClient::~AgentClient() = default;

absl::Status AgentClient::Probe() const {
  sockaddr_un address{.sun_family = AF_UNIX};
  const std::string socket_path = paths_.control_socket();
  if (socket_path.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the socket path ", socket_path, " is longer than the ", sizeof(address.sun_path) - 1,
                     " bytes a Unix socket may have; set XPOOL_DIR to a shorter directory"));
  }
  memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus("socket");
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return absl::OkStatus();
  switch (errno) {
    case EAGAIN:  // Its backlog is full: there, but slow. The call's deadline decides.
      return absl::OkStatus();
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(absl::StrCat(
          "user ", geteuid(), " may not use the agent's socket ", socket_path,
          ": ask its owner for access (group of the socket), or set XPOOL_DIR to use an agent of your own"));
    case ENOENT:
    case ECONNREFUSED:
    case ENOTDIR:
      return absl::UnavailableError(absl::StrCat("no agent answers at ", socket_path,
                                                 ": start one with 'xpool agent start', or set XPOOL_DIR to the "
                                                 "directory of a running one"));
    default:
      return ErrnoStatus(absl::StrCat("cannot connect to ", socket_path));
  }
}

template <typename Request, typename Response, typename Method>
absl::StatusOr<Response> AgentClient::Call(Method method, const Request& request) {
  RETURN_IF_ERROR(Probe());
  if (impl_ == nullptr) impl_ = std::make_unique<Impl>(paths_.control_socket());
  grpc::ClientContext context;
  SetDeadline(context, deadline_ns_);
  Response response;
  const grpc::Status status = (impl_->stub.get()->*method)(&context, request, &response);
  if (!status.ok()) return impl_->Explain(status, paths_, deadline_ns_);
  return response;
}

absl::StatusOr<v1::Status> AgentClient::GetStatus() {
  return Call<v1::GetStatusRequest, v1::Status>(&v1::Agent::Stub::GetStatus, {});
}

absl::StatusOr<v1::ListXpusResponse> AgentClient::ListXpus() {
  return Call<v1::ListXpusRequest, v1::ListXpusResponse>(&v1::Agent::Stub::ListXpus, {});
}

absl::StatusOr<v1::Slice> AgentClient::CreateSlice(const v1::SliceSpec& spec) {
  v1::CreateSliceRequest request;
  *request.mutable_spec() = spec;
  return Call<v1::CreateSliceRequest, v1::Slice>(&v1::Agent::Stub::CreateSlice, request);
}

absl::StatusOr<v1::Slice> AgentClient::GetSlice(const std::string& slice) {
  v1::GetSliceRequest request;
  request.set_slice(slice);
  return Call<v1::GetSliceRequest, v1::Slice>(&v1::Agent::Stub::GetSlice, request);
}

absl::StatusOr<v1::ListSlicesResponse> AgentClient::ListSlices() {
  return Call<v1::ListSlicesRequest, v1::ListSlicesResponse>(&v1::Agent::Stub::ListSlices, {});
}

absl::StatusOr<v1::Slice> AgentClient::ResizeSlice(const v1::ResizeSliceRequest& request) {
  return Call<v1::ResizeSliceRequest, v1::Slice>(&v1::Agent::Stub::ResizeSlice, request);
}

absl::Status AgentClient::DeleteSlice(const std::string& slice, bool force) {
  v1::DeleteSliceRequest request;
  request.set_slice(slice);
  request.set_force(force);
  return Call<v1::DeleteSliceRequest, v1::DeleteSliceResponse>(&v1::Agent::Stub::DeleteSlice, request).status();
}

absl::StatusOr<v1::ListSessionsResponse> AgentClient::ListSessions() {
  return Call<v1::ListSessionsRequest, v1::ListSessionsResponse>(&v1::Agent::Stub::ListSessions, {});
}

absl::Status AgentClient::ListEvents(uint32_t last, bool follow, const std::function<bool(const v1::Event&)>& consume) {
  RETURN_IF_ERROR(GetStatus().status());  // A stopped agent is found out here, before a stream without a deadline.
  v1::ListEventsRequest request;
  request.set_last(last);
  request.set_follow(follow);
  grpc::ClientContext context;
  if (!follow) SetDeadline(context, deadline_ns_);
  auto reader = impl_->stub->ListEvents(&context, request);
  v1::Event event;
  bool enough = false;
  while (!enough && reader->Read(&event)) enough = !consume(event);
  if (enough) context.TryCancel();
  const grpc::Status status = reader->Finish();
  return enough ? absl::OkStatus() : impl_->Explain(status, paths_, deadline_ns_);
}

absl::Status AgentClient::Trace(int64_t duration_ns, const std::string& xpu_id,
                                const std::function<void(const v1::LeaseRecord&)>& consume) {
  RETURN_IF_ERROR(GetStatus().status());
  v1::TraceRequest request;
  request.set_duration_ns(duration_ns);
  request.set_xpu_id(xpu_id);
  grpc::ClientContext context;
  SetDeadline(context, duration_ns + deadline_ns_);
  auto reader = impl_->stub->Trace(&context, request);
  v1::LeaseRecord record;
  while (reader->Read(&record)) consume(record);
  return impl_->Explain(reader->Finish(), paths_, duration_ns + deadline_ns_);
}

}  // namespace xpool::cli
