// What `xpool ca` prints: identities and authorities as tables, JSON, and commands to type.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/json.h"
#include "pki/authority.h"

namespace xpool::cli {

Json ToJson(const pki::CertificateFacts& certificate);
Json ToJson(const pki::Generation& generation);
Json ToJson(const std::vector<pki::IssuedIdentity>& identities);

// The command that issues |identity| anew.
std::string IssueCommand(const pki::IssuedIdentity& identity);

enum class ListChoice { kAccepted, kAll, kToIssueAnew };

// Both return the exit status.
int ShowIssued(Context& context, const pki::Authority& authority, ListChoice choice);
// kFailed when it cannot be read, or others would not take it.
int ShowIdentity(Context& context, const std::string& path);

}  // namespace xpool::cli
