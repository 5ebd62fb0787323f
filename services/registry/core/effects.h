#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "homeport/internal/v1/envelope.pb.h"
#include "services/registry/core/device_state.h"
#include "services/registry/core/tally.h"

namespace homeport::registry {

// Texts are borrowed from the messages of the transaction.
struct TelemetryRow {
  std::string_view device;
  std::string_view channel;
  std::string_view payload;
  int64_t received_ms = 0;
};

struct EventRow {
  std::string_view device;
  std::string name;
  std::string arguments;  // JSON object
  std::string key;        // tells a repetition from a new event (event_key.h); "" = cannot be told
  int64_t received_ms = 0;
  int64_t event_ms = 0;
};

// A reported value that is not the one before it.
struct PropertyRow {
  std::string_view device;
  std::string name;              // "<service>.<property>"
  std::string value;             // JSON; null: the property was removed
  std::optional<double> number;  // of numbers and booleans
  int64_t received_ms = 0;
  int64_t reported_ms = 0;
};

// What the SDK on a device says of itself.
struct InventoryRow {
  std::string_view device;
  std::string sdk;
};

// A provisioning request, borrowed like a row.
struct ProvisionRow {
  std::string_view pod;
  const internal::v1::UplinkMessage* message = nullptr;
};

// What one transaction has to write, apart from the offsets of its partitions.
struct Effects {
  std::vector<DeviceState*> changed;  // each once
  std::vector<TelemetryRow> telemetry;
  std::vector<EventRow> events;
  std::vector<PropertyRow> properties;
  size_t property_bytes = 0;  // of their names and values
  std::vector<InventoryRow> inventories;
  std::vector<ProvisionRow> provisions;  // to be carried out once the transaction is committed
  // Of events stored earlier, "<device> <name> <key>": those of the devices that may repeat one.
  std::set<std::string, std::less<>> event_keys;
  Tally tally;

  void Changed(DeviceState& device) {
    if (device.changed) return;
    device.changed = true;
    changed.push_back(&device);
  }
};

}  // namespace homeport::registry
