#include "worker/opencl_server.h"

#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "generated/opencl/wire_codec.h"
#include "worker/describe.h"

namespace xpool::worker {

using lane::Lane;
using wire_cl::CallId;
using wire_cl::Notice;
using wire_cl::Served;
using wire_cl::ValueKind;

namespace {

constexpr uint64_t kServersTransfer = uint64_t{1} << 63;  // numbers that the server mints (wire/frame.h)
constexpr uint64_t kMostUnreadBytes = 64 * kMiB;          // answers that the client has not acknowledged
constexpr int64_t kLookEachNs = kNsPerSec;                // how often a wait for bulk data looks after the client
constexpr int64_t kMostBulkAnswerBytes = 256 * static_cast<int64_t>(kMiB);
// A larger read goes through mappings, step by step; a smaller one is worth a copy.
constexpr uint64_t kSteppedReadBytes = 4 * kMiB;

bool IsSlow(uint16_t call) {
  switch (static_cast<CallId>(call)) {
    case CallId::clBuildProgram:
    case CallId::clCompileProgram:
    case CallId::clLinkProgram:
      return true;
    default:
      return false;
  }
}

// The |size| of clEnqueueReadBuffer and clEnqueueWriteBuffer, without decoding the call.
uint64_t TransferBytes(const wire::Frame& frame) {
  constexpr size_t kSizeAt = 4 + 8 + 8 + 4 + 8;  // behind presence, queue, buffer, blocking, offset
  uint64_t bytes = 0;
  if (frame.payload.size() >= kSizeAt + sizeof(bytes))
    std::memcpy(&bytes, frame.payload.data() + kSizeAt, sizeof(bytes));
  return bytes;
}

// NULL names nothing.
bool Names(ValueKind kind, wire::WireHandle handle) { return handle.type() == wire_cl::TypeOf(kind); }

}  // namespace

// --- What is under way ----------------------------------------------------------------------------------------------

struct OpenClServer::Pending {
  OpenClServer* server;
  wire_cl::Completion completion;
  Current call;
};

struct OpenClServer::Finishing {
  OpenClServer* server;
  Current call;
  cl_command_queue queue;
  cl_event last;  // ends with the queue's last command
};

struct OpenClServer::Wanted {
  OpenClServer* server;
  wire_cl::Want want;
};

OpenClServer::OpenClServer(const cl::DispatchTable& api, const wire_cl::ServerLimits& limits, Slice slice,
                           StillSending still_sending, Lane* calls, lane::BulkPort* bulk, lane::BulkSender* sender,
                           PeerCopies* peers)
    : ServerContext(api, limits),
      slice_(std::move(slice)),
      still_sending_(std::move(still_sending)),
      calls_(calls),
      bulk_(bulk),
      sender_(sender),
      peers_(peers),
      events_(api),
      slow_calls_(&lane_mutex_),
      tails_(api),
      told_limit_bytes_(slice_.memory_limit_bytes()) {
  if (slice_.output == nullptr) return;
  slice_.output->Start(
      [this](std::span<const std::byte> bytes) {
        PostNotice(Notice::kOutput, wire_cl::Output{bytes}, Lane::Urgency::kNow);
      },
      [this] { return calls_->HasRoom(); });
}

void OpenClServer::SendPrinted() const {
  if (slice_.output != nullptr) slice_.output->Drain();
}

// --- Frames ---------------------------------------------------------------------------------------------------------

absl::Status OpenClServer::Serve(const wire::Frame& frame) {
  MutexLock lock(&lane_mutex_);
  RETURN_IF_ERROR(broken_);
  if (frame.header.kind != wire::FrameKind::kCall)
    return absl::InvalidArgumentError("a client sends calls, no answers");
  return ServeFrame(frame);
}

absl::Status OpenClServer::ServeFrame(const wire::Frame& frame) {
  current_ = {.call = frame.header.call,
              .sequence = frame.header.sequence,
              .wants_answer = (frame.header.flags & wire::kFlagNeedsAnswer) != 0};
  if (frame.header.call >= wire::kFirstNotice) return ServeNotice(frame);
  if (!IsSlow(frame.header.call)) return ServeCall(frame);
  ServeSlowly(frame);
  return broken_;
}

absl::Status OpenClServer::ServeCall(const wire::Frame& frame) {
  out_.Clear();
  wire::Reader reader(frame.payload, "call");
  const absl::StatusOr<Served> served = Dispatch(frame, reader, out_);
  return AfterCall(served, out_);
}

// The frame's payload is the lane's and gone when this returns, so the thread gets a copy.
void OpenClServer::ServeSlowly(const wire::Frame& frame) {
  auto payload = std::make_shared<std::vector<std::byte>>(frame.payload.begin(), frame.payload.end());
  slow_calls_.Serve([this, call = current_, payload]() ABSL_NO_THREAD_SAFETY_ANALYSIS mutable {
    wire::Writer out;
    wire::Reader reader(*payload, "call");
    const absl::StatusOr<Served> served =
        wire_cl::ServeCall(static_cast<CallId>(call.call), reader, *this, out, &call.trace);
    current_ = call;  // other calls have been served meanwhile
    if (absl::Status after = AfterCall(served, out); !after.ok()) broken_ = after;
    calls_->Flush();
  });
}

absl::StatusOr<Served> OpenClServer::Dispatch(const wire::Frame& frame, wire::Reader& reader, wire::Writer& out) {
  const auto call = static_cast<CallId>(frame.header.call);
  const bool read = call == CallId::clEnqueueReadBuffer && TransferBytes(frame) > kSteppedReadBytes;
  const bool write = call == CallId::clEnqueueWriteBuffer && TransferBytes(frame) > limits().max_inline_bytes;
  if (call != CallId::clFinish && !read && !write) return wire_cl::ServeCall(call, reader, *this, out, &current_.trace);
  wire_cl::Decoder decoder(reader, *this, &current_.trace);
  wire_cl::Answer answer(out, *this, &current_.trace);
  if (read) return ServeLargeRead(decoder, answer);
  if (write) return ServeLargeWrite(decoder, answer);
  return ServeFinish(decoder, answer);
}

absl::Status OpenClServer::AfterCall(const absl::StatusOr<Served>& served, const wire::Writer& out) {
  RETURN_IF_ERROR(served.status());
  const cl_int status = current_.trace.status;
  if (status == CL_SUCCESS) LogEvent();
  NoteTail();
  if (*served == Served::kLater) {  // somebody waits: nothing may stay in the driver's queue
    FlushQueue(current_.trace.subject);
    return absl::OkStatus();
  }
  if (current_.wants_answer) {
    PostAnswer(current_.call, current_.sequence, out.buffer(), Lane::Urgency::kSoon);
  } else if (status != CL_SUCCESS) {
    PostFailed(current_, status);
  }
  return absl::OkStatus();
}

bool OpenClServer::WantsEvent() ABSL_NO_THREAD_SAFETY_ANALYSIS { return tails_.Wants(current_.trace.subject); }

void OpenClServer::TakeEvent(cl_event event) ABSL_NO_THREAD_SAFETY_ANALYSIS {  // ServeCall() holds the lane's lock
  tails_.Served(current_.trace.subject, event);
  current_.tail_taken = true;
}

void OpenClServer::NoteTail() {
  const wire::WireHandle queue = current_.trace.subject;
  if (current_.tail_taken || !Names(ValueKind::kQueue, queue)) return;
  switch (static_cast<CallId>(current_.call)) {
    case CallId::clFlush:
    case CallId::clFinish:
    case CallId::clGetCommandQueueInfo:
      return;
    case CallId::clReleaseCommandQueue:
      return tails_.Forget(queue);
    default:
      return tails_.Served(queue, nullptr);
  }
}

void OpenClServer::FlushQueue(wire::WireHandle queue) {
  if (!Names(ValueKind::kQueue, queue)) return;
  const absl::StatusOr<void*> driver_queue = objects().Find(ValueKind::kQueue, queue);
  if (driver_queue.ok() && *driver_queue != nullptr) api().clFlush(static_cast<cl_command_queue>(*driver_queue));
}

// The client may ask for the event that the call has made.
void OpenClServer::LogEvent() {
  const wire::WireHandle minted = current_.trace.minted, queue = current_.trace.subject;
  if (!Names(ValueKind::kEvent, minted) || !Names(ValueKind::kQueue, queue)) return;
  const absl::StatusOr<void*> event = objects().Find(ValueKind::kEvent, minted);
  const absl::StatusOr<void*> driver_queue = objects().Find(ValueKind::kQueue, queue);
  if (!event.ok() || *event == nullptr || !driver_queue.ok()) return;
  events_.Add(queue, static_cast<cl_command_queue>(*driver_queue), current_.sequence, static_cast<cl_event>(*event));
}

void OpenClServer::EndBatch() {
  {
    MutexLock lock(&lane_mutex_);
    const uint64_t limit_bytes = slice_.memory_limit_bytes();
    if (limit_bytes != told_limit_bytes_) {
      told_limit_bytes_ = limit_bytes;
      PostNotice(Notice::kSlice, wire_cl::SliceState{limit_bytes}, Lane::Urgency::kSoon);
    }
  }
  calls_->Flush();
  svm().ReleaseFreed();
  events_.ReleaseTold();
  for (const cl_event event : releasing_) api().clReleaseEvent(event);
  releasing_.clear();
  MutexLock lock(&release_mutex_);
  releasing_.swap(release_);
}

bool OpenClServer::Overfull() const {
  return calls_->unacknowledged_bytes() > kMostUnreadBytes || bulk_answer_bytes_.load() > kMostBulkAnswerBytes;
}

// --- Waiting --------------------------------------------------------------------------------------------------------

bool OpenClServer::CallWhenDone(cl_event event, void(CL_CALLBACK* callback)(cl_event, cl_int, void*),
                                void* data) const {
  return api().clSetEventCallback(event, CL_COMPLETE, callback, data) == CL_SUCCESS;
}

void OpenClServer::ReleaseLater(cl_event event) {
  MutexLock lock(&release_mutex_);
  release_.push_back(event);
}

// Not clFinish, which waits: the callback of the last command, or of a marker behind it, answers.
absl::StatusOr<Served> OpenClServer::ServeFinish(wire_cl::Decoder& in, wire_cl::Answer& answer) {
  const auto queue = in.Handle<cl_command_queue>("command_queue", ValueKind::kQueue, false, CL_INVALID_COMMAND_QUEUE);
  if (!in.Ready()) return in.Refuse(answer);
  cl_event last = tails_.Finish(current_.trace.subject, queue);
  if (last == nullptr) {
    const cl_int status = api().clEnqueueMarkerWithWaitList(queue, 0, nullptr, &last);
    if (status != CL_SUCCESS) return in.Refuse(answer, status);
  }
  api().clFlush(queue);
  auto finishing = std::make_unique<Finishing>(Finishing{this, current_, queue, last});
  const auto done = [](cl_event, cl_int ended, void* data) {
    const std::unique_ptr<Finishing> finished(static_cast<Finishing*>(data));
    finished->server->QueueDone(*finished, ended);
  };
  if (!CallWhenDone(last, done, finishing.get())) {
    api().clReleaseEvent(last);
    return in.Refuse(answer, CL_OUT_OF_RESOURCES);
  }
  static_cast<void>(finishing.release());
  return Served::kLater;
}

// In a driver's callback.
void OpenClServer::QueueDone(const Finishing& finished, cl_int ended) {
  SendPrinted();
  const wire_cl::Done news =
      events_.TakeDone(finished.call.trace.subject, finished.call.sequence, ended, /*all_before=*/true);
  // An error of a command that had no event comes out of the next flush.
  const cl_int earlier = api().clFlush(finished.queue);
  wire::Writer out;
  out.I32(earlier != CL_SUCCESS ? earlier : ended < 0 ? ended : CL_SUCCESS);
  PostDone(news, Lane::Urgency::kSoon);
  PostAnswer(finished.call.call, finished.call.sequence, out.buffer(), Lane::Urgency::kNow);
  ReleaseLater(finished.last);
}

absl::Status OpenClServer::ServeWant(const wire_cl::Want& want) {
  ASSIGN_OR_RETURN(void* const object, objects().Find(ValueKind::kEvent, want.event));
  if (object == nullptr) return absl::OkStatus();  // it was told that the call failed
  auto wanted = std::make_unique<Wanted>(Wanted{this, want});
  const auto done = [](cl_event event, cl_int status, void* data) {
    const std::unique_ptr<Wanted> ended(static_cast<Wanted*>(data));
    const wire_cl::Want& about = ended->want;
    ended->server->SendPrinted();
    if (about.times && status == CL_COMPLETE) ended->server->PostTimes(about, event);
    ended->server->PostDone(ended->server->events_.TakeDone(about.queue, about.sequence, status, /*all_before=*/false),
                            Lane::Urgency::kNow);
  };
  FlushQueue(want.queue);
  if (CallWhenDone(static_cast<cl_event>(object), done, wanted.get())) {
    static_cast<void>(wanted.release());
  } else {
    PostDone({want.queue, 0, {{want.sequence, CL_OUT_OF_RESOURCES}}}, Lane::Urgency::kNow);
  }
  return absl::OkStatus();
}

void OpenClServer::WhenDone(wire_cl::Completion completion) {
  auto pending = std::make_unique<Pending>();
  pending->server = this;
  pending->completion = std::move(completion);
  {
    // ServeCall() holds the lane's lock.
    [this, &pending]() ABSL_NO_THREAD_SAFETY_ANALYSIS { pending->call = current_; }();
  }
  const cl_event event = pending->completion.event;
  if (event == nullptr) return CommandDone(std::move(pending), CL_COMPLETE);
  const auto done = [](cl_event, cl_int status, void* data) {
    std::unique_ptr<Pending> ended(static_cast<Pending*>(data));
    ended->server->CommandDone(std::move(ended), status);
  };
  if (CallWhenDone(event, done, pending.get())) {
    static_cast<void>(pending.release());
  } else {
    CommandDone(std::move(pending), CL_OUT_OF_RESOURCES);
  }
}

// Short answers go out from here, a driver's callback; what goes by the bulk lane is its sender's.
void OpenClServer::CommandDone(std::unique_ptr<Pending> pending, cl_int status) {
  SendPrinted();
  if (pending->completion.event != nullptr) ReleaseLater(std::exchange(pending->completion.event, nullptr));
  const bool bulk = status >= 0 && pending->completion.reply.data != nullptr && pending->completion.reply.sequence != 0;
  if (!bulk) return SendReply(std::move(pending), status);
  sender_->Add([this, pending = std::move(pending), status]() mutable { SendReply(std::move(pending), status); });
}

void OpenClServer::SendReply(std::unique_ptr<Pending> pending, cl_int status) {
  const wire_cl::Completion& completion = pending->completion;
  const wire_cl::Reply& reply = completion.reply;
  if (completion.answer) {
    const Current& call = pending->call;
    const wire_cl::Done done = events_.TakeDone(call.trace.subject, call.sequence, status, /*all_before=*/false);
    PostDone(done, Lane::Urgency::kSoon);
    wire::Writer out;
    AnswerDone(completion, status, out);
    PostAnswer(pending->call.call, pending->call.sequence, out.buffer(), Lane::Urgency::kNow);
  } else if (status < 0) {
    PostFailed(pending->call, status);
  }
  if (status < 0 || reply.data == nullptr || reply.sequence == 0 || reply.layout.bytes() == 0) return;
  if (reply.layout.dense()) {
    const std::span<const std::byte> bytes(reply.data + reply.layout.offset, reply.layout.bytes());
    const uint64_t transfer = reply.sequence;
    return bulk_->Send(transfer, bytes, [keep = std::move(pending)] {});
  }
  absl::StatusOr<wire_cl::Storage> packed = wire_cl::MakeStorage(reply.layout.bytes(), limits().max_data_bytes);
  if (!packed.ok()) return calls_->SayGoodbye(packed.status());
  Pack(reply.layout, reply.data, packed->bytes.get());
  bulk_->Send(reply.sequence, {packed->bytes.get(), packed->size}, [keep = packed->bytes] {});
}

// --- Notices --------------------------------------------------------------------------------------------------------

absl::Status OpenClServer::ServeNotice(const wire::Frame& frame) {
  switch (static_cast<Notice>(frame.header.call)) {
    case Notice::kWant: {
      ASSIGN_OR_RETURN(const wire_cl::Want want, wire_cl::Read<wire_cl::Want>(frame.payload));
      return ServeWant(want);
    }
    case Notice::kStage: {
      ASSIGN_OR_RETURN(const wire_cl::Staged staged, wire_cl::Read<wire_cl::Staged>(frame.payload));
      return ServeStage(staged);
    }
    case Notice::kProfile:
      return ServeProfile(frame);
    case Notice::kDescribe:
      return ServeDescribe(frame);
    case Notice::kMemory: {
      if (!frame.payload.empty()) return absl::InvalidArgumentError("Memory: has a payload");
      wire::Writer out;
      Write(out, wire_cl::MemoryState{slice_.memory_used_bytes(), slice_.memory_limit_bytes()});
      PostAnswer(current_.call, current_.sequence, out.buffer(), Lane::Urgency::kSoon);
      return absl::OkStatus();
    }
    case Notice::kInvite: {
      ASSIGN_OR_RETURN(const wire_cl::Invite invite, wire_cl::Read<wire_cl::Invite>(frame.payload));
      return ServeInvite(invite);
    }
    case Notice::kPush: {
      ASSIGN_OR_RETURN(const wire_cl::Push push, wire_cl::Read<wire_cl::Push>(frame.payload));
      return ServePush(push);
    }
    case Notice::kWithdraw: {
      ASSIGN_OR_RETURN(const wire_cl::Withdraw withdraw, wire_cl::Read<wire_cl::Withdraw>(frame.payload));
      return ServeWithdraw(withdraw);
    }
    default:
      return absl::InvalidArgumentError(absl::StrCat("notice ", frame.header.call, " is none that a client sends"));
  }
}

wire_cl::EventTimes OpenClServer::TimesOf(cl_event event) const {
  wire_cl::EventTimes times;
  const auto query = [&](cl_profiling_info what, uint64_t* time) {
    cl_ulong value = 0;
    const cl_int status = event == nullptr ? CL_INVALID_EVENT
                                           : api().clGetEventProfilingInfo(event, what, sizeof(value), &value, nullptr);
    *time = value;
    return status;
  };
  times.status = query(CL_PROFILING_COMMAND_QUEUED, &times.queued);
  if (times.status == CL_SUCCESS) {
    query(CL_PROFILING_COMMAND_SUBMIT, &times.submit);
    query(CL_PROFILING_COMMAND_START, &times.start);
    times.status = query(CL_PROFILING_COMMAND_END, &times.end);
    if (query(CL_PROFILING_COMMAND_COMPLETE, &times.complete) != CL_SUCCESS) times.complete = times.end;
  }
  return times;
}

void OpenClServer::PostTimes(const wire_cl::Want& want, cl_event event) {
  const wire_cl::EventTimes times = TimesOf(event);
  if (times.status == CL_SUCCESS)
    PostNotice(Notice::kTimes, wire_cl::Times{want.queue, want.sequence, times}, Lane::Urgency::kSoon);
}

absl::Status OpenClServer::ServeProfile(const wire::Frame& frame) {
  wire::Reader reader(frame.payload, "Profile");
  const wire::WireHandle handle = reader.Handle("event");
  RETURN_IF_ERROR(reader.Finish());
  ASSIGN_OR_RETURN(void* const object, objects().Find(ValueKind::kEvent, handle));
  const wire_cl::EventTimes times = TimesOf(static_cast<cl_event>(object));
  wire::Writer out;
  Write(out, times);
  PostAnswer(current_.call, current_.sequence, out.buffer(), Lane::Urgency::kSoon);
  return absl::OkStatus();
}

absl::Status OpenClServer::ServeDescribe(const wire::Frame& frame) {
  wire::Reader reader(frame.payload, "Describe");
  const wire::WireHandle handle = reader.Handle("program");
  RETURN_IF_ERROR(reader.Finish());
  ASSIGN_OR_RETURN(void* const object, objects().Find(ValueKind::kProgram, handle));
  wire_cl::ProgramSheet sheet;
  if (object != nullptr) sheet = DescribeProgram(api(), static_cast<cl_program>(object));
  wire::Writer out;
  Write(out, sheet, calls_->limits().max_frame_bytes / 2);
  PostAnswer(current_.call, current_.sequence, out.buffer(), Lane::Urgency::kSoon);
  return absl::OkStatus();
}

void OpenClServer::Fired(const wire_cl::CallbackFired& fired) {
  PostNotice(Notice::kFired, wire_cl::Fired{fired.call, fired.token, fired.status, std::string(fired.message)},
             Lane::Urgency::kNow);
}

// --- Sending --------------------------------------------------------------------------------------------------------

template <typename Encode>
void OpenClServer::Post(wire::FrameKind kind, uint16_t call, Lane::Urgency urgency, const Encode& encode) {
  absl::Status posted;
  {
    Lane::Sending sending(calls_);
    posted = sending
                 .Post(kind, call, 0,
                       [&](wire::Writer& writer) {
                         encode(writer);
                         return absl::OkStatus();
                       })
                 .status();
    if (urgency == Lane::Urgency::kNow) sending.Settle(urgency);
  }
  // Longer than a frame: the client would wait for it forever.
  if (!posted.ok()) calls_->SayGoodbye(posted);
}

template <typename Message>
void OpenClServer::PostNotice(Notice notice, const Message& message, Lane::Urgency urgency) {
  Post(wire::FrameKind::kCall, static_cast<uint16_t>(notice), urgency,
       [&](wire::Writer& writer) { Write(writer, message); });
}

void OpenClServer::PostAnswer(uint16_t call, uint64_t sequence, std::span<const std::byte> payload,
                              Lane::Urgency urgency) {
  Post(wire::FrameKind::kAnswer, call, urgency, [&](wire::Writer& writer) {
    writer.U64(sequence);
    writer.Raw(payload);
  });
}

void OpenClServer::PostDone(const wire_cl::Done& done, Lane::Urgency urgency) {
  if (done.through != 0 || !done.entries.empty()) PostNotice(Notice::kDone, done, urgency);
}

void OpenClServer::PostFailed(const Current& call, cl_int status) {
  PostNotice(Notice::kFailed, wire_cl::Failed{call.call, call.sequence, status, call.trace.subject, call.trace.minted},
             Lane::Urgency::kNow);
}

// --- The codec's bulk -----------------------------------------------------------------------------------------------

absl::Status OpenClServer::ServeStage(const wire_cl::Staged& staged) {
  constexpr size_t kMostStaged = 1024;
  const auto staging = std::make_shared<Staging>();
  absl::StatusOr<wire_cl::Storage> storage = wire_cl::MakeStorage(staged.bytes, limits().max_data_bytes);
  {
    MutexLock lock(&staged_mutex_);
    if (staged_.size() >= kMostStaged || !staged_.emplace(staged.transfer, staging).second)
      return absl::InvalidArgumentError(
          absl::StrCat("transfer ", staged.transfer, " is staged twice, or one too many"));
    if (!storage.ok()) staging->arrived = storage.status();
  }
  if (!storage.ok()) {
    bulk_->Discard(staged.transfer);
    return absl::OkStatus();
  }
  staging->storage = *std::move(storage);
  bulk_->Expect(staged.transfer, {staging->storage.bytes.get(), staged.bytes},
                [this, staging](const absl::Status& status) {
                  MutexLock lock(&staged_mutex_);
                  staging->arrived = status;
                  staged_changed_.SignalAll();
                });
  return absl::OkStatus();
}

absl::StatusOr<wire_cl::Storage> OpenClServer::TakeBulk(uint64_t transfer, uint64_t bytes) {
  std::shared_ptr<Staging> staging;
  {
    MutexLock lock(&staged_mutex_);
    if (const auto found = staged_.find(transfer); found != staged_.end()) staging = found->second;
  }
  // What was not staged comes along with its call.
  if (staging == nullptr) {
    RETURN_IF_ERROR(ServeStage({transfer, bytes}));
    MutexLock lock(&staged_mutex_);
    staging = staged_[transfer];
  }
  MutexLock lock(&staged_mutex_);
  while (!staging->arrived.has_value()) {
    RETURN_IF_ERROR(still_sending_());
    staged_changed_.WaitFor(&staged_mutex_, kLookEachNs);
  }
  staged_.erase(transfer);
  RETURN_IF_ERROR(*staging->arrived);
  return staging->storage;
}

absl::StatusOr<uint64_t> OpenClServer::SendBulk(std::span<const std::byte> bytes) {
  ASSIGN_OR_RETURN(const wire_cl::Storage storage, wire_cl::MakeStorage(bytes.size(), limits().max_data_bytes));
  std::memcpy(storage.bytes.get(), bytes.data(), bytes.size());
  const uint64_t transfer = kServersTransfer | next_transfer_.fetch_add(1);
  bulk_answer_bytes_ += static_cast<int64_t>(bytes.size());
  sender_->Add([this, transfer, storage] {
    bulk_->Send(transfer, {storage.bytes.get(), storage.size}, [this, keep = storage.bytes, size = storage.size] {
      bulk_answer_bytes_ -= static_cast<int64_t>(size);
    });
  });
  return transfer;
}

cl_event OpenClServer::NewGate(cl_command_queue queue) const {
  cl_context context = nullptr;
  cl_int status = api().clGetCommandQueueInfo(queue, CL_QUEUE_CONTEXT, sizeof(context), &context, nullptr);
  return status == CL_SUCCESS ? api().clCreateUserEvent(context, &status) : nullptr;
}

// Opens |gate| and drops the reference of whoever was to open it.
void OpenClServer::OpenGate(cl_event gate, cl_int status) const {
  api().clSetUserEventStatus(gate, status);
  api().clReleaseEvent(gate);
}

cl_event OpenClServer::ReceiveBulk(uint64_t transfer, std::span<std::byte> target, cl_command_queue queue,
                                   absl::AnyInvocable<void()> arrived) {
  const cl_event gate = NewGate(queue);
  if (gate != nullptr) api().clRetainEvent(gate);  // the opener's
  bulk_->Expect(transfer, target, [this, gate, arrived = std::move(arrived)](const absl::Status& status) mutable {
    if (status.ok()) arrived();
    if (gate != nullptr) OpenGate(gate, status.ok() ? CL_COMPLETE : CL_OUT_OF_RESOURCES);
  });
  return gate;
}

bool OpenClServer::TakesBytes(cl_kernel kernel, cl_uint index) { return ArgumentTakesBytes(kernel, index); }

}  // namespace xpool::worker
