#include "cli/testing/fake_agent.h"

#include <grpcpp/grpcpp.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/clock.h"
#include "xpool.grpc.pb.h"

namespace xpool::cli {

class FakeAgent::FakeAgentService final : public v1::Agent::Service {
 public:
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*, v1::Status* status) override {
    status->set_version("fake");
    status->set_pid(getpid());
    status->set_started_unix_s(UnixNowNs() / kNsPerSec);
    status->set_quantum_ns(5 * kNsPerMs);
    return grpc::Status::OK;
  }

  grpc::Status ListXpus(grpc::ServerContext*, const v1::ListXpusRequest*, v1::ListXpusResponse* response) override {
    absl::MutexLock lock(&mutex_);
    v1::Xpu& xpu = *response->add_xpus();
    xpu.set_id("xpu0");
    xpu.set_name("Fake XPU");
    xpu.set_type("GPU");
    xpu.set_memory_bytes(uint64_t{8} << 30);
    xpu.set_slice_count(static_cast<uint32_t>(slices_.size()));
    return grpc::Status::OK;
  }

  grpc::Status CreateSlice(grpc::ServerContext*, const v1::CreateSliceRequest* request, v1::Slice* slice) override {
    absl::MutexLock lock(&mutex_);
    const v1::SliceSpec& spec = request->spec();
    if (!spec.xpu_id().empty() && spec.xpu_id() != "xpu0") {
      return {grpc::StatusCode::NOT_FOUND,
              absl::StrCat("there is no XPU \"", spec.xpu_id(), "\"; this machine has xpu0")};
    }
    if (Find(spec.name()) != nullptr) {
      return {grpc::StatusCode::ALREADY_EXISTS, absl::StrCat("there is already a slice ", spec.name())};
    }
    slice->set_id(absl::StrCat("s", next_id_++));
    slice->set_name(spec.name().empty() ? absl::StrCat("run-", slice->id()) : spec.name());
    slice->set_xpu_id("xpu0");
    slice->set_guarantee_bp(spec.guarantee_bp());
    slice->set_limit_bp(spec.limit_bp() == 0 ? 10'000 : spec.limit_bp());
    slice->set_memory_bytes(spec.memory_bytes() == 0 ? uint64_t{1} << 30 : spec.memory_bytes());
    slice->set_priority(spec.priority() == v1::PRIORITY_UNSPECIFIED ? v1::PRIORITY_NORMAL : spec.priority());
    slice->set_owner_pid(spec.owner_pid());
    slice->set_created_unix_s(UnixNowNs() / kNsPerSec);
    slices_.push_back(*slice);
    return grpc::Status::OK;
  }

  grpc::Status GetSlice(grpc::ServerContext*, const v1::GetSliceRequest* request, v1::Slice* slice) override {
    absl::MutexLock lock(&mutex_);
    const v1::Slice* found = Find(request->slice());
    if (found == nullptr) return NoSlice(request->slice());
    *slice = *found;
    return grpc::Status::OK;
  }

  grpc::Status ListSlices(grpc::ServerContext*, const v1::ListSlicesRequest*,
                          v1::ListSlicesResponse* response) override {
    absl::MutexLock lock(&mutex_);
    DropOrphans();
    for (const v1::Slice& slice : slices_) *response->add_slices() = slice;
    response->set_at_ns(MonotonicNowNs());
    return grpc::Status::OK;
  }

  grpc::Status ResizeSlice(grpc::ServerContext*, const v1::ResizeSliceRequest* request, v1::Slice* slice) override {
    absl::MutexLock lock(&mutex_);
    v1::Slice* found = Find(request->slice());
    if (found == nullptr) return NoSlice(request->slice());
    if (request->guarantee_bp() != 0) found->set_guarantee_bp(request->guarantee_bp());
    if (request->limit_bp() != 0) found->set_limit_bp(request->limit_bp());
    if (request->memory_bytes() != 0) found->set_memory_bytes(request->memory_bytes());
    if (request->priority() != v1::PRIORITY_UNSPECIFIED) found->set_priority(request->priority());
    *slice = *found;
    return grpc::Status::OK;
  }

  grpc::Status DeleteSlice(grpc::ServerContext*, const v1::DeleteSliceRequest* request,
                           v1::DeleteSliceResponse*) override {
    absl::MutexLock lock(&mutex_);
    const v1::Slice* found = Find(request->slice());
    if (found == nullptr) return NoSlice(request->slice());
    slices_.erase(slices_.begin() + (found - slices_.data()));
    return grpc::Status::OK;
  }

  grpc::Status ListSessions(grpc::ServerContext*, const v1::ListSessionsRequest*,
                            v1::ListSessionsResponse* response) override {
    absl::MutexLock lock(&mutex_);
    for (const v1::Session& session : sessions_) *response->add_sessions() = session;
    return grpc::Status::OK;
  }

  grpc::Status ListEvents(grpc::ServerContext*, const v1::ListEventsRequest* request,
                          grpc::ServerWriter<v1::Event>* writer) override {
    absl::MutexLock lock(&mutex_);
    const size_t count = request->last() == 0 ? events_.size() : std::min<size_t>(request->last(), events_.size());
    for (size_t i = events_.size() - count; i < events_.size(); ++i) writer->Write(events_[i]);
    return grpc::Status::OK;
  }

  grpc::Status Trace(grpc::ServerContext*, const v1::TraceRequest*,
                     grpc::ServerWriter<v1::LeaseRecord>* writer) override {
    absl::MutexLock lock(&mutex_);
    const int64_t now_ns = MonotonicNowNs();
    for (v1::LeaseRecord record : records_) {
      record.set_at_ns(record.at_ns() + now_ns);
      writer->Write(record);
    }
    return grpc::Status::OK;
  }

  absl::Mutex mutex_;
  std::vector<v1::Slice> slices_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Session> sessions_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::Event> events_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::LeaseRecord> records_ ABSL_GUARDED_BY(mutex_);

  v1::Slice* Find(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    auto found = std::find_if(slices_.begin(), slices_.end(),
                              [&](const v1::Slice& slice) { return slice.name() == name || slice.id() == name; });
    return found == slices_.end() ? nullptr : &*found;
  }

 private:
  static grpc::Status NoSlice(const std::string& name) {
    return {grpc::StatusCode::NOT_FOUND, absl::StrCat("there is no slice \"", name, "\"; see 'xpool slice list'")};
  }

  void DropOrphans() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::erase_if(slices_, [](const v1::Slice& slice) {
      return slice.owner_pid() > 0 && kill(slice.owner_pid(), 0) != 0 && errno == ESRCH;
    });
  }

  int next_id_ ABSL_GUARDED_BY(mutex_) = 1;
};

struct FakeAgent::Impl {
  FakeAgentService service;
  std::unique_ptr<grpc::Server> server;
};

FakeAgent::FakeAgent(const AgentPaths& paths) : impl_(std::make_unique<Impl>()) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + paths.control_socket(), grpc::InsecureServerCredentials());
  builder.RegisterService(&impl_->service);
  impl_->server = builder.BuildAndStart();
}

FakeAgent::~FakeAgent() { impl_->server->Shutdown(); }

void FakeAgent::SetSessions(std::vector<v1::Session> sessions) {
  absl::MutexLock lock(&impl_->service.mutex_);
  impl_->service.sessions_ = std::move(sessions);
}

void FakeAgent::SetEvents(std::vector<v1::Event> events) {
  absl::MutexLock lock(&impl_->service.mutex_);
  impl_->service.events_ = std::move(events);
}

void FakeAgent::SetRecords(std::vector<v1::LeaseRecord> records) {
  absl::MutexLock lock(&impl_->service.mutex_);
  impl_->service.records_ = std::move(records);
}

void FakeAgent::SetUsage(const std::string& slice, const v1::SliceUsage& usage) {
  absl::MutexLock lock(&impl_->service.mutex_);
  if (v1::Slice* found = impl_->service.Find(slice)) *found->mutable_usage() = usage;
}

std::vector<v1::Slice> FakeAgent::slices() const {
  absl::MutexLock lock(&impl_->service.mutex_);
  return impl_->service.slices_;
}

}  // namespace xpool::cli
