// `xpool top`: a live table. On a terminal it is redrawn in place and 'q' or ^C ends it; elsewhere blocks of text (or
// one JSON object a line) follow each other.

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <cmath>

#include "CLI/CLI.hpp"
#include "base/fd.h"
#include "base/status.h"
#include "cli/agent_client.h"
#include "cli/context.h"
#include "cli/format.h"
#include "cli/top_view.h"

namespace xpool::cli {
namespace {

struct TopOptions {
  double delay_s = 1;
  int count = 0;  // 0: until interrupted
};

// Key presses without echo and line ends, and a hidden cursor, while it lives.
class LiveScreen {
 public:
  LiveScreen(Context& context, bool wanted) : context_(context), live_(wanted && isatty(STDIN_FILENO) == 1) {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, &mask_);
    signals_ = UniqueFd(signalfd(-1, &set, SFD_CLOEXEC));
    if (!live_) return;
    tcgetattr(STDIN_FILENO, &saved_);
    termios raw = saved_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    context_.out << "\033[?25l\033[2J";
  }
  ~LiveScreen() {
    if (live_) {
      tcsetattr(STDIN_FILENO, TCSANOW, &saved_);
      context_.out << "\033[?25h" << std::flush;
    }
  }

  bool live() const { return live_; }

  void Show(const std::string& text) {
    if (live_) context_.out << "\033[H";
    for (const char c : text) {
      if (c == '\n' && live_) context_.out << "\033[K";
      context_.out << c;
    }
    if (live_) context_.out << "\033[J";
    context_.out.flush();
  }

  // Waits; false when the user wants to leave.
  bool Sleep(const Clock& clock, int64_t ns) const {
    const int64_t end = clock.NowNs() + ns;
    for (int64_t left = ns; left > 0; left = end - clock.NowNs()) {
      pollfd entries[2] = {{signals_.get(), POLLIN, 0}, {live_ ? STDIN_FILENO : -1, POLLIN, 0}};
      if (poll(entries, 2, static_cast<int>(left / kNsPerMs) + 1) <= 0) continue;
      if (entries[0].revents != 0) return false;
      char key = 'q';
      if (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q' || key == 3) return false;
      break;  // Any other key: refresh now.
    }
    return true;
  }

 private:
  Context& context_;
  const bool live_;
  UniqueFd signals_;
  sigset_t mask_;
  termios saved_{};
};

struct Reading {
  v1::ListSlicesResponse slices;
  v1::ListSessionsResponse sessions;
};

absl::StatusOr<Reading> Read(AgentClient& client) {
  Reading reading;
  ASSIGN_OR_RETURN(reading.slices, client.ListSlices());
  ASSIGN_OR_RETURN(reading.sessions, client.ListSessions());
  return reading;
}

std::string Headline(const Context& context, const v1::ListSlicesResponse& reading, int64_t interval_ns) {
  uint64_t sessions = 0;
  for (const v1::Slice& slice : reading.slices()) sessions += slice.session_count();
  const auto count = [](uint64_t n, const char* noun) { return absl::StrCat(n, " ", noun, n == 1 ? "" : "s"); };
  return absl::StrCat("xpool top  ", FormatTime(context.unix_now_ns()).substr(11, 8), "  ",
                      count(static_cast<uint64_t>(reading.slices_size()), "slice"), ", ", sessions,
                      " attached, over the last ", FormatDuration(interval_ns), "\n\n");
}

int Top(Context& context, const TopOptions& options) {
  const bool json = context.format == Format::kJson;
  LiveScreen screen(context, context.out_is_terminal && !json && options.count != 1);
  AgentClient client(context.paths);
  absl::StatusOr<Reading> before = Read(client);
  if (!before.ok()) return Fail(context, before.status());
  if (screen.live()) screen.Show("xpool top: measuring ...\n");
  for (int shown = 0; options.count == 0 || shown < options.count; ++shown) {
    if (!screen.Sleep(*context.clock, std::llround(options.delay_s * kNsPerSec))) return kOk;
    absl::StatusOr<Reading> after = Read(client);
    if (!after.ok()) return Fail(context, after.status());
    const int64_t interval_ns = after->slices.at_ns() - before->slices.at_ns();
    const std::vector<TopRow> rows = CompareReadings(before->slices, after->slices);
    const std::vector<ClientRow> clients = CompareClients(before->sessions, after->sessions, interval_ns);
    if (json) {
      context.out << PrintLine(TopJson(rows, clients, interval_ns)) << std::flush;
    } else {
      screen.Show((shown > 0 && !screen.live() ? "\n" : "") + Headline(context, after->slices, interval_ns) +
                  TopTable(rows) + ClientTable(clients));
    }
    if (!context.out) return kOk;
    before = std::move(after);
  }
  return kOk;
}

}  // namespace

void AddTop(Commands& commands) {
  auto options = std::make_shared<TopOptions>();
  CLI::App& top =
      commands.Add(commands.root, "top", "watch the slices: shares asked and got, memory, waits",
                   {.synopsis = "xpool top [-d SECONDS] [-n COUNT] [--json]",
                    .description = "Refreshes in place; 'q' leaves, any other key refreshes at once. Columns:\n"
                                   "  ASKED     guaranteed share; - is best effort\n"
                                   "  LIMIT     share that is never exceeded\n"
                                   "  GOT       its part of the time that was contended (somebody else waited):\n"
                                   "            this is what ASKED is held against; - when nothing was contended\n"
                                   "  HELD      part of the interval in which it held the XPU, contended or not\n"
                                   "  WAITED    part of the interval in which it wanted a lease and had none\n"
                                   "  MEMORY    used/granted\n"
                                   "  LEASES/S  leases granted\n"
                                   "  WAITS/S   commands that had to wait for a lease\n"
                                   "  CMD/S     commands that were forwarded to the driver\n"
                                   "  PROCS     processes attached\n"
                                   "Below them, where programs of other machines (or isolated ones) use slices:\n"
                                   "  RTT       round trip to the client\n"
                                   "  IN/S, OUT/S, CALLS/S  bytes from and to it, and OpenCL calls\n"
                                   "  RECONNECTS  how often it came back after the connection was lost",
                    .examples = "xpool top\nxpool top -n 1 -d 10\n    Once, averaged over ten seconds.\n"
                                "xpool top --json -n 5 | jq -c '.slices[] | [.name, .charged_share]'",
                    .see_also = "xpool help ps, xpool help trace"});
  top.add_option("-d,--delay", options->delay_s, "Seconds between two readings. Default 1.")
      ->type_name("SECONDS")
      ->check(CLI::Range(0.05, 3600.0));
  top.add_option("-n,--count", options->count, "How many times to print; default: until interrupted.")
      ->type_name("COUNT")
      ->check(CLI::PositiveNumber);
  commands.AddFormats(top);
  commands.OnCall(top, [&context = commands.context, options] { return Top(context, *options); });
}

}  // namespace xpool::cli
