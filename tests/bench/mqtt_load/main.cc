// homeport-bench-mqtt MODE [--setting=value ...]
#include <cstdio>
#include <string_view>

#include "libs/base/log.h"
#include "libs/config/table.h"
#include "libs/runtime/stop_signal.h"
#include "tests/bench/mqtt_load/load_options.h"
#include "tests/bench/mqtt_load/modes.h"

namespace {

constexpr int kUsageError = 2;

int Run(homeport::bench::Mode mode, const homeport::bench::Load& load,
        homeport::runtime::StopSignal& stop) {
  using homeport::bench::Mode;
  switch (mode) {
    case Mode::kPublish:
      return homeport::bench::RunPublish(load, stop);
    case Mode::kConnect:
      return homeport::bench::RunConnect(load, stop);
    case Mode::kIdle:
      return homeport::bench::RunIdle(load, stop);
    case Mode::kDeliver:
      return homeport::bench::RunDeliver(load, stop);
    case Mode::kLedger:
      return homeport::bench::RunLedger(load, stop);
    case Mode::kTakeover:
      return homeport::bench::RunTakeover(load, stop);
    case Mode::kChurn:
      return homeport::bench::RunChurn(load, stop);
  }
  return kUsageError;
}

}  // namespace

int main(int argc, char** argv) {
  const auto mode = homeport::bench::ParseMode(argc > 1 ? argv[1] : "");
  if (!mode.ok()) {
    std::fputs(
        "usage: homeport-bench-mqtt publish|connect|idle|deliver|ledger|takeover|churn\n"
        "                           [--setting=value ...]\n"
        "       homeport-bench-mqtt MODE --help\n",
        stderr);
    return kUsageError;
  }
  homeport::bench::LoadOptions options;
  homeport::config::Table table("homeport-bench-mqtt", "Loads an MQTT server and measures it.");
  homeport::bench::Declare(*mode, &options, &table);
  if (const auto exit_code = homeport::config::LoadForMain(table, argc - 1, argv + 1)) {
    return *exit_code;
  }
  homeport::runtime::StopSignal stop;
  const auto load = homeport::bench::Prepare(options);
  if (!load.ok()) {
    homeport::log::Error("bad_settings", {{"error", load.status()}});
    return kUsageError;
  }
  return Run(*mode, *load, stop);
}
