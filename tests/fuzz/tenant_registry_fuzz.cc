// Any bytes as the list of tenants. What is accepted gives no number and no user twice, is written as a text that reads
// the same, and takes a new tenant without giving it what another has.
#include <cstddef>
#include <cstdint>
#include <set>

#include "check.h"
#include "input.h"
#include "sandbox/tenant_registry.h"

namespace {

using namespace xpool::sandbox;
using namespace xpool::fuzz;

void CheckDistinct(const TenantRegistry& registry) {
  std::set<uint32_t> numbers;
  std::set<uid_t> users;
  for (const auto& [identity, record] : registry.tenants()) {
    Check(record.number != 0 && numbers.insert(record.number).second);
    Check(record.user == 0 || users.insert(record.user).second);
    Check(!identity.name.empty() && identity.name.size() <= kMaxTenantNameBytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr UserRange kUsers = {100, 50};
  TenantRegistry registry(kUsers);
  if (!registry.Parse(TextOf(data, size)).ok()) return 0;
  CheckDistinct(registry);
  const std::string text = registry.Serialize();
  TenantRegistry again(kUsers);
  Check(again.Parse(text).ok() && again.Serialize() == text && again.tenants().size() == registry.tenants().size());
  if (registry.FindOrAdd({TenantIdentity::Kind::kCertificate, "new"}).ok()) CheckDistinct(registry);
  return 0;
}
