// Any bytes as an authority's index: what is taken says the same when it is written and read again.
#include <cstddef>
#include <cstdint>

#include "check.h"
#include "input.h"
#include "pki/issue_index.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace xpool::pki;
  using namespace xpool::fuzz;
  const auto index = IssueIndex::Parse(TextOf(data, size));
  if (!index.ok()) return 0;
  for (const IssuedIdentity& identity : index->issued()) {
    (void)index->StandingOf(identity, 1'800'000'000);
    Check(index->Find(identity.certificate.serial) != nullptr);
  }
  const auto again = IssueIndex::Parse(index->text());
  Check(again.ok() && again->text() == index->text() && again->issued().size() == index->issued().size());
  return 0;
}
