#include "slice/page_mapping.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>

#include "base/status.h"

namespace xpool {
namespace {

constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW;

absl::StatusOr<PageMapping> Map(int fd) {
  void* memory = mmap(nullptr, kControlPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return ErrnoStatus("mmap of the control page");
  return PageMapping(static_cast<ControlPage*>(memory));
}

absl::Status CheckFile(int fd) {
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus("fstat of the control page");
  if (info.st_size != static_cast<off_t>(kControlPageBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("the agent's control page has ", info.st_size, " bytes instead of ",
                                                   kControlPageBytes,
                                                   "; install the same xpool version for agent and clients"));
  }
  const int seals = fcntl(fd, F_GET_SEALS);
  if (seals < 0 || (seals & kSizeSeals) != kSizeSeals)
    return absl::InvalidArgumentError("the agent's control page is not sealed against shrinking and growing");
  return absl::OkStatus();
}

absl::Status CheckHeader(const ControlPage& page) {
  if (page.magic != kControlPageMagic)
    return absl::InvalidArgumentError("the agent sent no control page (wrong magic)");
  if (page.version == kControlPageVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("the agent's control page has version ", page.version,
                                                    ", this library speaks ", kControlPageVersion,
                                                    "; install the same xpool version for agent and clients"));
}

}  // namespace

PageMapping& PageMapping::operator=(PageMapping&& other) noexcept {
  std::swap(page_, other.page_);
  return *this;
}

PageMapping::~PageMapping() {
  if (page_ != nullptr) munmap(page_, kControlPageBytes);
}

absl::StatusOr<CreatedControlPage> CreateControlPage(uint64_t session_id) {
  CreatedControlPage created;
  created.fd.Reset(memfd_create("xpool-control-page", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!created.fd.valid()) return ErrnoStatus("memfd_create for a control page");
  if (ftruncate(created.fd.get(), kControlPageBytes) != 0) return ErrnoStatus("ftruncate of a control page");
  if (fcntl(created.fd.get(), F_ADD_SEALS, kSizeSeals | F_SEAL_SEAL) != 0)
    return ErrnoStatus("sealing of a control page");
  ASSIGN_OR_RETURN(created.page, Map(created.fd.get()));
  ControlPage* page = new (created.page.get()) ControlPage{};
  page->magic = kControlPageMagic;
  page->version = kControlPageVersion;
  page->session_id = session_id;
  return created;
}

absl::StatusOr<PageMapping> MapControlPage(int fd) {
  RETURN_IF_ERROR(CheckFile(fd));
  ASSIGN_OR_RETURN(PageMapping page, Map(fd));
  RETURN_IF_ERROR(CheckHeader(*page.get()));
  return page;
}

}  // namespace xpool
