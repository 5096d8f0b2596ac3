#include "agent/control_service.h"

#include <grp.h>
#include <grpcpp/grpcpp.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "agent/control_convert.h"
#include "base/status.h"
#include "xpool.grpc.pb.h"

#ifndef XPOOL_VERSION
#define XPOOL_VERSION "0.1.0"
#endif

namespace xpool::agent {
namespace {

constexpr int kMaxThreads = 24;                    // of gRPC; a follower of events or a trace takes one
constexpr int64_t kFollowStepNs = 500 * kNsPerMs;  // how soon a follower's end is noticed
constexpr int64_t kTraceStepNs = 50 * kNsPerMs;    // the ring holds seconds, so nothing is lost in between
constexpr int64_t kMaxTraceNs = 60 * kNsPerSec;

}  // namespace

class ControlService::Impl final : public v1::Agent::Service {
 public:
  Impl(class Agent* agent, std::string metrics_address) : agent_(agent), metrics_address_(std::move(metrics_address)) {}

  void Stop() { stopping_.store(true); }

  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*, v1::Status* status) override {
    status->set_version(XPOOL_VERSION);
    status->set_pid(getpid());
    status->set_started_unix_s(agent_->started_unix_s());
    status->set_recovering(agent_->recovering());
    status->set_metrics_address(metrics_address_);
    status->set_quantum_ns(static_cast<uint64_t>(agent_->options().quantum_ns));
    return grpc::Status::OK;
  }

  grpc::Status ListXpus(grpc::ServerContext*, const v1::ListXpusRequest*, v1::ListXpusResponse* response) override {
    for (const XpuView& view : agent_->ListXpus()) *response->add_xpus() = ToProto(view);
    return grpc::Status::OK;
  }

  grpc::Status CreateSlice(grpc::ServerContext*, const v1::CreateSliceRequest* request, v1::Slice* slice) override {
    auto wanted = FromProto(request->spec());
    if (!wanted.ok()) return ToGrpc(wanted.status());
    return Answer(agent_->CreateSlice(*std::move(wanted)), slice);
  }

  grpc::Status GetSlice(grpc::ServerContext*, const v1::GetSliceRequest* request, v1::Slice* slice) override {
    return Answer(agent_->GetSlice(request->slice()), slice);
  }

  grpc::Status ListSlices(grpc::ServerContext*, const v1::ListSlicesRequest*,
                          v1::ListSlicesResponse* response) override {
    response->set_at_ns(agent_->clock()->NowNs());
    for (const SliceView& view : agent_->ListSlices()) *response->add_slices() = ToProto(view);
    return grpc::Status::OK;
  }

  grpc::Status ResizeSlice(grpc::ServerContext*, const v1::ResizeSliceRequest* request, v1::Slice* slice) override {
    auto change = FromProto(*request);
    if (!change.ok()) return ToGrpc(change.status());
    return Answer(agent_->ResizeSlice(request->slice(), *change), slice);
  }

  grpc::Status DeleteSlice(grpc::ServerContext*, const v1::DeleteSliceRequest* request,
                           v1::DeleteSliceResponse*) override {
    return ToGrpc(agent_->DeleteSlice(request->slice(), request->force()));
  }

  grpc::Status ListSessions(grpc::ServerContext*, const v1::ListSessionsRequest*,
                            v1::ListSessionsResponse* response) override {
    for (const SessionView& view : agent_->ListSessions()) *response->add_sessions() = ToProto(view);
    return grpc::Status::OK;
  }

  grpc::Status ListEvents(grpc::ServerContext* context, const v1::ListEventsRequest* request,
                          grpc::ServerWriter<v1::Event>* writer) override {
    std::vector<Event> events = agent_->events().Last(request->last());
    uint64_t seen = 0;
    for (;;) {
      for (const Event& event : events) {
        if (!writer->Write(ToProto(event))) return grpc::Status::CANCELLED;
        seen = event.sequence;
      }
      if (!request->follow() || stopping_.load() || context->IsCancelled()) return grpc::Status::OK;
      events = agent_->events().WaitAfter(seen, kFollowStepNs);
    }
  }

  grpc::Status Trace(grpc::ServerContext* context, const v1::TraceRequest* request,
                     grpc::ServerWriter<v1::LeaseRecord>* writer) override {
    std::vector<Recording> recordings;
    for (const std::string& xpu_id : agent_->XpuIds()) {
      if (!request->xpu_id().empty() && request->xpu_id() != xpu_id) continue;
      const TraceLog& log = agent_->Broker(xpu_id)->trace();
      recordings.push_back({xpu_id, &log, log.position()});
    }
    if (recordings.empty()) return {grpc::StatusCode::NOT_FOUND, "there is no XPU \"" + request->xpu_id() + "\""};
    if (request->duration_ns() <= 0 || request->duration_ns() > kMaxTraceNs) {
      return {grpc::StatusCode::INVALID_ARGUMENT, "a trace lasts more than 0 and at most 60 s"};
    }
    const int64_t end_ns = agent_->clock()->NowNs() + request->duration_ns();
    for (bool last = false; !last;) {
      const int64_t left_ns = end_ns - agent_->clock()->NowNs();
      last = left_ns <= 0 || stopping_.load() || context->IsCancelled();
      poll(nullptr, 0, static_cast<int>(std::clamp<int64_t>(left_ns, 0, kTraceStepNs) / kNsPerMs));
      for (Recording& recording : recordings) {
        if (!Send(recording, end_ns, *writer)) return grpc::Status::CANCELLED;
      }
    }
    return grpc::Status::OK;
  }

 private:
  struct Recording {
    std::string xpu_id;
    const TraceLog* log;
    uint64_t position;
  };

  static grpc::Status Answer(const absl::StatusOr<SliceView>& view, v1::Slice* slice) {
    if (!view.ok()) return ToGrpc(view.status());
    *slice = ToProto(*view);
    return grpc::Status::OK;
  }

  // What has been recorded since the last time; false when nobody listens any more.
  static bool Send(Recording& recording, int64_t end_ns, grpc::ServerWriter<v1::LeaseRecord>& writer) {
    for (;;) {
      const std::vector<LeaseRecord> records = recording.log->ReadFrom(recording.position);
      if (records.empty()) return true;
      for (const LeaseRecord& record : records) {
        if (record.at_ns > end_ns) return true;
        // Without a buffer hint: gRPC may keep a few hinted messages back past the end of the call.
        if (!writer.Write(ToProto(record, recording.xpu_id))) return false;
      }
    }
  }

  class Agent* const agent_;
  const std::string metrics_address_;
  std::atomic<bool> stopping_{false};
};

namespace {

absl::Status SetSocketAccess(const std::string& path) {
  mode_t mode = 0600;
  if (const group* members = geteuid() == 0 ? getgrnam("xpool") : nullptr) {
    if (chown(path.c_str(), 0, members->gr_gid) != 0) return ErrnoStatus(absl::StrCat("chown ", path));
    mode = 0660;
  }
  return chmod(path.c_str(), mode) == 0 ? absl::OkStatus() : ErrnoStatus(absl::StrCat("chmod ", path));
}

}  // namespace

ControlService::ControlService() = default;

absl::StatusOr<std::unique_ptr<ControlService>> ControlService::Start(Agent* agent, std::string metrics_address) {
  std::unique_ptr<ControlService> service(new ControlService);
  service->impl_ = std::make_unique<Impl>(agent, std::move(metrics_address));
  const std::string path = agent->options().paths.control_socket();
  unlink(path.c_str());  // a left-over: the directory's lock says that no other agent lives
  grpc::ResourceQuota quota("xpool-control");
  quota.SetMaxThreads(kMaxThreads);
  quota.Resize(16 * 1024 * 1024);
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(quota);
  builder.SetMaxReceiveMessageSize(64 * 1024);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
  builder.SetSyncServerOption(grpc::ServerBuilder::CQ_TIMEOUT_MSEC, 600'000);
  builder.AddListeningPort("unix:" + path, grpc::InsecureServerCredentials());
  builder.RegisterService(service->impl_.get());
  const mode_t old_mask = umask(0177);  // nobody else may connect before the mode is set
  service->server_ = builder.BuildAndStart();
  umask(old_mask);
  if (service->server_ == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot serve the control API on ", path,
                     ": check that the path is shorter than 108 bytes and its directory writable"));
  }
  RETURN_IF_ERROR(SetSocketAccess(path));
  return service;
}

ControlService::~ControlService() {
  if (server_ == nullptr) return;
  impl_->Stop();
  server_->Shutdown(std::chrono::system_clock::time_point());  // at once: streams are cut
  server_->Wait();
}

}  // namespace xpool::agent
