#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "libs/model/model.h"

namespace homeport::model {

// What a spec says about a part, before names are settled. Private to the library.
struct PartText {
  uint16_t iid;
  std::string_view type;
  std::string_view description;
};

struct PropertySpec {
  PartText part;
  Format format;
  uint8_t access;
  std::string_view unit;
  Constraint constraint;                   // monostate or a range
  std::vector<ListedValue> listed_values;  // the value list when not empty
};

struct ActionSpec {
  PartText part;
  std::vector<uint16_t> in, out;
};

struct EventSpec {
  PartText part;
  std::vector<uint16_t> arguments;
};

// Iids unique within each vector.
struct ServiceSpec {
  PartText part;
  std::vector<PropertySpec> properties;
  std::vector<ActionSpec> actions;
  std::vector<EventSpec> events;
};

// Views borrow from the parsed JSON.
struct DeviceSpec {
  std::string_view type;
  std::string_view description;
  std::vector<ServiceSpec> services;
};

// Lays a checked spec out as a Model: one block of text, exact vectors, sorted indexes.
[[nodiscard]] Model BuildModel(const DeviceSpec& spec);

}  // namespace homeport::model
