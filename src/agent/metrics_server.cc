#include "agent/metrics_server.h"

#include <httplib.h>
#include <poll.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "absl/strings/numbers.h"
#include "base/status.h"

namespace xpool::agent {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr double kPerSecond = 1e-9;

// Collects samples into families, one per name.
class Page {
 public:
  MetricFamily& Family(const char* name, const char* help, MetricType type) {
    families_.push_back({name, help, type, {}});
    return families_.back();
  }
  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

void AddSample(MetricFamily& family, std::vector<ClientMetric::Label> labels, double value) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (family.type == MetricType::Counter)
    metric.counter.value = value;
  else
    metric.gauge.value = value;
  family.metric.push_back(std::move(metric));
}

std::vector<ClientMetric::Label> SliceLabels(const SliceRecord& slice) {
  return {{"slice", slice.name}, {"slice_id", slice.id()}, {"xpu", slice.xpu_id}};
}

template <typename View>
struct Metric {
  const char* name;
  const char* help;
  MetricType type;
  double (*value)(const View&);
};

constexpr MetricType kGauge = MetricType::Gauge, kCounter = MetricType::Counter;

const Metric<SliceView> kSliceMetrics[] = {
    {"xpool_slice_guarantee_ratio", "Share of the XPU's time due when others want it too.", kGauge,
     [](const SliceView& v) { return v.slice.guarantee.fraction(); }},
    {"xpool_slice_limit_ratio", "Share of the XPU's time never exceeded.", kGauge,
     [](const SliceView& v) { return v.slice.limit.fraction(); }},
    {"xpool_slice_memory_limit_bytes", "Memory granted to the slice.", kGauge,
     [](const SliceView& v) { return static_cast<double>(v.slice.memory_bytes); }},
    {"xpool_slice_memory_used_bytes", "Memory allocated by the slice's processes.", kGauge,
     [](const SliceView& v) { return static_cast<double>(v.memory_used_bytes); }},
    {"xpool_slice_sessions", "Processes attached.", kGauge,
     [](const SliceView& v) { return static_cast<double>(v.sessions); }},
    {"xpool_slice_lease_seconds_total", "Time with a lease.", kCounter,
     [](const SliceView& v) { return static_cast<double>(v.usage.held_ns) * kPerSecond; }},
    {"xpool_slice_contended_lease_seconds_total", "Time with a lease while others waited; what shares are charged by.",
     kCounter, [](const SliceView& v) { return static_cast<double>(v.usage.contended_ns) * kPerSecond; }},
    {"xpool_slice_wait_seconds_total", "Time spent waiting for a lease.", kCounter,
     [](const SliceView& v) { return static_cast<double>(v.usage.waited_ns) * kPerSecond; }},
    {"xpool_slice_leases_total", "Leases given.", kCounter,
     [](const SliceView& v) { return static_cast<double>(v.usage.leases); }},
    {"xpool_slice_debt_seconds", "Overrun of leases not paid back yet.", kGauge,
     [](const SliceView& v) { return static_cast<double>(v.usage.debt_ns) * kPerSecond; }},
    {"xpool_slice_occupancy_ratio", "Fraction of the XPU that the slice fills while it runs.", kGauge,
     [](const SliceView& v) { return v.occupancy; }},
};

const Metric<RemoteView> kRemoteMetrics[] = {
    {"xpool_remote_received_bytes_total", "Bytes from a remote client.", kCounter,
     [](const RemoteView& v) { return static_cast<double>(v.received_bytes); }},
    {"xpool_remote_sent_bytes_total", "Bytes to a remote client.", kCounter,
     [](const RemoteView& v) { return static_cast<double>(v.sent_bytes); }},
    {"xpool_remote_calls_total", "Calls of a remote client.", kCounter,
     [](const RemoteView& v) { return static_cast<double>(v.calls); }},
    {"xpool_remote_connections_total", "Connections of a remote client: one more for each time it came back.", kCounter,
     [](const RemoteView& v) { return static_cast<double>(v.connections); }},
    {"xpool_remote_round_trip_seconds", "Round trip to a remote client, as last measured.", kGauge,
     [](const RemoteView& v) { return static_cast<double>(v.round_trip_ns) * kPerSecond; }},
};

void AddRemotes(Agent& agent, Page& page) {
  const std::vector<SessionView> sessions = agent.ListSessions();
  for (const Metric<RemoteView>& metric : kRemoteMetrics) {
    MetricFamily& family = page.Family(metric.name, metric.help, metric.type);
    for (const SessionView& view : sessions) {
      if (!view.remote.has_value()) continue;
      AddSample(family,
                {{"slice", view.slice_name},
                 {"xpu", view.xpu_id},
                 {"session", absl::StrCat(view.session.id)},
                 {"client", view.remote->client}},
                metric.value(*view.remote));
    }
  }
}

void AddXpus(Agent& agent, Page& page) {
  const std::vector<XpuView> views = agent.ListXpus();
  const auto add = [&](const char* name, const char* help, auto value) {
    MetricFamily& family = page.Family(name, help, kGauge);
    for (const XpuView& view : views) {
      AddSample(family, {{"xpu", view.xpu.id}, {"name", view.xpu.name}}, static_cast<double>(value(view)));
    }
  };
  add("xpool_xpu_memory_bytes", "Memory of the XPU.", [](const XpuView& v) { return v.xpu.memory_bytes; });
  add("xpool_xpu_memory_reserved_bytes", "Memory granted to slices.",
      [](const XpuView& v) { return v.sums.reserved_bytes; });
  add("xpool_xpu_guaranteed_ratio", "Sum of the slices' guarantees.",
      [](const XpuView& v) { return static_cast<double>(v.sums.guaranteed_bp) / Share::Full().basis_points(); });
  add("xpool_xpu_slices", "Slices on the XPU.", [](const XpuView& v) { return v.sums.slices; });
}

bool IsReady(Agent& agent) { return !agent.XpuIds().empty() && !agent.recovering(); }

bool IsLoopback(const std::string& host) { return host == "localhost" || host == "::1" || host.starts_with("127."); }

}  // namespace

std::string MetricsText(Agent& agent) {
  Page page;
  AddSample(page.Family("xpool_agent_start_time_seconds", "When the agent started, since 1970.", kGauge), {},
            static_cast<double>(agent.started_unix_s()));
  AddSample(page.Family("xpool_agent_ready_ratio", "1 when XPUs were found and recovery is over.", kGauge), {},
            IsReady(agent) ? 1 : 0);
  AddXpus(agent, page);
  const std::vector<SliceView> slices = agent.ListSlices();
  for (const Metric<SliceView>& metric : kSliceMetrics) {
    MetricFamily& family = page.Family(metric.name, metric.help, metric.type);
    for (const SliceView& view : slices) AddSample(family, SliceLabels(view.slice), metric.value(view));
  }
  AddRemotes(agent, page);
  return page.Text();
}

MetricsServer::MetricsServer() = default;

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(Agent* agent, const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  int port = -1;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 || port > 65535 ||
      !IsLoopback(host)) {
    return absl::InvalidArgumentError(absl::StrCat("metrics address \"", address,
                                                   "\" must be a loopback address and a port, such as 127.0.0.1:9745, "
                                                   "or \"off\""));
  }
  std::unique_ptr<MetricsServer> metrics(new MetricsServer);
  metrics->server_ = std::make_unique<httplib::Server>();
  httplib::Server& server = *metrics->server_;
  server.new_task_queue = [] { return new httplib::ThreadPool(2); };
  server.set_payload_max_length(0);
  server.set_read_timeout(2);
  server.set_keep_alive_max_count(1);
  // Two agents on one port would each get some of the scrapes: SO_REUSEPORT, httplib's default, is not wanted.
  server.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  });
  server.Get("/metrics", [agent](const httplib::Request&, httplib::Response& response) {
    response.set_content(MetricsText(*agent), "text/plain; version=0.0.4");
  });
  server.Get("/healthz",
             [](const httplib::Request&, httplib::Response& response) { response.set_content("ok\n", "text/plain"); });
  server.Get("/readyz", [agent](const httplib::Request&, httplib::Response& response) {
    response.status = IsReady(*agent) ? 200 : 503;
    response.set_content(IsReady(*agent) ? "ready\n" : "not ready: recovering, or no XPU was found\n", "text/plain");
  });
  const int bound = port == 0                                 ? server.bind_to_any_port(host.c_str())
                    : server.bind_to_port(host.c_str(), port) ? port
                                                              : -1;
  if (bound <= 0) {
    return absl::UnavailableError(absl::StrCat("cannot serve metrics on ", address,
                                               ": the port is taken or the address is not here; choose another with "
                                               "--metrics-address, or \"off\""));
  }
  metrics->address_ = absl::StrCat(address.substr(0, colon), ":", bound);
  metrics->thread_ = std::thread([raw = &server] { raw->listen_after_bind(); });
  while (!server.is_running()) poll(nullptr, 0, 1);  // stop() before that would be lost
  return metrics;
}

MetricsServer::~MetricsServer() {
  if (!thread_.joinable()) return;
  server_->stop();
  thread_.join();
}

}  // namespace xpool::agent
