#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/postgres/connection.h"

namespace homeport::registry {

// Reads of the tables of history, each of one device. Times are Unix ms.

// A place in the order of (received, id).
struct HistoryPlace {
  int64_t received_ms = 0;
  int64_t id = 0;
};

struct HistoryQuery {
  std::string device;
  std::string name;      // of the channel or event; "": all
  int64_t from_ms = 0;   // included
  int64_t until_ms = 0;  // not included
  bool newest_first = false;
  HistoryPlace after;  // in the chosen order; BeforeAll() to begin
  int64_t limit = 0;

  // What comes before everything in that order.
  [[nodiscard]] static HistoryPlace BeforeAll(bool newest_first);
};

struct StoredTelemetry {
  HistoryPlace place;
  std::string channel;
  std::string payload;
};
[[nodiscard]] absl::StatusOr<std::vector<StoredTelemetry>> ReadTelemetry(
    postgres::Connection& connection, const HistoryQuery& query);

struct StoredEvent {
  HistoryPlace place;
  int64_t event_ms = 0;
  std::string name;
  std::string arguments;
};
[[nodiscard]] absl::StatusOr<std::vector<StoredEvent>> ReadEvents(postgres::Connection& connection,
                                                                  const HistoryQuery& query);

struct StoredValue {
  HistoryPlace place;
  int64_t reported_ms = 0;
  std::string value;  // JSON; null: the property was removed
};
// REQUIRES: query.name is that of a property.
[[nodiscard]] absl::StatusOr<std::vector<StoredValue>> ReadPropertyValues(
    postgres::Connection& connection, const HistoryQuery& query);

struct WindowQuery {
  std::string device;
  std::string name;     // of the channel or property
  int64_t from_ms = 0;  // a window begins here
  int64_t until_ms = 0;
  int64_t window_ms = 0;
  int64_t back_ms = 0;   // how far before from_ms the sample before the first is looked for
  int64_t since_ms = 0;  // nothing from before this is looked at
};
struct WindowRow {
  int64_t start_ms = 0;
  int64_t count = 0;
  double min = 0, max = 0, avg = 0, first = 0, last = 0, increase = 0;
};
// Those with samples, in order.
[[nodiscard]] absl::StatusOr<std::vector<WindowRow>> ReadTelemetryWindows(
    postgres::Connection& connection, const WindowQuery& query);
[[nodiscard]] absl::StatusOr<std::vector<WindowRow>> ReadPropertyWindows(
    postgres::Connection& connection, const WindowQuery& query);

}  // namespace homeport::registry
