// Files: what Landlock keeps from a worker, mostly where permissions would not.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>

#include "attempts.h"
#include "base/fd.h"

namespace xpool::sandbox {
namespace {

constexpr int kPoclsLandlock = 2;

int Open(const std::string& path, int flags) {
  const UniqueFd file(open(path.c_str(), flags | O_CLOEXEC, 0666));
  return Result(file.get());
}

Action Opens(const char* path, int flags) {
  return [=](const Scene&) { return Open(path, flags); };
}

Action ReadsOfAgent(const char* file) {
  return [file](const Scene&) { return Open("/proc/" + std::to_string(agent_process) + "/" + file, O_RDONLY); };
}

// A program that permissions would let the worker execute: a copy of its own making.
int ExecuteOwnFile(const Scene& scene) {
  const std::string copy = scene.own.cache() + "/program";
  const UniqueFd from(open("/usr/bin/ld", O_RDONLY | O_CLOEXEC));
  UniqueFd to(open(copy.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700));
  if (!from.valid() || !to.valid()) return 0;
  char part[65536];
  for (ssize_t got = 0; (got = read(from.get(), part, sizeof(part))) > 0;) {
    if (write(to.get(), part, static_cast<size_t>(got)) != got) return 0;
  }
  to.Reset();
  char* const arguments[] = {const_cast<char*>("program"), const_cast<char*>("--version"), nullptr};
  return Result(execv(copy.c_str(), arguments));
}

Action Executes(const char* program) {
  return [program](const Scene&) {
    char* const arguments[] = {const_cast<char*>(program), const_cast<char*>("-c"), const_cast<char*>("exit 0"),
                               nullptr};
    return Result(execv(program, arguments));
  };
}

// The loader may be executed, as the linker needs it; it cannot read what it is to load.
int ExecuteThroughLoader(const Scene&) {
  const pid_t child = fork();
  if (child < 0) return errno;
  if (child == 0) {
    const UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    dup2(nowhere.get(), STDERR_FILENO);
    char* const arguments[] = {const_cast<char*>("ld.so"), const_cast<char*>("/bin/true"), nullptr};
    execv("/lib64/ld-linux-x86-64.so.2", arguments);
    _exit(0);
  }
  constexpr int kCannotLoad = 127;
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == kCannotLoad ? EACCES : 0;
}

}  // namespace

std::vector<Attempt> FileAttempts() {
  std::vector<Attempt> attempts = {
      {"ReadsShadow", EACCES, Opens("/etc/shadow", O_RDONLY)},
      {"ReadsPasswd", EACCES, Opens("/etc/passwd", O_RDONLY)},
      {"ListsRoot", EACCES, Opens("/", O_RDONLY | O_DIRECTORY)},
      {"ListsAnotherTenant", EACCES, [](const Scene& s) { return Open(s.other.path, O_RDONLY | O_DIRECTORY); }},
      {"ReadsFileOfAnotherTenant", EACCES, [](const Scene& s) { return Open(s.other_file, O_RDONLY); }},
      {"WritesToAnotherTenant", EACCES,
       [](const Scene& s) { return Open(s.other.cache() + "/x", O_WRONLY | O_CREAT); }},
      {"ReadsPublicFile", EACCES, [](const Scene& s) { return Open(s.public_file, O_RDONLY); }},
      {"WritesPublicFile", EACCES, [](const Scene& s) { return Open(s.public_file, O_WRONLY); }},
      {"TruncatesPublicFile", EPERM, [](const Scene& s) { return Result(truncate(s.public_file.c_str(), 0)); }},
      {"EmptiesPublicFile", EACCES, [](const Scene& s) { return Open(s.public_file, O_RDONLY | O_TRUNC); }},
      {"CreatesInPublicDirectory", EACCES,
       [](const Scene& s) { return Open(s.public_directory + "/x", O_WRONLY | O_CREAT); }},
      {"MakesPublicDirectory", EACCES,
       [](const Scene& s) { return Result(mkdir((s.public_directory + "/d").c_str(), 0700)); }},
      {"ChangesModeOfAgentsFile", EPERM, [](const Scene& s) { return Result(chmod(s.public_file.c_str(), 0644)); }},
      {"ChangesTimeOfAgentsFile", EPERM,
       [](const Scene& s) { return Result(utimensat(AT_FDCWD, s.public_file.c_str(), nullptr, 0)); }},
      {"RemovesPublicFile", EACCES, [](const Scene& s) { return Result(unlink(s.public_file.c_str())); }},
      {"MovesFileOut", EACCES,
       [](const Scene& s) {
         const std::string own = s.own.cache() + "/movable";
         if (Open(own, O_WRONLY | O_CREAT) != 0) return 0;
         return Result(rename(own.c_str(), (s.public_directory + "/moved").c_str()));
       }},
      {"MovesFileIn", EACCES,
       [](const Scene& s) { return Result(rename(s.public_file.c_str(), (s.own.cache() + "/in").c_str())); }},
      {"WritesLibraries", EACCES, Opens("/usr/lib/os-release", O_WRONLY)},
      {"ReadsAgentMemory", EACCES, ReadsOfAgent("mem")},
      {"ReadsAgentEnvironment", EACCES, ReadsOfAgent("environ")},
      {"ReadsAgentStatus", EACCES, ReadsOfAgent("status")},
      {"OpensOwnMemory", EACCES, Opens("/proc/self/mem", O_RDWR)},
      {"ReadsNetworkOfMachine", EACCES, Opens("/proc/self/net/unix", O_RDONLY)},
      {"WritesKernelSettings", EACCES, Opens("/proc/sys/kernel/core_pattern", O_WRONLY)},
      {"OpensTerminal", EACCES, Opens("/dev/tty", O_RDWR)},
      {"OpensKernelMessages", EACCES, Opens("/dev/kmsg", O_RDONLY)},
      {"MakesLink", EPERM,
       [](const Scene& s) { return Result(link(s.public_file.c_str(), (s.own.cache() + "/l").c_str())); }},
      {"MakesSymbolicLink", EPERM,
       [](const Scene& s) { return Result(symlink("/etc", (s.own.cache() + "/etc").c_str())); }},
      {"MakesDevice", EPERM,
       [](const Scene& s) { return Result(mknod((s.own.cache() + "/null").c_str(), S_IFCHR | 0600, 0x103)); }},
      {"MakesNamedPipe", EPERM, [](const Scene& s) { return Result(mkfifo((s.own.cache() + "/pipe").c_str(), 0600)); }},
      {"GivesFileAway", EPERM, [](const Scene& s) { return Result(chown(s.own.cache().c_str(), 0, 0)); }},
      {"SetsExtendedAttribute", EPERM,
       [](const Scene& s) { return Result(setxattr(s.own.cache().c_str(), "user.x", "y", 1, 0)); }},
      {"ExecutesShell", EACCES, Executes("/bin/sh")},
      {"ExecutesOtherProgram", EACCES, Executes("/usr/bin/env")},
      {"ExecutesLibrary", EACCES, Executes("/usr/lib/x86_64-linux-gnu/libc.so.6")},
      {"ExecutesOwnFile", EACCES, ExecuteOwnFile},
      {"ExecutesThroughLoader", EACCES, ExecuteThroughLoader},
  };
  for (Attempt& attempt : attempts) attempt.landlock = attempt.expected == EACCES ? kPoclsLandlock : 0;
  return attempts;
}

}  // namespace xpool::sandbox
