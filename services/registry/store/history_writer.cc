#include "services/registry/store/history_writer.h"

#include "libs/base/status.h"

namespace homeport::registry {
namespace {

using postgres::CopyRows;
using postgres::Statement;

constexpr Statement kCopyTelemetry{
    "insert_telemetry",
    "COPY telemetry (device, received_at, channel, payload) FROM STDIN (FORMAT binary)"};
constexpr Statement kCopyEvents{"insert_events",
                                "COPY event (device, received_at, event_at, name, arguments, key) "
                                "FROM STDIN (FORMAT binary)"};
constexpr Statement kCopyProperties{
    "insert_properties",
    "COPY property_sample (device, name, received_at, reported_at, number, value) "
    "FROM STDIN (FORMAT binary)"};

absl::Status WriteTelemetry(postgres::Transaction& transaction, const Effects& effects) {
  CopyRows rows(4);
  for (const TelemetryRow& row : effects.telemetry) {
    rows.Text(row.device);
    rows.Timestamp(row.received_ms);
    rows.Text(row.channel);
    rows.Text(row.payload);
  }
  return transaction.Copy(kCopyTelemetry, rows);
}

absl::Status WriteEvents(postgres::Transaction& transaction, const Effects& effects) {
  CopyRows rows(6);
  for (const EventRow& row : effects.events) {
    rows.Text(row.device);
    rows.Timestamp(row.received_ms);
    rows.Timestamp(row.event_ms);
    rows.Text(row.name);
    rows.Text(row.arguments);
    rows.Text(row.key);
  }
  return transaction.Copy(kCopyEvents, rows);
}

absl::Status WriteProperties(postgres::Transaction& transaction, const Effects& effects) {
  CopyRows rows(6);
  for (const PropertyRow& row : effects.properties) {
    rows.Text(row.device);
    rows.Text(row.name);
    rows.Timestamp(row.received_ms);
    rows.Timestamp(row.reported_ms);
    if (row.number) {
      rows.Float8(*row.number);
    } else {
      rows.Null();
    }
    rows.Text(row.value);
  }
  return transaction.Copy(kCopyProperties, rows);
}

}  // namespace

absl::Status WriteHistory(postgres::Transaction& transaction, const Effects& effects) {
  HP_RETURN_IF_ERROR(WriteTelemetry(transaction, effects));
  HP_RETURN_IF_ERROR(WriteEvents(transaction, effects));
  return WriteProperties(transaction, effects);
}

}  // namespace homeport::registry
