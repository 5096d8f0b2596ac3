// Other processes, identity, scheduling: what is left of a worker's power over them.
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "attempts.h"

namespace xpool::sandbox {
namespace {

int ReadAgent(const Scene&) {
  char byte = 0;
  const iovec here = {&byte, 1}, there = {&byte, 1};
  return Result(process_vm_readv(agent_process, &here, 1, &there, 1, 0));
}

int SendQueued(const Scene&) {
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  return Raw(SYS_rt_sigqueueinfo, agent_process, SIGCONT, &info);
}

Action Clones(unsigned long flags) {
  return [flags](const Scene&) {
    const long child = syscall(SYS_clone, flags | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (child == 0) _exit(0);
    return Result(child);
  };
}

int Clone3(const Scene&) {
  uint64_t arguments[11] = {};  // struct clone_args: flags first, the exit signal fifth
  arguments[4] = SIGCHLD;
  const long child = syscall(SYS_clone3, arguments, sizeof(arguments));
  if (child == 0) _exit(0);
  return Result(child);
}

int RunRealTime(const Scene&) {
  sched_param parameters{};
  parameters.sched_priority = 1;
  return Result(sched_setscheduler(0, SCHED_FIFO, &parameters));
}

int PinAgent(const Scene&) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  return Result(sched_setaffinity(agent_process, sizeof(one), &one));
}

int TakeCapabilities(const Scene&) {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct all[2] = {{~0u, ~0u, ~0u}, {~0u, ~0u, ~0u}};
  return Raw(SYS_capset, &header, all);
}

}  // namespace

std::vector<Attempt> ProcessAttempts() {
  return {
      {"SignalsAgent", EPERM, [](const Scene&) { return Result(kill(agent_process, SIGCONT)); }},
      {"AsksWhetherAgentLives", EPERM, [](const Scene&) { return Result(kill(agent_process, 0)); }},
      {"SignalsEverybody", EPERM, [](const Scene&) { return Result(kill(-1, SIGCONT)); }},
      {"SignalsItsGroup", EPERM, [](const Scene&) { return Result(kill(0, SIGCONT)); }},
      {"SignalsThreadOfAgent", EPERM, [](const Scene&) { return Raw(SYS_tkill, agent_process, SIGCONT); }},
      {"QueuesSignalToAgent", EPERM, SendQueued},
      {"SignalsAgentByPidfd", EPERM,
       [](const Scene& s) { return Raw(SYS_pidfd_send_signal, s.agent_pidfd.get(), SIGCONT, nullptr, 0); }},
      {"OpensPidfdOfAgent", EPERM, [](const Scene&) { return Raw(SYS_pidfd_open, agent_process, 0); }},
      {"MakesAgentOwnerOfDescriptor", EPERM,
       [](const Scene& s) { return Result(fcntl(s.datagram_socket.get(), F_SETOWN, agent_process)); }},
      {"TracesAgent", kKilled, [](const Scene&) { return Result(ptrace(PTRACE_ATTACH, agent_process, 0, 0)); }},
      {"AsksToBeTraced", kKilled, [](const Scene&) { return Result(ptrace(PTRACE_TRACEME, 0, 0, 0)); }},
      {"ReadsMemoryOfAgent", kKilled, ReadAgent},
      {"TakesDescriptorOfAgent", kKilled,
       [](const Scene& s) { return Raw(SYS_pidfd_getfd, s.agent_pidfd.get(), 0, 0); }},
      {"BecomesRoot", kKilled, Calls(SYS_setuid, 0)},
      {"BecomesRootInOneThread", kKilled, Calls(SYS_setresuid, 0, 0, 0)},
      {"TakesGroupOfRoot", kKilled, Calls(SYS_setresgid, 0, 0, 0)},
      {"JoinsGroups", kKilled,
       [](const Scene&) {
         const gid_t root = 0;
         return Raw(SYS_setgroups, 1, &root);
       }},
      {"TakesFileAccessOfRoot", kKilled, Calls(SYS_setfsuid, 0)},
      {"TakesCapabilities", kKilled, TakeCapabilities},
      {"MakesItselfDumpable", EPERM, [](const Scene&) { return Result(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)); }},
      {"LetsAnyoneTraceIt", EPERM, [](const Scene&) { return Result(prctl(PR_SET_PTRACER, -1, 0, 0, 0)); }},
      {"NewUserNamespace", kKilled, [](const Scene&) { return Result(unshare(CLONE_NEWUSER)); }},
      {"NewMountNamespace", kKilled, [](const Scene&) { return Result(unshare(CLONE_NEWNS)); }},
      {"ChildInUserNamespace", kKilled, Clones(CLONE_NEWUSER)},
      {"ChildInNetworkNamespace", kKilled, Clones(CLONE_NEWNET | CLONE_NEWUSER)},
      {"ChildOfAgent", EPERM, Clones(CLONE_PARENT)},
      {"UsesClone3", ENOSYS, Clone3},
      {"RunsRealTime", EPERM, RunRealTime},
      {"RaisesPriority", EPERM, [](const Scene&) { return Result(setpriority(PRIO_PROCESS, 0, -5)); }},
      {"LowersPriorityOfAgent", EPERM,
       [](const Scene&) { return Result(setpriority(PRIO_PROCESS, static_cast<id_t>(agent_process), 19)); }},
      {"PinsAgent", EPERM, PinAgent},
      {"LeavesSession", EPERM, Calls(SYS_setsid)},
  };
}

}  // namespace xpool::sandbox
