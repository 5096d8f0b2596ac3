#include "transport/ucx_library.h"

#include <dlfcn.h>
#include <unistd.h>

#include <vector>

#include "base/status.h"

namespace xpool::transport {
namespace {

absl::Status NoUcx(const std::string& why) {
  return absl::UnavailableError(absl::StrCat("UCX cannot be used: ", why, "; install it (Debian: libucx0, version ",
                                             UCP_API_MAJOR, ".", UCP_API_MINOR, " or later) or use TCP"));
}

std::string LoaderReason() {
  const char* reason = dlerror();
  return reason == nullptr ? "no reason given" : reason;
}

absl::StatusOr<void*> Open(const std::string& file) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return NoUcx(absl::StrCat("cannot load ", file, " (", LoaderReason(), ")"));
  return library;
}

// What UCX must know while it is loaded, which is when it rewrites mmap and its like and installs handlers, and has no
// other way to be told than the environment. setenv would pull the array from under threads that read it; so for that
// moment the process has another array, with the same variables and these behind them: what the user has set counts.
class QuietEnvironment {
 public:
  QuietEnvironment() : before_(environ) {
    for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
      variables_.push_back(*variable);
    for (const char* variable : kQuiet) variables_.push_back(const_cast<char*>(variable));
    variables_.push_back(nullptr);
    environ = variables_.data();
  }
  QuietEnvironment(const QuietEnvironment&) = delete;
  // A thread that has set a variable meanwhile has made a copy that stays.
  ~QuietEnvironment() {
    if (environ == variables_.data()) environ = before_;
  }

 private:
  static constexpr const char* kQuiet[] = {"UCX_MEM_EVENTS=n",  "UCX_MEM_MMAP_HOOK_MODE=none", "UCX_HANDLE_ERRORS=none",
                                           "UCX_DEBUG_SIGNO=0", "UCX_LOG_LEVEL=fatal",         "UCX_VFS_ENABLE=n"};

  char** const before_;
  std::vector<char*> variables_;
};

absl::StatusCode CodeOf(ucs_status_t status) {
  switch (status) {
    case UCS_ERR_NO_MEMORY:
    case UCS_ERR_NO_RESOURCE:
    case UCS_ERR_EXCEEDS_LIMIT:
      return absl::StatusCode::kResourceExhausted;
    case UCS_ERR_INVALID_PARAM:
    case UCS_ERR_INVALID_ADDR:
      return absl::StatusCode::kInvalidArgument;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

}  // namespace

absl::StatusOr<const UcxLibrary*> UcxLibrary::Get() {
  static const auto* const loaded =
      new absl::StatusOr<std::unique_ptr<const UcxLibrary>>(Load("libucs.so.0", "libucp.so.0"));
  if (!loaded->ok()) return loaded->status();
  return loaded->value().get();
}

absl::StatusOr<std::unique_ptr<const UcxLibrary>> UcxLibrary::Load(const std::string& ucs_file,
                                                                   const std::string& ucp_file) {
  const SignalsBlocked no_signals;
  const QuietEnvironment quiet;
  ASSIGN_OR_RETURN(void* const ucs, Open(ucs_file));
  ASSIGN_OR_RETURN(void* const ucp, Open(ucp_file));
  std::unique_ptr<UcxLibrary> library(new UcxLibrary());
  RETURN_IF_ERROR(library->FindFunctions(ucs, ucp));
  RETURN_IF_ERROR(library->CheckVersion());
  return library;
}

absl::Status UcxLibrary::FindFunctions(void* ucs, void* ucp) {
#define XPOOL_UCX_FIND(library, name)                             \
  name = reinterpret_cast<decltype(name)>(dlsym(library, #name)); \
  if (name == nullptr) return NoUcx("the installed one has no " #name);
#define XPOOL_UCP_FIND(name) XPOOL_UCX_FIND(ucp, name)
  XPOOL_UCP_FUNCTIONS(XPOOL_UCP_FIND)
  XPOOL_UCX_FIND(ucs, ucs_status_string)
#undef XPOOL_UCP_FIND
#undef XPOOL_UCX_FIND
  return absl::OkStatus();
}

// 1.x promises that what is built with one minor version runs with later ones.
absl::Status UcxLibrary::CheckVersion() {
  unsigned release = 0;
  ucp_get_version(&major_, &minor_, &release);
  if (major_ == UCP_API_MAJOR && minor_ >= UCP_API_MINOR) return absl::OkStatus();
  return NoUcx(absl::StrCat("the installed one is ", major_, ".", minor_));
}

absl::Status UcxLibrary::Error(ucs_status_t status, const std::string& what) const {
  return absl::Status(CodeOf(status), absl::StrCat(what, ": UCX says: ", ucs_status_string(status)));
}

SignalsBlocked::SignalsBlocked() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, &before_);
}

SignalsBlocked::~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

}  // namespace xpool::transport
