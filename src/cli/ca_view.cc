#include "cli/ca_view.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "base/status.h"
#include "cli/format.h"
#include "cli/table.h"
#include "pki/identity.h"

namespace xpool::cli {
namespace {

std::vector<pki::IssuedIdentity> Chosen(const pki::Authority& authority, ListChoice choice, int64_t now_unix_s) {
  switch (choice) {
    case ListChoice::kAccepted:
      return authority.index().Accepted(now_unix_s);
    case ListChoice::kAll:
      return authority.index().issued();
    case ListChoice::kToIssueAnew:
      return authority.ToIssueAnew(now_unix_s);
  }
  return {};
}

std::string StateOf(const pki::Authority& authority, const pki::IssuedIdentity& identity, int64_t now_unix_s) {
  return pki::StandingName(authority.index().StandingOf(identity, now_unix_s));
}

void PrintIssuedJson(Context& context, const pki::Authority& authority,
                     const std::vector<pki::IssuedIdentity>& identities) {
  Json authorities = Json::array(), list = Json::array();
  for (const pki::Generation& generation : authority.index().generations()) authorities.push_back(ToJson(generation));
  for (const pki::IssuedIdentity& identity : identities) {
    Json json = ToJson(std::vector{identity})[0];
    json["state"] = StateOf(authority, identity, context.UnixSeconds());
    list.push_back(std::move(json));
  }
  context.out << Print({{"authorities", std::move(authorities)}, {"identities", std::move(list)}});
}

void PrintIssuedTable(Context& context, const pki::Authority& authority,
                      const std::vector<pki::IssuedIdentity>& identities) {
  const bool wide = context.format == Format::kWide;
  std::vector<Table::Column> columns = {{"NAME"}, {"ROLE"}, {"STATE"}, {"EXPIRES"}, {"SERIAL"}};
  if (wide) columns.insert(columns.end(), {{"AUTHORITY"}, {"ISSUED"}, {"ADDRESSES"}, {"FINGERPRINT"}});
  Table table(columns);
  for (const pki::IssuedIdentity& identity : identities) {
    const pki::CertificateFacts& facts = identity.certificate;
    std::vector<std::string> cells = {facts.name, pki::RoleName(facts.role),
                                      StateOf(authority, identity, context.UnixSeconds()),
                                      pki::FormatUtc(facts.not_after_unix_s), facts.serial};
    if (wide) {
      cells.insert(cells.end(), {absl::StrCat(identity.generation), pki::FormatUtc(identity.issued_unix_s),
                                 absl::StrJoin(facts.addresses, ","), facts.fingerprint});
    }
    table.Add(std::move(cells));
  }
  context.out << table.ToString();
}

// What somebody who looks at the list should do.
void PrintDuties(Context& context, const pki::Authority& authority) {
  const int64_t now_unix_s = context.UnixSeconds();
  if (authority.index().previous() == nullptr) return;
  const size_t left = authority.ToIssueAnew(now_unix_s).size();
  if (left == 0) {
    context.err << "The rotation can be finished: xpool ca retire\n";
  } else {
    context.err << "A rotation is under way: " << left << " still to be issued anew ('xpool ca list --old').\n";
  }
}

void PrintLine(Context& context, const std::string& title, const std::string& text) {
  context.out << title << std::string(13 - title.size(), ' ') << Printable(text) << "\n";
}

std::string SpanText(const pki::CertificateFacts& facts) {
  return absl::StrCat(pki::FormatUtc(facts.not_before_unix_s), " to ", pki::FormatUtc(facts.not_after_unix_s));
}

void PrintIdentity(Context& context, const pki::Identity& identity, const absl::Status& state) {
  PrintLine(context, pki::RoleName(identity.own.role), identity.own.name);
  if (!identity.own.addresses.empty()) PrintLine(context, "addresses", absl::StrJoin(identity.own.addresses, ", "));
  PrintLine(context, "signed by", identity.own.issuer);
  PrintLine(context, "valid", SpanText(identity.own));
  PrintLine(context, "serial", identity.own.serial);
  PrintLine(context, "fingerprint", identity.own.fingerprint);
  for (const pki::CertificateFacts& authority : identity.authorities)
    PrintLine(context, "believes", absl::StrCat(authority.name, ", ", SpanText(authority)));
  for (const pki::RevocationFacts& list : identity.revocations) {
    PrintLine(context, "revoked",
              absl::StrCat(list.revoked_count, " of ", list.issuer, ", as of ",
                           pki::FormatUtc(list.made_unix_s + pki::kBackdateSeconds)));
  }
  if (identity.revocations.empty()) PrintLine(context, "revoked", "not looked up: it has no revocation lists");
  PrintLine(context, "state", state.ok() ? "usable" : std::string(state.message()));
}

void PrintIdentityJson(Context& context, const pki::Identity& identity, const absl::Status& state) {
  Json json = ToJson(identity.own);
  Json authorities = Json::array(), lists = Json::array();
  for (const pki::CertificateFacts& authority : identity.authorities) authorities.push_back(ToJson(authority));
  for (const pki::RevocationFacts& list : identity.revocations) {
    lists.push_back({{"issuer", list.issuer},
                     {"number", list.number},
                     {"made_unix_s", list.made_unix_s},
                     {"ends_unix_s", list.ends_unix_s},
                     {"revoked_count", list.revoked_count}});
  }
  json["authorities"] = std::move(authorities);
  json["revocation_lists"] = std::move(lists);
  json["usable"] = state.ok();
  json["problem"] = std::string(state.message());
  context.out << Print(json);
}

}  // namespace

Json ToJson(const pki::CertificateFacts& certificate) {
  return {{"name", certificate.name},
          {"role", pki::RoleName(certificate.role)},
          {"addresses", certificate.addresses},
          {"issuer", certificate.issuer},
          {"serial", certificate.serial},
          {"fingerprint", certificate.fingerprint},
          {"not_before_unix_s", certificate.not_before_unix_s},
          {"not_after_unix_s", certificate.not_after_unix_s}};
}

Json ToJson(const pki::Generation& generation) {
  return {{"name", generation.certificate.name},
          {"generation", generation.number},
          {"fingerprint", generation.certificate.fingerprint},
          {"not_before_unix_s", generation.certificate.not_before_unix_s},
          {"not_after_unix_s", generation.certificate.not_after_unix_s},
          {"retired_unix_s", generation.retired_unix_s}};
}

Json ToJson(const std::vector<pki::IssuedIdentity>& identities) {
  Json list = Json::array();
  for (const pki::IssuedIdentity& identity : identities) {
    Json json = ToJson(identity.certificate);
    json.erase("issuer");
    json["generation"] = identity.generation;
    json["trusts"] = identity.trusts;
    json["issued_unix_s"] = identity.issued_unix_s;
    json["revoked_unix_s"] = identity.revoked_unix_s;
    list.push_back(std::move(json));
  }
  return list;
}

std::string IssueCommand(const pki::IssuedIdentity& identity) {
  const pki::CertificateFacts& facts = identity.certificate;
  const std::string addresses =
      facts.addresses.empty() ? "" : absl::StrCat(" --address ", absl::StrJoin(facts.addresses, " "));
  return absl::StrCat("xpool ca issue ", pki::RoleName(facts.role), " ", facts.name, addresses);
}

int ShowIssued(Context& context, const pki::Authority& authority, ListChoice choice) {
  const std::vector<pki::IssuedIdentity> identities = Chosen(authority, choice, context.UnixSeconds());
  switch (context.format) {
    case Format::kJson:
      PrintIssuedJson(context, authority, identities);
      break;
    case Format::kName:
      for (const pki::IssuedIdentity& identity : identities) context.out << identity.certificate.name << "\n";
      break;
    case Format::kTable:
    case Format::kWide:
      if (!identities.empty()) PrintIssuedTable(context, authority, identities);
      if (identities.empty() && choice != ListChoice::kToIssueAnew)
        context.err << "Nothing was issued. Begin with: xpool ca issue node NAME --address ADDRESS\n";
      PrintDuties(context, authority);
  }
  return kOk;
}

int ShowIdentity(Context& context, const std::string& path) {
  const absl::StatusOr<pki::Identity> identity = pki::ReadIdentity(path);
  if (absl::IsNotFound(identity.status()) && path == context.user.identity())
    return Fail(context,
                pki::LoadIdentity(path, pki::Role::kUser, context.UnixSeconds()).status());  // says how to get one
  if (!identity.ok()) return Fail(context, identity.status());
  const absl::Status state = pki::CheckIdentity(*identity, std::nullopt, context.UnixSeconds());
  if (context.format == Format::kJson) {
    PrintIdentityJson(context, *identity, state);
  } else {
    PrintIdentity(context, *identity, state);
  }
  return state.ok() ? kOk : kFailed;
}

}  // namespace xpool::cli
