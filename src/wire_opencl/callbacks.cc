#include "wire_opencl/callbacks.h"

#include <utility>

namespace xpool::wire_cl {
namespace {

void Fire(void* user_data, cl_int status, const char* message) {
  const auto* const record = static_cast<const CallbackRecord*>(user_data);
  record->table->Fired({record->call, record->token, status, message == nullptr ? "" : message});
}

void FireOnce(void* user_data, cl_int status) {
  Fire(user_data, status, nullptr);
  auto* const record = static_cast<CallbackRecord*>(user_data);
  record->table->Drop(record);
}

void CL_CALLBACK OnContext(const char* errinfo, const void*, size_t, void* user_data) {
  Fire(user_data, CL_SUCCESS, errinfo);
}

void CL_CALLBACK OnEvent(cl_event, cl_int status, void* user_data) { FireOnce(user_data, status); }

// Callbacks that tell no more than that it is time.
template <typename Object>
void CL_CALLBACK OnObject(Object, void* user_data) {
  FireOnce(user_data, CL_SUCCESS);
}

}  // namespace

CallbackRecord* CallbackTable::Add(CallId call, uint64_t token) {
  auto record = std::make_unique<CallbackRecord>(CallbackRecord{this, call, token});
  CallbackRecord* const added = record.get();
  const MutexLock lock(&mutex_);
  records_[added] = std::move(record);
  return added;
}

void CallbackTable::Drop(CallbackRecord* record) {
  const MutexLock lock(&mutex_);
  records_.erase(record);
}

template <>
cl::ContextCallback Trampoline<cl::ContextCallback>(const CallbackRecord* record) {
  return record == nullptr ? nullptr : &OnContext;
}

template <>
cl::ContextDestructorCallback Trampoline<cl::ContextDestructorCallback>(const CallbackRecord* record) {
  return record == nullptr ? nullptr : &OnObject<cl_context>;
}

template <>
cl::MemDestructorCallback Trampoline<cl::MemDestructorCallback>(const CallbackRecord* record) {
  return record == nullptr ? nullptr : &OnObject<cl_mem>;
}

template <>
cl::ProgramCallback Trampoline<cl::ProgramCallback>(const CallbackRecord* record) {
  return record == nullptr ? nullptr : &OnObject<cl_program>;
}

template <>
cl::EventCallback Trampoline<cl::EventCallback>(const CallbackRecord* record) {
  return record == nullptr ? nullptr : &OnEvent;
}

}  // namespace xpool::wire_cl
