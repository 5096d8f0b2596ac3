// UCX (https://openucx.org), found at run time: a table of the few functions that the ucx_* files call. Nothing links
// UCX and nothing needs it; UCX's header is needed for building. Included by the ucx_*.cc files alone.
//
// UCX is made for programs that own their process, and this one is a guest's. So it is loaded in a way that it neither
// rewrites the functions that map memory (while other threads run them), nor installs signal handlers, nor prints.
// Where the program has loaded UCX before us, its UCX is used as it is. What cannot be helped: a fatal error inside of
// UCX calls abort(); UCX heeds the UCX_* variables that the user has set; its descriptors are not closed on exec; and
// one thread of UCX's, with all signals blocked, runs while there is an endpoint that listens on a socket.
//
// Thread-safe. Never unloaded, as UCX cannot be.
#pragma once

#include <csignal>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ucp/api/ucp.h"

namespace xpool::transport {

#define XPOOL_UCP_FUNCTIONS(X)  \
  X(ucp_am_recv_data_nbx)       \
  X(ucp_am_send_nbx)            \
  X(ucp_cleanup)                \
  X(ucp_config_modify)          \
  X(ucp_config_read)            \
  X(ucp_config_release)         \
  X(ucp_ep_close_nbx)           \
  X(ucp_ep_create)              \
  X(ucp_ep_flush_nbx)           \
  X(ucp_ep_rkey_unpack)         \
  X(ucp_get_version)            \
  X(ucp_init_version)           \
  X(ucp_mem_map)                \
  X(ucp_mem_unmap)              \
  X(ucp_put_nbx)                \
  X(ucp_request_check_status)   \
  X(ucp_request_free)           \
  X(ucp_rkey_buffer_release)    \
  X(ucp_rkey_destroy)           \
  X(ucp_rkey_pack)              \
  X(ucp_worker_arm)             \
  X(ucp_worker_create)          \
  X(ucp_worker_destroy)         \
  X(ucp_worker_get_address)     \
  X(ucp_worker_get_efd)         \
  X(ucp_worker_progress)        \
  X(ucp_worker_release_address) \
  X(ucp_worker_set_am_recv_handler)

class UcxLibrary {
 public:
  // The machine's UCX, loaded by the first call. UNAVAILABLE when there is none or it is too old.
  static absl::StatusOr<const UcxLibrary*> Get();

  // The same from files of other names, for tests. Get() loads "libucs.so.0" and "libucp.so.0".
  static absl::StatusOr<std::unique_ptr<const UcxLibrary>> Load(const std::string& ucs_file,
                                                                const std::string& ucp_file);

  unsigned major() const { return major_; }
  unsigned minor() const { return minor_; }

  // |what| failed with |status|, as this project says it.
  absl::Status Error(ucs_status_t status, const std::string& what) const;

#define XPOOL_UCX_MEMBER(name) decltype(&::name) name = nullptr;
  XPOOL_UCP_FUNCTIONS(XPOOL_UCX_MEMBER)
  XPOOL_UCX_MEMBER(ucs_status_string)
#undef XPOOL_UCX_MEMBER

 private:
  UcxLibrary() = default;
  absl::Status FindFunctions(void* ucs, void* ucp);
  absl::Status CheckVersion();

  unsigned major_ = 0, minor_ = 0;
};

// While it lives no signal is delivered to this thread, and none to threads that are started meanwhile: around calls in
// which UCX may start its own.
class SignalsBlocked {
 public:
  SignalsBlocked();
  SignalsBlocked(const SignalsBlocked&) = delete;
  ~SignalsBlocked();

 private:
  sigset_t before_;
};

}  // namespace xpool::transport
