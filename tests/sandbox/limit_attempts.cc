// Limits: none can be raised, and what is past one is refused.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "attempts.h"
#include "base/fd.h"

namespace xpool::sandbox {
namespace {

Action SetsLimit(__rlimit_resource resource, rlim_t value) {
  return [=](const Scene&) {
    const rlimit limit = {value, value};
    return Result(setrlimit(resource, &limit));
  };
}

int WritePastLimit(const Scene& scene) {
  signal(SIGXFSZ, SIG_IGN);
  const UniqueFd file(open((scene.own.cache() + "/big").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  if (!file.valid()) return 0;
  return pwrite(file.get(), "x", 1, static_cast<off_t>(kTestFileBytes)) == 1 ? 0 : errno;
}

int OpenManyFiles(const Scene&) {
  std::vector<UniqueFd> files;
  for (uint64_t i = 0; i <= kTestOpenFiles; ++i) {
    files.emplace_back(open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!files.back().valid()) return errno;
  }
  return 0;
}

// Children wait for the pipe's end, which comes when this function does.
int ForkMany(const Scene&) {
  int ends[2];
  if (pipe(ends) != 0) return 0;
  const UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  int error = 0;
  std::vector<pid_t> children;
  while (error == 0 && children.size() <= kTestProcesses) {
    const pid_t child = fork();
    if (child == 0) {
      writer.Reset();
      char byte;
      (void)!read(reader.get(), &byte, 1);
      _exit(0);
    }
    if (child < 0) error = errno;
    if (child > 0) children.push_back(child);
  }
  writer.Reset();
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  return error;
}

}  // namespace

std::vector<Attempt> LimitAttempts() {
  return {
      {"RaisesOpenFiles", EPERM, SetsLimit(RLIMIT_NOFILE, 4096)},
      {"LowersOpenFiles", EPERM, SetsLimit(RLIMIT_NOFILE, 64)},
      {"RaisesProcesses", EPERM, SetsLimit(RLIMIT_NPROC, 4096)},
      {"RaisesCoreSize", EPERM, SetsLimit(RLIMIT_CORE, RLIM_INFINITY)},
      {"LimitsAgent", EPERM,
       [](const Scene&) {
         const rlimit limit = {1, 1};
         return Result(prlimit(agent_process, RLIMIT_NOFILE, &limit, nullptr));
       }},
      {"WritesBigFile", EFBIG, WritePastLimit},
      {"OpensManyFiles", EMFILE, OpenManyFiles},
      {"ForksMany", EAGAIN, ForkMany, 0, true},
  };
}

}  // namespace xpool::sandbox
