// `xpool ca init|issue|list|revoke|rotate|retire|show`: the laboratory's own certification authority.

#include <unistd.h>

#include "CLI/CLI.hpp"
#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "cli/ca_view.h"
#include "cli/context.h"
#include "cli/format.h"
#include "pki/authority.h"

namespace xpool::cli {
namespace {

struct CaOptions {
  std::string directory;
};
using CaOptionsPtr = std::shared_ptr<CaOptions>;

void AddCaDirectory(CLI::App& command, const CaOptionsPtr& options) {
  command.add_option("--ca-dir", options->directory, "The authority's folder. Default: ~/.config/xpool/ca.")
      ->type_name("DIR");
}

void AddDays(CLI::App& command, int& days, const std::string& otherwise) {
  command.add_option("--days", days, absl::StrCat("How long it is valid. Default: ", otherwise, "."))
      ->type_name("N")
      ->check(CLI::Range(1, pki::kMostDays));
}

std::string DirectoryOf(const Context& context, const CaOptions& options) {
  return options.directory.empty() ? context.user.authority() : options.directory;
}

// |work| prints and returns the exit status.
int WithAuthority(Context& context, const CaOptions& options, absl::FunctionRef<int(pki::Authority&)> work) {
  absl::StatusOr<pki::Authority> authority = pki::Authority::Open(DirectoryOf(context, options));
  return authority.ok() ? work(*authority) : Fail(context, authority.status());
}

int SayMade(Context& context, const pki::Authority& authority) {
  const pki::Generation& generation = authority.index().current();
  if (context.format == Format::kJson) {
    Json json = ToJson(generation);
    json["directory"] = authority.directory();
    context.out << Print(json);
    return kOk;
  }
  context.out << "authority " << generation.certificate.name << " made in " << authority.directory() << ", valid until "
              << pki::FormatUtc(generation.certificate.not_after_unix_s) << "\n";
  context.err << "Its keys stay there: keep a copy of the folder in a safe place. Next:\n"
                 "  xpool ca issue node NAME --address ADDRESS   for each machine that lends\n"
                 "  xpool ca issue user NAME                     for each person who borrows\n";
  return kOk;
}

int Init(Context& context, const CaOptions& options, const std::string& name, int days) {
  const absl::Status made = pki::Authority::Create(DirectoryOf(context, options), name, days, context.UnixSeconds());
  if (!made.ok()) return Fail(context, made);
  return WithAuthority(context, options, [&](pki::Authority& authority) { return SayMade(context, authority); });
}

void AddInit(Commands& commands, CLI::App& group, const CaOptionsPtr& options) {
  struct Values {
    std::string name = "lab";
    int days = pki::kAuthorityDays;
  };
  auto values = std::make_shared<Values>();
  CLI::App& init =
      commands.Add(group, "init", "make an authority",
                   {.synopsis = "xpool ca init [--name LAB] [--days N] [--ca-dir DIR] [--json]",
                    .description = "Makes a folder (mode 0700) with a key that signs the identities of your machines\n"
                                   "and people. Do it once, on a machine that you trust; nothing there needs to run\n"
                                   "or be reachable. An authority that is there is never overwritten.",
                    .examples = "xpool ca init --name physics\nxpool ca init --ca-dir /mnt/stick/ca",
                    .exit_status = kStatusWithoutAgent,
                    .see_also = "xpool help ca issue, docs/security.md"});
  init.add_option("--name", values->name, "The laboratory's name, which stands in every identity. Default: lab.")
      ->type_name("LAB");
  AddDays(init, values->days, "3650, ten years");
  AddCaDirectory(init, options);
  commands.AddJson(init);
  commands.OnCall(init, [&context = commands.context, options, values] {
    return Init(context, *options, values->name, values->days);
  });
}

struct IssueOptions {
  pki::IssueRequest request;
  std::string file;
  bool force = false;
};

void SayWhereItGoes(Context& context, const pki::Issued& issued) {
  if (issued.shortened) context.err << "It ends with the authority, earlier than asked for: see 'xpool ca rotate'.\n";
  if (issued.certificate.role == pki::Role::kNode) {
    context.err << "It is for the node's agent alone (mode 0600): $XPOOL_DIR/pki/node.pem there, or "
                << AgentPaths{"/run/xpool"}.identity() << " for the machine's agent.\n";
  } else {
    context.err << "It is for " << issued.certificate.name
                << " alone (mode 0600), who keeps it as ~/.config/xpool/identity.pem.\n";
  }
}

int SayIssued(Context& context, const pki::Issued& issued, const std::string& file) {
  if (context.format == Format::kJson) {
    Json json = ToJson(issued.certificate);
    json["file"] = file;
    context.out << Print(json);
    return kOk;
  }
  context.out << pki::RoleName(issued.certificate.role) << " " << issued.certificate.name << " issued, valid until "
              << pki::FormatUtc(issued.certificate.not_after_unix_s) << ": " << file << "\n";
  SayWhereItGoes(context, issued);
  return kOk;
}

int Issue(Context& context, pki::Authority& authority, const IssueOptions& options) {
  const std::string file = options.file.empty() ? options.request.name + ".pem" : options.file;
  // Before anything is issued that would then have no place.
  if (!options.force && access(file.c_str(), F_OK) == 0) {
    return Fail(context, absl::AlreadyExistsError(absl::StrCat(
                             file, " exists already: name another file with -o, or replace it with --force")));
  }
  const absl::StatusOr<pki::Issued> issued = authority.Issue(options.request, context.UnixSeconds());
  if (!issued.ok()) return Fail(context, issued.status());
  const absl::Status written =
      WriteFileDurably(file, issued->text, 0600, options.force ? IfExists::kReplace : IfExists::kRefuse);
  return written.ok() ? SayIssued(context, *issued, file) : Fail(context, written);
}

CLI::App& AddIssueCommand(Commands& commands, CLI::App& group, const CaOptionsPtr& options, pki::Role role,
                          HelpText help) {
  auto values = std::make_shared<IssueOptions>();
  values->request.role = role;
  const std::string what = pki::RoleName(role);
  help.exit_status = kStatusWithoutAgent;
  CLI::App& issue = commands.Add(group, what, absl::StrCat("issue the identity of a ", what), std::move(help));
  issue.add_option("NAME", values->request.name, absl::StrCat("The ", what, "'s name."))->required();
  if (role == pki::Role::kNode) {
    issue
        .add_option("--address", values->request.addresses,
                    "IP addresses and DNS names by which clients reach it; no others are taken for it.")
        ->type_name("ADDRESS...")
        ->delimiter(',');
  }
  AddDays(issue, values->request.days, role == pki::Role::kNode ? "90" : "30");
  issue.add_option("-o,--output", values->file, "The file to write. Default: NAME.pem.")->type_name("FILE");
  issue.add_flag("-f,--force", values->force, "Replace the file if there is one.");
  AddCaDirectory(issue, options);
  commands.AddJson(issue);
  commands.OnCall(issue, [&context = commands.context, options, values] {
    return WithAuthority(context, *options,
                         [&](pki::Authority& authority) { return Issue(context, authority, *values); });
  });
  return issue;
}

void AddIssue(Commands& commands, CLI::App& ca, const CaOptionsPtr& options) {
  CLI::App& group =
      commands.Add(ca, "issue", "issue the identity of a node or a user",
                   {.synopsis = "xpool ca issue node NAME --address ADDRESS... [OPTIONS]\n"
                                "xpool ca issue user NAME [OPTIONS]",
                    .description = "An identity is one file with a private key, its certificate, and the authorities\n"
                                   "and revocation lists to go by. It expires; issue it anew before, at any time,\n"
                                   "with the same command. The one before stays valid until its own end, unless it\n"
                                   "is revoked."});
  group.require_subcommand(1);
  AddIssueCommand(commands, group, options, pki::Role::kNode,
                  {.synopsis = "xpool ca issue node NAME --address ADDRESS... [--days N] [-o FILE] [--force]\n"
                               "                    [--ca-dir DIR] [--json]",
                   .description = "Issues the identity of a machine that lends slices. It may borrow as well.",
                   .examples = "xpool ca issue node gpu1 --address 10.0.0.2 gpu1.lab.example\n"
                               "xpool ca issue node gpu1 --address 10.0.0.2 --force\n"
                               "    Before the old one expires.",
                   .see_also = "xpool help ca show"});
  AddIssueCommand(commands, group, options, pki::Role::kUser,
                  {.synopsis = "xpool ca issue user NAME [--days N] [-o FILE] [--force] [--ca-dir DIR] [--json]",
                   .description = "Issues the identity of a person, or a machine without XPUs, that borrows slices.\n"
                                  "Nobody takes it for a node.",
                   .examples = "xpool ca issue user ada\nxpool ca issue user ci --days 7 -o ci.pem",
                   .see_also = "xpool help ca show"});
}

int Revoke(Context& context, pki::Authority& authority, const std::string& name) {
  const absl::StatusOr<std::vector<pki::IssuedIdentity>> revoked = authority.Revoke(name, context.UnixSeconds());
  if (!revoked.ok()) return Fail(context, revoked.status());
  if (context.format == Format::kJson) {
    context.out << Print({{"revoked", ToJson(*revoked)}, {"revocation_list", authority.revocations_path()}});
    return kOk;
  }
  for (const pki::IssuedIdentity& identity : *revoked) {
    context.out << pki::RoleName(identity.certificate.role) << " " << identity.certificate.name
                << " revoked: " << identity.certificate.serial << "\n";
  }
  if (revoked->empty()) context.out << name << " was revoked before\n";
  context.err << "Nodes learn it from a file: copy " << authority.revocations_path()
              << "\nto each, beside its node.pem, as crl.pem.\n";
  return kOk;
}

void AddRevoke(Commands& commands, CLI::App& group, const CaOptionsPtr& options) {
  auto name = std::make_shared<std::string>();
  CLI::App& revoke =
      commands.Add(group, "revoke", "take identities back before they expire",
                   {.synopsis = "xpool ca revoke NAME|SERIAL [--ca-dir DIR] [--json]",
                    .description = "Takes back all identities of a name, or the one with a serial number, and writes\n"
                                   "the authority's revocation list (crl.pem in its folder, an X.509 CRL). Nodes\n"
                                   "refuse what is on it once it lies beside their node.pem. To give the same name\n"
                                   "a new identity, revoke first and issue then.",
                    .examples = "xpool ca revoke ada\n"
                                "scp ~/.config/xpool/ca/crl.pem gpu1:/etc/xpool/pki/crl.pem",
                    .exit_status = kStatusWithoutAgent,
                    .see_also = "xpool help ca list"});
  revoke.add_option("NAME|SERIAL", *name, "A name, or a serial number as 'xpool ca list' shows it.")->required();
  AddCaDirectory(revoke, options);
  commands.AddJson(revoke);
  commands.OnCall(revoke, [&context = commands.context, options, name] {
    return WithAuthority(context, *options,
                         [&](pki::Authority& authority) { return Revoke(context, authority, *name); });
  });
}

void PrintCommands(std::ostream& out, const std::vector<pki::IssuedIdentity>& identities) {
  for (const pki::IssuedIdentity& identity : identities) out << "  " << IssueCommand(identity) << "\n";
}

int Rotate(Context& context, pki::Authority& authority, int days) {
  const absl::Status rotated = authority.Rotate(days, context.UnixSeconds());
  if (!rotated.ok()) return Fail(context, rotated);
  const std::vector<pki::IssuedIdentity> old = authority.ToIssueAnew(context.UnixSeconds());
  const pki::Generation& generation = authority.index().current();
  if (context.format == Format::kJson) {
    Json json = ToJson(generation);
    json["to_issue_anew"] = ToJson(old);
    context.out << Print(json);
    return kOk;
  }
  context.out << "authority " << generation.certificate.name << " has a new key (generation " << generation.number
              << "), valid until " << pki::FormatUtc(generation.certificate.not_after_unix_s) << "\n";
  if (!old.empty()) context.out << "These are to be issued anew; until then all goes on as before:\n";
  PrintCommands(context.out, old);
  context.err << "When all are in their places: xpool ca retire\n";
  return kOk;
}

int Retire(Context& context, pki::Authority& authority, bool force) {
  const absl::Status retired = authority.Retire(force, context.UnixSeconds());
  if (!retired.ok()) return Fail(context, retired);
  const std::vector<pki::IssuedIdentity> trusting = authority.TrustingRetired(context.UnixSeconds());
  if (context.format == Format::kJson) {
    context.out << Print({{"trusting_retired", ToJson(trusting)}, {"revocation_list", authority.revocations_path()}});
    return kOk;
  }
  context.out << "the authority from before the rotation is retired, its key is deleted\n";
  context.err << "Copy " << authority.revocations_path()
              << " beside every node.pem: it takes back all that the old key signed.\n";
  if (trusting.empty()) return kOk;
  context.err << "If the old key may have been stolen, issue these anew as well, as they still believe it:\n";
  PrintCommands(context.err, trusting);
  return kOk;
}

void AddRotation(Commands& commands, CLI::App& group, const CaOptionsPtr& options) {
  auto days = std::make_shared<int>(pki::kAuthorityDays);
  CLI::App& rotate = commands.Add(
      group, "rotate", "give the authority a new key while all goes on",
      {.synopsis = "xpool ca rotate [--days N] [--ca-dir DIR] [--json]",
       .description = "Makes a new key, with which identities are signed from now on. The old one is\n"
                      "still believed, and those who know only the old one believe the new one, since\n"
                      "the old one has signed it: nodes and users are issued anew one by one, in any\n"
                      "order, and know each other throughout. Then comes 'xpool ca retire'.",
       .examples = "xpool ca rotate\nxpool ca issue node gpu1 --address 10.0.0.2\nxpool ca list --old\nxpool ca retire",
       .exit_status = kStatusWithoutAgent,
       .see_also = "docs/security.md"});
  AddDays(rotate, *days, "3650, ten years");
  AddCaDirectory(rotate, options);
  commands.AddJson(rotate);
  commands.OnCall(rotate, [&context = commands.context, options, days] {
    return WithAuthority(context, *options,
                         [&](pki::Authority& authority) { return Rotate(context, authority, *days); });
  });

  auto force = std::make_shared<bool>(false);
  CLI::App& retire =
      commands.Add(group, "retire", "end a rotation: drop the old key",
                   {.synopsis = "xpool ca retire [--force] [--ca-dir DIR] [--json]",
                    .description = "Deletes the key from before the rotation and writes a last revocation list that\n"
                                   "takes back all that it signed. Refused while a node or user has nothing signed by\n"
                                   "the new key.",
                    .examples = "xpool ca retire",
                    .exit_status = kStatusWithoutAgent,
                    .see_also = "xpool help ca rotate"});
  retire.add_flag("-f,--force", *force, "Also when identities are then refused that were not issued anew.");
  AddCaDirectory(retire, options);
  commands.AddJson(retire);
  commands.OnCall(retire, [&context = commands.context, options, force] {
    return WithAuthority(context, *options,
                         [&](pki::Authority& authority) { return Retire(context, authority, *force); });
  });
}

void AddListAndShow(Commands& commands, CLI::App& group, const CaOptionsPtr& options) {
  auto which = std::make_shared<ListChoice>(ListChoice::kAccepted);
  CLI::App& list =
      commands.Add(group, "list", "list what was issued",
                   {.synopsis = "xpool ca list [--all|--old] [-o wide|json|name] [--ca-dir DIR]",
                    .description = "Lists the identities that are valid; 'replaced' are those of a name for which a\n"
                                   "later one was issued. With --all also those that are revoked, retired with their\n"
                                   "authority, or expired.",
                    .examples = "xpool ca list\nxpool ca ls --all -o wide\n"
                                "xpool ca ls --json | jq '.identities[] | select(.state == \"valid\") | .name'",
                    .exit_status = kStatusWithoutAgent,
                    .see_also = "xpool help ca show"});
  list.alias("ls");
  CLI::Option* all = list.add_flag_callback(
      "--all", [which] { *which = ListChoice::kAll; }, "All that was ever issued.");
  list.add_flag_callback(
          "--old", [which] { *which = ListChoice::kToIssueAnew; },
          "What is to be issued anew before 'xpool ca retire'.")
      ->excludes(all);
  commands.AddFormats(list);
  AddCaDirectory(list, options);
  commands.OnCall(list, [&context = commands.context, options, which] {
    return WithAuthority(context, *options,
                         [&](pki::Authority& authority) { return ShowIssued(context, authority, *which); });
  });

  auto file = std::make_shared<std::string>();
  CLI::App& show = commands.Add(
      group, "show", "show what an identity's file is, and whether it is of use",
      {.synopsis = "xpool ca show [FILE] [--json]",
       .description = "The file's parts, in this order: the own certificate first (and those between it\n"
                      "and the authority, while authorities are exchanged), the private key, then the\n"
                      "authorities' certificates, then their revocation lists. A file crl.pem beside it\n"
                      "counts too. Nothing secret is printed.",
       .examples = "xpool ca show\nxpool ca show /etc/xpool/pki/node.pem",
       .exit_status = "0  others would take it now\n1  it cannot be read, or others would refuse it\n2  wrong usage",
       .see_also = "docs/security.md"});
  show.add_option("FILE", *file, "Default: your own, $XPOOL_IDENTITY or ~/.config/xpool/identity.pem.");
  commands.AddJson(show);
  commands.OnCall(show, [&context = commands.context, file] {
    return ShowIdentity(context, file->empty() ? context.user.identity() : *file);
  });
}

}  // namespace

void AddCa(Commands& commands) {
  auto options = std::make_shared<CaOptions>();
  CLI::App& group =
      commands.Add(commands.root, "ca", "identities for nodes and users of remote slices",
                   {.synopsis = "xpool ca COMMAND [OPTIONS]",
                    .description = "Machines that lend slices over the network and people who borrow them show each\n"
                                   "other certificates (mutual TLS 1.3). A laboratory without an authority of its own\n"
                                   "makes one here; one that has can put its own certificates into the same files\n"
                                   "('xpool help ca show')."});
  group.require_subcommand(1);
  AddInit(commands, group, options);
  AddIssue(commands, group, options);
  AddListAndShow(commands, group, options);
  AddRevoke(commands, group, options);
  AddRotation(commands, group, options);
}

}  // namespace xpool::cli
