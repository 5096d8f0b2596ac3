// Control pages as memory: the agent creates one per session, the client maps the one it was sent. What a client maps
// is checked first (size, seals, magic, version), so that a truncated or foreign page is an error and never a SIGBUS.
#pragma once

#include <cstdint>
#include <utility>

#include "absl/status/statusor.h"
#include "base/fd.h"
#include "slice/control_page.h"

namespace xpool {

// A mapped control page; unmapped when this goes.
class PageMapping {
 public:
  PageMapping() = default;
  explicit PageMapping(ControlPage* page) : page_(page) {}
  PageMapping(PageMapping&& other) noexcept : page_(other.Release()) {}
  PageMapping& operator=(PageMapping&& other) noexcept;
  ~PageMapping();

  ControlPage* get() const { return page_; }
  ControlPage* operator->() const { return page_; }
  // Gives the mapping up: it stays for the rest of the process's life.
  [[nodiscard]] ControlPage* Release() { return std::exchange(page_, nullptr); }

 private:
  ControlPage* page_ = nullptr;
};

struct CreatedControlPage {
  UniqueFd fd;  // close-on-exec; to be sent with Welcome
  PageMapping page;
};

// The agent's side: a zeroed page with magic, version and |session_id| set, sealed against shrinking, growing and
// further sealing.
absl::StatusOr<CreatedControlPage> CreateControlPage(uint64_t session_id);

// The client's side. FAILED_PRECONDITION for another version (says which), INVALID_ARGUMENT for anything that is not a
// whole, sealed control page.
absl::StatusOr<PageMapping> MapControlPage(int fd);

}  // namespace xpool
