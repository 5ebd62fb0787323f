#include "services/registry/history_keeper.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "services/registry/store/history_table.h"
#include "services/registry/store/state_store.h"

namespace homeport::registry {
namespace {

constexpr int64_t kStepMs = 60'000;
// A sweep of old days leaves the server room for others, and gives way to the making of days.
constexpr int64_t kSweepSteps = 500;
constexpr int64_t kSweepPauseMs = 20;

// A change of partitions waits for the transactions under way, and all others wait behind it: it
// gives up soon and tries again.
postgres::ConnectOptions Impatient(postgres::ConnectOptions options) {
  options.settings = std::string("lock_timeout=1000;") + kBatchSettings;
  return options;
}

}  // namespace

HistoryKeeper::HistoryKeeper(Options options, const Clock& clock, ServiceProbe& probe)
    : options_(std::move(options)), clock_(clock), probe_(probe) {}

HistoryKeeper::~HistoryKeeper() { Stop(); }

void HistoryKeeper::Start() {
  thread_ = std::thread([this] { Run(); });
}

void HistoryKeeper::Stop() {
  stop_.Stop();
  if (thread_.joinable()) thread_.join();
}

void HistoryKeeper::Run() {
  int64_t wait_ms = 0;
  while (!stop_.WaitFor(wait_ms)) {
    const absl::Status status = Step();
    wait_ms = steps_left_ > 0 ? kStepMs : kSweepPauseMs;
    if (status.ok()) {
      backoff_.Reset();
    } else {
      probe_.PostgresFailed();
      log::Warn("history_retries", {{"error", status}});
      wait_ms = backoff_.NextMs();
    }
  }
}

absl::Status HistoryKeeper::Step() {
  if (postgres_ == nullptr || postgres_->broken()) {
    HP_ASSIGN_OR_RETURN(postgres_, postgres::Connection::Open(Impatient(options_.postgres)));
  }
  for (const std::string_view table : kHistoryTables) HP_RETURN_IF_ERROR(Keep(table));
  steps_left_ = kSweepSteps;
  for (const std::string_view table : kHistoryTables) HP_RETURN_IF_ERROR(Sweep(table));
  return absl::OkStatus();
}

absl::Status HistoryKeeper::Keep(std::string_view table) {
  const int64_t today = clock_.Wall().value / kDayMs;
  for (int64_t day = today; day <= today + options_.days_ahead; ++day) {
    HP_ASSIGN_OR_RETURN(const bool made, MakeHistoryDay(*postgres_, table, day));
    if (!made) continue;
    probe_.HistoryMade(table, 1);
    log::Info("history_day_made", {{"table", table}, {"partition", HistoryDayName(table, day)}});
  }
  HP_ASSIGN_OR_RETURN(const HistoryDropped dropped,
                      DropHistoryBefore(*postgres_, table, today - options_.days_kept));
  probe_.HistoryDropped(table, dropped.days, dropped.rows);
  if (dropped.days > 0 || dropped.rows > 0) {
    log::Info("history_dropped",
              {{"table", table}, {"days", dropped.days}, {"rows", dropped.rows}});
  }
  HP_ASSIGN_OR_RETURN(const int64_t rows, HistoryDefaultRows(*postgres_, table));
  probe_.HistoryStands(table, (today + options_.days_ahead + 1) * (kDayMs / 1000), rows);
  return absl::OkStatus();
}

absl::Status HistoryKeeper::Sweep(std::string_view table) {
  const int64_t today = clock_.Wall().value / kDayMs;
  while (steps_left_ > 0) {
    HP_ASSIGN_OR_RETURN(const SweepStep step,
                        SweepHistory(*postgres_, table, today, options_.sweep_blocks));
    if (step.partition.empty()) return absl::OkStatus();
    --steps_left_;
    probe_.HistoryExpired(table, step.rows);
    if (step.partition != swept_.partition) swept_ = {.partition = step.partition};
    swept_.rows += step.rows;
    if (step.finished) {
      log::Info("history_expired", {{"partition", step.partition}, {"rows", swept_.rows}});
    }
    if (stop_.WaitFor(kSweepPauseMs)) return absl::OkStatus();
  }
  return absl::OkStatus();
}

}  // namespace homeport::registry
