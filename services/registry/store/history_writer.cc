#include "services/registry/store/history_writer.h"

#include <utility>

#include "libs/base/status.h"

namespace homeport::registry {
namespace {

using postgres::Array;
using postgres::Params;
using postgres::Statement;

constexpr Statement kInsertTelemetry{
    "insert_telemetry",
    "INSERT INTO telemetry (device, received_at, channel, payload) "
    "SELECT device, to_timestamp(received_ms / 1000.0), channel, payload "
    "FROM unnest($1::text[], $2::int8[], $3::text[], $4::bytea[])"
    " AS u (device, received_ms, channel, payload)"};
constexpr Statement kInsertEvents{
    "insert_events",
    "INSERT INTO event (device, received_at, event_at, name, arguments, key) "
    "SELECT device, to_timestamp(received_ms / 1000.0), to_timestamp(event_ms / 1000.0), name,"
    " arguments, key"
    " FROM unnest($1::text[], $2::int8[], $3::int8[], $4::text[], $5::text[], $6::text[])"
    " AS u (device, received_ms, event_ms, name, arguments, key)"};
constexpr Statement kInsertProperties{
    "insert_properties",
    "INSERT INTO property_sample (device, name, received_at, reported_at, number, value) "
    "SELECT device, name, to_timestamp(received_ms / 1000.0), to_timestamp(reported_ms / 1000.0),"
    " number, value"
    " FROM unnest($1::text[], $2::text[], $3::int8[], $4::int8[], $5::float8[], $6::text[])"
    " AS u (device, name, received_ms, reported_ms, number, value)"};

absl::Status WriteTelemetry(postgres::Transaction& transaction, const Effects& effects) {
  if (effects.telemetry.empty()) return absl::OkStatus();
  Array devices = Array::OfText(), times = Array::OfInt8();
  Array channels = Array::OfText(), payloads = Array::OfBytes();
  for (const TelemetryRow& row : effects.telemetry) {
    devices.Add(row.device);
    times.AddInt8(row.received_ms);
    channels.Add(row.channel);
    payloads.Add(row.payload);
  }
  return transaction
      .Execute(kInsertTelemetry, Params()
                                     .Add(std::move(devices))
                                     .Add(std::move(times))
                                     .Add(std::move(channels))
                                     .Add(std::move(payloads)))
      .status();
}

absl::Status WriteEvents(postgres::Transaction& transaction, const Effects& effects) {
  if (effects.events.empty()) return absl::OkStatus();
  Array devices = Array::OfText(), received = Array::OfInt8(), times = Array::OfInt8();
  Array names = Array::OfText(), arguments = Array::OfText(), keys = Array::OfText();
  for (const EventRow& row : effects.events) {
    keys.Add(row.key);
    devices.Add(row.device);
    received.AddInt8(row.received_ms);
    times.AddInt8(row.event_ms);
    names.Add(row.name);
    arguments.Add(row.arguments);
  }
  return transaction
      .Execute(kInsertEvents, Params()
                                  .Add(std::move(devices))
                                  .Add(std::move(received))
                                  .Add(std::move(times))
                                  .Add(std::move(names))
                                  .Add(std::move(arguments))
                                  .Add(std::move(keys)))
      .status();
}

absl::Status WriteProperties(postgres::Transaction& transaction, const Effects& effects) {
  if (effects.properties.empty()) return absl::OkStatus();
  Array devices = Array::OfText(), names = Array::OfText(), values = Array::OfText();
  Array received = Array::OfInt8(), reported = Array::OfInt8(), numbers = Array::OfFloat8();
  for (const PropertyRow& row : effects.properties) {
    devices.Add(row.device);
    names.Add(row.name);
    received.AddInt8(row.received_ms);
    reported.AddInt8(row.reported_ms);
    if (row.number) {
      numbers.AddFloat8(*row.number);
    } else {
      numbers.AddNull();
    }
    values.Add(row.value);
  }
  return transaction
      .Execute(kInsertProperties, Params()
                                      .Add(std::move(devices))
                                      .Add(std::move(names))
                                      .Add(std::move(received))
                                      .Add(std::move(reported))
                                      .Add(std::move(numbers))
                                      .Add(std::move(values)))
      .status();
}

}  // namespace

absl::Status WriteHistory(postgres::Transaction& transaction, const Effects& effects) {
  HP_RETURN_IF_ERROR(WriteTelemetry(transaction, effects));
  HP_RETURN_IF_ERROR(WriteEvents(transaction, effects));
  return WriteProperties(transaction, effects);
}

}  // namespace homeport::registry
