#include "base/thread_pins.h"

#include <sched.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/process.h"

namespace xpool {
namespace {

bool AsksForPins(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/environ"));
  for (std::string entry; std::getline(file, entry, '\0');) {
    if (entry == "POCL_AFFINITY=1") return true;
  }
  return false;
}

int FirstCpu(const cpu_set_t& cpus) {
  int cpu = 0;
  while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &cpus)) ++cpu;
  return cpu;
}

}  // namespace

void ThreadPins::Release(pid_t pid) {
  cpu_set_t all;
  if (sched_getaffinity(pid, sizeof(all), &all) != 0 || CPU_COUNT(&all) < 2 || !AsksForPins(pid)) return;
  ForEachThread(pid, [&](int, pid_t thread) {
    cpu_set_t own;
    if (sched_getaffinity(thread, sizeof(own), &own) != 0 || CPU_COUNT(&own) != 1) return;
    if (sched_setaffinity(thread, sizeof(all), &all) == 0) released_.push_back({thread, FirstCpu(own)});
  });
}

void ThreadPins::Restore(pid_t pid) {
  for (const Pin& pin : released_) {
    if (access(absl::StrCat("/proc/", pid, "/task/", pin.thread).c_str(), F_OK) != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(pin.cpu, &one);
    sched_setaffinity(pin.thread, sizeof(one), &one);
  }
  released_.clear();
}

}  // namespace xpool
