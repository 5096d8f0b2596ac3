// xpool-worker, which xpoold starts: executes the OpenCL calls of one remote session. Not for people to call.

#include <signal.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>

#include "worker/worker_process.h"

namespace xpool {
namespace {

int Run(int argc, char** argv) {
  CLI::App app{"xpool-worker: executes the calls of one remote session. xpoold starts it; it is of no use otherwise."};
  worker::WorkerOptions options;
  app.add_option("--dir", options.paths.directory, "The agent's directory")->required();
  app.add_option("--driver", options.driver_library, "The OpenCL driver to load")->required();
  CLI11_PARSE(app, argc, argv);
  signal(SIGPIPE, SIG_IGN);
  const absl::Status status = worker::RunWorker(options);
  if (!status.ok()) fprintf(stderr, "xpool-worker: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace xpool

int main(int argc, char** argv) {
  try {
    return xpool::Run(argc, argv);
  } catch (const std::exception& error) {
    fprintf(stderr, "xpool-worker: %s\n", error.what());
    return 1;
  }
}
