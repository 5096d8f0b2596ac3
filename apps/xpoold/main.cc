// xpoold, the agent: flags, logging, and RunAgent(). As `xpoold --probe LIBRARY` it is the short-lived child that loads
// one OpenCL driver and reports its devices.

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>

#include "daemon/daemon.h"
#include "device/discovery.h"
#include "device/probe.h"

namespace xpool {
namespace {

struct Flags {
  agent::Options options;
  std::string directory, log_level = "info", log_file;
  double quantum_ms = 5, hang_limit_s = 30, idle_exit_s = 0;
  bool foreground = true;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--dir", flags.directory,
                 "Directory of sockets and state (default: $XPOOL_DIR, /run/xpool for root, $XDG_RUNTIME_DIR/xpool)");
  app.add_option("--metrics-address", flags.options.metrics_address,
                 "Loopback address and port of /metrics, /healthz and /readyz, or \"off\"")
      ->capture_default_str();
  app.add_option("--quantum", flags.quantum_ms, "Length of a lease while others wait (such as 5ms)")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, double>{{"us", 0.001}, {"ms", 1}, {"s", 1000}}))
      ->check(CLI::Range(0.5, 1000.0))
      ->default_str("5ms");
  app.add_option("--hang-limit", flags.hang_limit_s,
                 "A process that keeps a lease for so long after its end, while others wait, is killed (such as 30s)")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, double>{{"ms", 0.001}, {"s", 1}, {"m", 60}}))
      ->check(CLI::Range(0.1, 86400.0))
      ->default_str("30s");
  app.add_option("--idle-exit", flags.idle_exit_s, "End after so long without slices and sessions (0: never)")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, double>{{"ms", 0.001}, {"s", 1}, {"m", 60}}))
      ->check(CLI::Range(0.0, 86400.0))
      ->default_str("0");
  app.add_option("--listen", flags.options.tls_addresses,
                 "Lend slices to other machines at this IP:PORT, under TLS (may be given again)");
  app.add_option("--listen-plain", flags.options.plain_addresses,
                 "The same without encryption and without knowing who comes: for loopback and closed networks");
  app.add_option("--peer", flags.options.peers,
                 "Let programs send data from here directly to the node at this HOST[:PORT] (may be given again)");
  app.add_option("--warm-workers", flags.options.warm_workers,
                 "How many workers wait with each driver loaded, so that a remote program starts at once")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_flag("!--no-sandbox", flags.options.confine_workers,
               "Serve programs of other machines without confining what serves them: only where all are trusted");
  app.add_option(
         "--first-tenant-user", flags.options.first_tenant_user,
         "Number of the first of 65536 users that are nobody else's: an agent that is root gives each tenant one")
      ->check(CLI::Range(1000U, UINT32_MAX - 65'536U))
      ->capture_default_str();
  app.add_option("--log-level", flags.log_level, "debug, info, warn, error or off")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}))
      ->capture_default_str();
  app.add_option("--log-file", flags.log_file, "Write the log there instead of to stderr");
  app.add_flag("--foreground,!--background", flags.foreground, "Stay in the foreground (the default), or leave it");
}

void SetUpLog(const Flags& flags) {
  const std::string path = !flags.log_file.empty() ? flags.log_file
                           : flags.foreground      ? std::string()
                                                   : flags.options.paths.log_file();
  if (!path.empty())
    spdlog::set_default_logger(spdlog::basic_logger_mt("xpoold", path));
  else
    spdlog::set_default_logger(spdlog::stderr_logger_mt("xpoold"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
  spdlog::set_level(spdlog::level::from_str(flags.log_level));
  spdlog::flush_on(spdlog::level::info);
}

// xpool-worker is installed beside, or where programs are that nobody calls. Empty when it is not there.
std::string FindWorkerProgram() {
  std::error_code error;
  const auto own = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& path : {own / "xpool-worker", own.parent_path() / "libexec/xpool/xpool-worker"}) {
    if (access(path.c_str(), X_OK) == 0) return path.string();
  }
  return "";
}

int Run(int argc, char** argv) {
  CLI::App app{"xpoold: the xpool agent. Lends this machine's XPUs in slices (vXPUs) to programs."};
  Flags flags;
  AddFlags(app, flags);
  CLI11_PARSE(app, argc, argv);
  flags.options.paths = flags.directory.empty() ? OwnAgentPaths() : AgentPaths{flags.directory};
  flags.options.metrics_required = app.count("--metrics-address") > 0;
  flags.options.quantum_ns = static_cast<int64_t>(flags.quantum_ms * kNsPerMs);
  flags.options.hang_limit_ns = static_cast<int64_t>(flags.hang_limit_s * kNsPerSec);
  flags.options.idle_exit_ns = static_cast<int64_t>(flags.idle_exit_s * kNsPerSec);
  flags.options.driver_libraries = InstalledDriverLibraries();
  flags.options.worker_program = FindWorkerProgram();
  if (!flags.foreground && daemon(/*nochdir=*/1, /*noclose=*/0) != 0) {
    perror("xpoold: cannot leave the foreground");
    return 1;
  }
  SetUpLog(flags);
  const absl::Status status = agent::RunAgent(flags.options);
  if (status.ok()) return 0;
  spdlog::error("{}", std::string(status.message()));
  if (!flags.log_file.empty()) fprintf(stderr, "xpoold: %s\n", std::string(status.message()).c_str());
  return absl::IsAlreadyExists(status) ? 3 : 1;
}

}  // namespace
}  // namespace xpool

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--probe") return xpool::ProbeMain(argv[2]);
  try {
    return xpool::Run(argc, argv);
  } catch (const std::exception& error) {  // from CLI11 or spdlog: a log file that cannot be opened, for one
    fprintf(stderr, "xpoold: %s\n", error.what());
    return 1;
  }
}
