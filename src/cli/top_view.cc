#include "cli/top_view.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "cli/format.h"
#include "cli/slice_options.h"

namespace xpool::cli {
namespace {

double Grown(double before, double after) { return std::max(after - before, 0.0); }

}  // namespace

std::vector<TopRow> CompareReadings(const v1::ListSlicesResponse& before, const v1::ListSlicesResponse& after) {
  std::map<std::string, const v1::SliceUsage*> earlier;
  for (const v1::Slice& slice : before.slices()) earlier[slice.id()] = &slice.usage();
  const double interval_ns = static_cast<double>(std::max<int64_t>(after.at_ns() - before.at_ns(), 1));
  std::map<std::string, double> contended_on_xpu;
  std::vector<TopRow> rows;
  std::vector<double> contended;
  std::vector<v1::Slice> slices(after.slices().begin(), after.slices().end());
  std::stable_sort(slices.begin(), slices.end(), [](const v1::Slice& a, const v1::Slice& b) {
    return std::tie(a.xpu_id(), a.name()) < std::tie(b.xpu_id(), b.name());
  });
  for (const v1::Slice& slice : slices) {
    const auto found = earlier.find(slice.id());
    const v1::SliceUsage& then = found == earlier.end() ? v1::SliceUsage::default_instance() : *found->second;
    const v1::SliceUsage& now = slice.usage();
    const auto rate = [&](double a, double b) { return Grown(a, b) / (interval_ns / kNsPerSec); };
    contended.push_back(Grown(then.contended_ns(), now.contended_ns()));
    contended_on_xpu[slice.xpu_id()] += contended.back();
    rows.push_back({.slice = slice,
                    .held = Grown(then.held_ns(), now.held_ns()) / interval_ns,
                    .waited = Grown(then.waited_ns(), now.waited_ns()) / interval_ns,
                    .leases_per_s = rate(then.leases(), now.leases()),
                    .lease_waits_per_s = rate(then.lease_waits(), now.lease_waits()),
                    .commands_per_s = rate(then.commands(), now.commands())});
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const double all = contended_on_xpu[rows[i].slice.xpu_id()];
    rows[i].charged = all == 0 ? std::numeric_limits<double>::quiet_NaN() : contended[i] / all;
  }
  return rows;
}

std::vector<ClientRow> CompareClients(const v1::ListSessionsResponse& before, const v1::ListSessionsResponse& after,
                                      int64_t interval_ns) {
  std::map<uint64_t, const v1::RemoteClient*> earlier;
  for (const v1::Session& session : before.sessions()) earlier[session.id()] = &session.remote();
  const double seconds = static_cast<double>(std::max<int64_t>(interval_ns, 1)) / kNsPerSec;
  const auto rate = [seconds](uint64_t then, uint64_t now) {
    return Grown(static_cast<double>(then), static_cast<double>(now)) / seconds;
  };
  std::vector<ClientRow> rows;
  for (const v1::Session& session : after.sessions()) {
    if (!session.has_remote()) continue;
    const auto found = earlier.find(session.id());
    const v1::RemoteClient& then = found == earlier.end() ? v1::RemoteClient::default_instance() : *found->second;
    const v1::RemoteClient& now = session.remote();
    rows.push_back({.session = session,
                    .received_per_s = rate(then.received_bytes(), now.received_bytes()),
                    .sent_per_s = rate(then.sent_bytes(), now.sent_bytes()),
                    .calls_per_s = rate(then.calls(), now.calls())});
  }
  return rows;
}

std::string ClientTable(const std::vector<ClientRow>& rows) {
  using Align = Table::Align;
  if (rows.empty()) return "";
  Table table({{"CLIENT"},
               {"PROGRAM"},
               {"SLICE"},
               {"RTT", Align::kRight},
               {"IN/S", Align::kRight},
               {"OUT/S", Align::kRight},
               {"CALLS/S", Align::kRight},
               {"RECONNECTS", Align::kRight}});
  for (const ClientRow& row : rows) {
    const v1::RemoteClient& remote = row.session.remote();
    table.Add({remote.who(), row.session.program(), row.session.slice_name(), FormatRoundTrip(remote.round_trip_ns()),
               FormatBytes(static_cast<uint64_t>(row.received_per_s)),
               FormatBytes(static_cast<uint64_t>(row.sent_per_s)), FormatCount(row.calls_per_s),
               FormatReconnects(remote.connections())});
  }
  return "\n" + table.ToString();
}

std::string TopTable(const std::vector<TopRow>& rows) {
  using Align = Table::Align;
  Table table({{"SLICE"},
               {"XPU"},
               {"ASKED", Align::kRight},
               {"LIMIT", Align::kRight},
               {"GOT", Align::kRight},
               {"HELD", Align::kRight},
               {"WAITED", Align::kRight},
               {"MEMORY", Align::kRight},
               {"LEASES/S", Align::kRight},
               {"WAITS/S", Align::kRight},
               {"CMD/S", Align::kRight},
               {"PROCS", Align::kRight}});
  for (const TopRow& row : rows) {
    const v1::Slice& slice = row.slice;
    table.Add({slice.name(), slice.xpu_id(),
               slice.guarantee_bp() == 0 ? "" : Share::FromBasisPoints(slice.guarantee_bp()).ToString(),
               slice.limit_bp() == 0 ? "100%" : Share::FromBasisPoints(slice.limit_bp()).ToString(),
               FormatFraction(row.charged), FormatFraction(row.held), FormatFraction(row.waited),
               absl::StrCat(FormatBytes(slice.memory_used_bytes()), "/", FormatBytes(slice.memory_bytes())),
               FormatCount(row.leases_per_s), FormatCount(row.lease_waits_per_s), FormatCount(row.commands_per_s),
               absl::StrCat(slice.session_count())});
  }
  return table.ToString();
}

Json TopJson(const std::vector<TopRow>& rows, const std::vector<ClientRow>& clients, int64_t interval_ns) {
  Json slices = Json::array();
  for (const TopRow& row : rows) {
    slices.push_back({{"name", row.slice.name()},
                      {"id", row.slice.id()},
                      {"xpu_id", row.slice.xpu_id()},
                      {"guarantee_bp", row.slice.guarantee_bp()},
                      {"limit_bp", row.slice.limit_bp()},
                      {"charged_share", std::isnan(row.charged) ? Json(nullptr) : Json(row.charged)},
                      {"held_share", row.held},
                      {"waited_share", row.waited},
                      {"memory_used_bytes", row.slice.memory_used_bytes()},
                      {"memory_bytes", row.slice.memory_bytes()},
                      {"leases_per_s", row.leases_per_s},
                      {"lease_waits_per_s", row.lease_waits_per_s},
                      {"commands_per_s", row.commands_per_s},
                      {"session_count", row.slice.session_count()}});
  }
  Json remote = Json::array();
  for (const ClientRow& row : clients) {
    remote.push_back({{"client", row.session.remote().who()},
                      {"program", row.session.program()},
                      {"session_id", row.session.id()},
                      {"slice", row.session.slice_name()},
                      {"round_trip_ns", row.session.remote().round_trip_ns()},
                      {"received_bytes_per_s", row.received_per_s},
                      {"sent_bytes_per_s", row.sent_per_s},
                      {"calls_per_s", row.calls_per_s},
                      {"connections", row.session.remote().connections()}});
  }
  return {{"interval_ns", interval_ns}, {"slices", std::move(slices)}, {"clients", std::move(remote)}};
}

}  // namespace xpool::cli
