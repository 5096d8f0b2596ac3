#include "transport/ucx_context.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/status.h"

namespace xpool::transport {
namespace {

constexpr char kSharedMemory[] = "sysv,cma";  // each kind takes 4 MiB, and posix does no more than sysv
constexpr char kAdapters[] = "rc,dc,ud";
constexpr size_t kMostTransportsBytes = 256;

std::string Transports(const UcxOptions& options) {
  if (!options.transports.empty()) return options.transports;
  return options.plain == PlainUcx::kThisMachine ? kSharedMemory : absl::StrCat(kAdapters, ",", kSharedMemory);
}

absl::Status CheckOptions(const UcxOptions& options) {
  const std::string& names = options.transports;
  const bool plain = std::all_of(names.begin(), names.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == ',';
  });
  if (!plain || names.size() > kMostTransportsBytes)
    return absl::InvalidArgumentError(absl::StrCat("\"", names, "\" is no list of UCX transports such as \"rc,sysv\""));
  const uint64_t window_bytes = options.window_bytes;
  if (std::has_single_bit(window_bytes) && window_bytes >= UcxOptions::kLeastWindowBytes &&
      window_bytes <= UcxOptions::kMostWindowBytes)
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a UCX window of ", window_bytes,
                                                 " bytes: it must be a power of two from ",
                                                 UcxOptions::kLeastWindowBytes, " to ", UcxOptions::kMostWindowBytes));
}

// UCX's own names. Peers are watched over the control channel, so UCX need not wake up often to look after them (never
// would change how it names endpoints to one that a late message can break); and pages are registered without the cache
// for which UCX would rewrite mmap and its like in the whole process.
std::vector<std::pair<std::string, std::string>> Configuration(const UcxOptions& options) {
  std::vector<std::pair<std::string, std::string>> values = {
      {"TLS", Transports(options)}, {"KEEPALIVE_INTERVAL", "3600s"}, {"MM_ERROR_HANDLING", "y"},  // of sysv and posix
      {"MM_FIFO_SIZE", "512"},      // a full one makes its sender spin; this holds a window and some chunks of puts
      {"REG_METHODS", "direct"},    // of the adapters
      {"WARN_INVALID_CONFIG", "n"}  // names a transport that is not here
  };
  if (options.plain == PlainUcx::kThisMachine) values.emplace_back("NET_DEVICES", "lo");
  return values;
}

class Config {
 public:
  explicit Config(const UcxLibrary& ucx) : ucx_(ucx) {}
  ~Config() {
    if (config_ != nullptr) ucx_.ucp_config_release(config_);
  }
  absl::Status Fill(const UcxOptions& options) {
    ucs_status_t status = ucx_.ucp_config_read(nullptr, nullptr, &config_);
    if (status != UCS_OK) return ucx_.Error(status, "cannot read UCX's configuration; is a UCX_* variable wrong?");
    for (const auto& [name, value] : Configuration(options)) {
      status = ucx_.ucp_config_modify(config_, name.c_str(), value.c_str());
      if (status != UCS_OK) return ucx_.Error(status, absl::StrCat("cannot set UCX's ", name, " to ", value));
    }
    return absl::OkStatus();
  }
  const ucp_config_t* get() const { return config_; }

 private:
  const UcxLibrary& ucx_;
  ucp_config_t* config_ = nullptr;
};

ucp_params_t Parameters(const UcxOptions& options) {
  ucp_params_t params{};
  params.field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_MT_WORKERS_SHARED;
  params.features = UCP_FEATURE_AM | UCP_FEATURE_WAKEUP;
  if (options.bulk) params.features |= UCP_FEATURE_RMA;
  params.mt_workers_shared = 1;
  return params;
}

struct Contexts {
  Mutex mutex;
  std::map<std::string, const UcxContext*> by_options ABSL_GUARDED_BY(mutex);
};

std::string KeyOf(const UcxOptions& options) {
  return absl::StrCat(Transports(options), " ", static_cast<int>(options.plain), " ", options.bulk);
}

}  // namespace

UcxContext::UcxContext(const UcxLibrary& ucx, ucp_context_h handle) : ucx_(ucx), handle_(handle), process_(getpid()) {}

bool UcxContext::IsOurs() const { return getpid() == process_; }

absl::StatusOr<const UcxContext*> UcxContext::Make(const UcxOptions& options) {
  ASSIGN_OR_RETURN(const UcxLibrary* const ucx, UcxLibrary::Get());
  Config config(*ucx);
  RETURN_IF_ERROR(config.Fill(options));
  const ucp_params_t params = Parameters(options);
  ucp_context_h handle = nullptr;
  const SignalsBlocked no_signals;
  const ucs_status_t status = ucx->ucp_init_version(UCP_API_MAJOR, UCP_API_MINOR, &params, config.get(), &handle);
  if (status == UCS_OK) return new UcxContext(*ucx, handle);
  return ucx->Error(status, absl::StrCat("this machine has none of the transports ", Transports(options),
                                         "; `ucx_info -d` lists what it has"));
}

absl::StatusOr<const UcxContext*> UcxContext::Get(const UcxOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  static Contexts* const contexts = new Contexts();
  MutexLock lock(&contexts->mutex);
  const UcxContext*& context = contexts->by_options[KeyOf(options)];
  if (context == nullptr) {
    absl::StatusOr<const UcxContext*> made = Make(options);
    if (!made.ok()) return made.status();
    context = *made;
  }
  if (context->IsOurs()) return context;
  return absl::FailedPreconditionError("UCX was used before this process was forked and cannot be used in the child");
}

}  // namespace xpool::transport
