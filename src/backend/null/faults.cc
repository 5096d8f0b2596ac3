#include "backend/null/faults.h"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace xpool::null_cl {
namespace {

struct Fault {
  std::string function;
  std::string action;  // "crash", "hang" or an error code
  uint64_t nth = 0;    // 0: every call
  std::atomic<uint64_t> calls{0};
};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts(1);
  for (const char c : text) {
    if (c == separator) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

std::deque<Fault>& ReadFaults() {
  auto& faults = *new std::deque<Fault>;
  const char* setting = std::getenv("XPOOL_NULL_FAULT");
  for (const std::string& item : Split(setting == nullptr ? "" : setting, ',')) {
    const std::vector<std::string> words = Split(item, ':');
    if (words.size() < 2) continue;
    Fault& fault = faults.emplace_back();
    fault.function = words[0];
    fault.action = words[1];
    if (words.size() > 2) fault.nth = std::strtoull(words[2].c_str(), nullptr, 10);
  }
  return faults;
}

std::deque<Fault>& Faults() {
  static std::deque<Fault>& faults = ReadFaults();
  return faults;
}

cl_int Act(const Fault& fault) {
  if (fault.action == "crash") {
    // As a real fault would: also where a thread has inherited a mask that blocks the signal.
    sigset_t fault;
    sigemptyset(&fault);
    sigaddset(&fault, SIGSEGV);
    pthread_sigmask(SIG_UNBLOCK, &fault, nullptr);
    std::signal(SIGSEGV, SIG_DFL);
    std::raise(SIGSEGV);
  }
  while (fault.action == "hang") pause();
  const long code = std::strtol(fault.action.c_str(), nullptr, 10);
  return code < 0 ? static_cast<cl_int>(code) : CL_OUT_OF_RESOURCES;
}

cl_int Enter(std::string_view function) {
  for (Fault& fault : Faults()) {
    if (fault.function != function) continue;
    const uint64_t call = fault.calls.fetch_add(1, std::memory_order_relaxed) + 1;
    if (fault.nth == 0 || fault.nth == call) return Act(fault);
  }
  return CL_SUCCESS;
}

}  // namespace

cl_int EnterCall(cl::CallId id) {
  if (Faults().empty()) return CL_SUCCESS;
  return Enter(cl::FindCall(static_cast<uint32_t>(id))->name);
}

cl_int EnterKernel() { return Faults().empty() ? CL_SUCCESS : Enter("kernel"); }

}  // namespace xpool::null_cl
