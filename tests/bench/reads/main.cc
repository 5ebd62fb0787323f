// homeport-bench-reads load|echo [--setting=value ...]
#include <cstdio>
#include <optional>
#include <string_view>

#include "libs/base/log.h"
#include "libs/config/table.h"
#include "libs/runtime/stop_signal.h"
#include "tests/bench/reads/echo.h"
#include "tests/bench/reads/load.h"

namespace homeport::bench {
namespace {

constexpr int kUsageError = 2;

int End(const absl::Status& status) {
  if (status.ok()) return 0;
  log::Error("bench_failed", {{"error", status}});
  return 1;
}

int Echo(int argc, char** argv) {
  EchoOptions options;
  config::Table table("homeport-bench-reads echo", "Answers reads with messages from files.");
  table.Text("listen", &options.listen, {.unit = "host:port", .doc = "Serves", .required = true});
  table.Text("tls-cert", &options.tls_cert, {.unit = "PEM file", .doc = "Of the server"});
  table.Text("tls-key", &options.tls_key, {.unit = "PEM file", .doc = "Its key"});
  table.Text("shadow", &options.shadow, {.unit = "file", .doc = "A Shadow", .required = true});
  table.Text("devices", &options.devices,
             {.unit = "file", .doc = "A ListDevicesResponse", .required = true});
  if (const auto exit_code = config::LoadForMain(table, argc, argv)) return *exit_code;
  runtime::StopSignal stop;
  return End(RunEcho(options, stop));
}

int Load(int argc, char** argv) {
  LoadOptions options;
  config::Table table("homeport-bench-reads load", "Calls one method as fast as it is answered.");
  table.Text("target", &options.target,
             {.unit = "host:port", .doc = "The server", .required = true});
  table.Text("ca", &options.ca, {.unit = "PEM file", .doc = "Of the server's certificate"});
  table.Text("token", &options.token, {.unit = "file", .doc = "Bearer token of every call"});
  table.Text("method", &options.method, {.unit = "/package.Service/Method", .required = true});
  table.Text("requests", &options.requests,
             {.unit = "file", .doc = "Requests in base64, one a line", .required = true});
  table.Int("channels", &options.channels, {.min = 1, .max = 100, .doc = "Connections"});
  table.Int("in-flight", &options.in_flight, {.min = 1, .max = 1000, .doc = "Calls at a time"});
  table.Int("seconds", &options.seconds, {.min = 1, .max = 3600, .unit = "s"});
  if (const auto exit_code = config::LoadForMain(table, argc, argv)) return *exit_code;
  return End(RunLoad(options));
}

}  // namespace
}  // namespace homeport::bench

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "echo") return homeport::bench::Echo(argc - 1, argv + 1);
  if (mode == "load") return homeport::bench::Load(argc - 1, argv + 1);
  std::fputs("usage: homeport-bench-reads load|echo [--setting=value ...]\n", stderr);
  return homeport::bench::kUsageError;
}
