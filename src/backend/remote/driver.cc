#include "backend/remote/driver.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backend/remote/callback_thread.h"
#include "backend/remote/cl_link.h"
#include "backend/remote/platform.h"
#include "backend/remote/slice_file.h"
#include "backend/remote/tls_dialer.h"
#include "base/status.h"
#include "wire_opencl/notices.h"

namespace xpool::remote {
namespace {

class LinkSlice final : public Slice {
 public:
  LinkSlice(ClLink* link, Device* device) : link_(link), device_(device) {}

  cl_device_id device() override { return To<cl_device_id>(device_); }
  uint64_t memory_limit_bytes() const override { return link_->memory_limit_bytes(); }
  bool lost() const override { return link_->lost(); }

  bool AskMemoryUsed(uint64_t* bytes) override {
    const absl::StatusOr<std::vector<std::byte>> answer = link_->AskNotice(wire_cl::Notice::kMemory, {});
    if (!answer.ok()) return false;
    const absl::StatusOr<wire_cl::MemoryState> state = wire_cl::Read<wire_cl::MemoryState>(*answer);
    if (!state.ok()) return false;
    link_->SetMemoryLimit(state->limit_bytes);
    *bytes = state->used_bytes;
    return true;
  }

 private:
  ClLink* const link_;
  Device* const device_;
};

class LinkDriver final : public Driver {
 public:
  explicit LinkDriver(RemotePlatform* platform) : platform_(platform) {
    for (Device* const device : platform->devices())
      slices_.push_back(std::make_unique<LinkSlice>(device->link, device));
  }

  const cl::DispatchTable& api() const override { return RemotePlatform::Api(); }
  cl_platform_id platform() override { return platform_->id(); }
  size_t slice_count() const override { return slices_.size(); }
  Slice* slice(size_t index) override { return slices_[index].get(); }
  void CallSoon(void (*function)(void*), void* data) override {
    RunCallback([function, data] { function(data); });
  }
  void Leave() override { platform_->Leave(); }

 private:
  RemotePlatform* const platform_;
  std::vector<std::unique_ptr<LinkSlice>> slices_;
};

// The program sees no more than an error code, so its user is told the rest.
void TellOfLoss(ClLink* link, const std::string& name, const absl::Status& why) {
  if (link->link().leaving()) return;
  std::fprintf(stderr, "xpool: the slice of %s was lost: %s\n", name.c_str(), std::string(why.message()).c_str());
}

absl::StatusOr<std::unique_ptr<ClLink>> OpenSlice(const SliceEntry& entry) {
  LinkOptions options;
  ASSIGN_OR_RETURN(options.dialer, MakeDialer(entry.address, entry.identity, entry.plain));
  const auto* const token = reinterpret_cast<const std::byte*>(entry.token.data());
  options.attach = {
      .token = {token, token + entry.token.size()}, .slice = entry.slice, .program = program_invocation_short_name};
  ASSIGN_OR_RETURN(std::unique_ptr<ClLink> link, ClLink::Open(std::move(options)));
  ClLink* const listened = link.get();  // as links are, for good
  link->SetLossListener([listened, name = entry.node.empty() ? entry.address : entry.node](const absl::Status& why) {
    TellOfLoss(listened, name, why);
  });
  return link;
}

// Their threads run, so they are left as they are, without a session.
void Abandon(std::vector<std::unique_ptr<ClLink>> links) {
  for (std::unique_ptr<ClLink>& link : links) link.release()->link().Leave();
}

absl::StatusOr<Driver*> Attach(const std::string& path) {
  ASSIGN_OR_RETURN(const std::vector<SliceEntry> entries, ReadSliceFile(path));
  std::vector<std::unique_ptr<ClLink>> links;
  for (const SliceEntry& entry : entries) {
    absl::StatusOr<std::unique_ptr<ClLink>> link = OpenSlice(entry);
    if (!link.ok()) {
      Abandon(std::move(links));
      return link.status();
    }
    links.push_back(*std::move(link));
  }
  ASSIGN_OR_RETURN(RemotePlatform* const platform, RemotePlatform::Create(std::move(links)));
  return new LinkDriver(platform);
}

}  // namespace
}  // namespace xpool::remote

extern "C" __attribute__((visibility("default"))) xpool::remote::Driver* xpool_remote_attach(const char* path,
                                                                                             char* error,
                                                                                             size_t error_bytes) {
  const absl::StatusOr<xpool::remote::Driver*> driver = xpool::remote::Attach(path);
  if (driver.ok()) return *driver;
  std::snprintf(error, error_bytes, "%s", std::string(driver.status().message()).c_str());
  return nullptr;
}
