#pragma once

#include "libs/filter/compile.h"

namespace homeport::filter::testing {

// One field of every type.
inline const Schema& TestSchema() {
  static const Schema schema = {
      {.name = "name", .type = FieldType::kText, .sql = "id", .is_name = true, .sortable = true},
      {.name = "title", .type = FieldType::kText, .sql = "title", .sortable = true},
      {.name = "state", .type = FieldType::kEnum, .sql = "state", .values = {"ON", "OFF"}},
      {.name = "online", .type = FieldType::kBool, .sql = "online", .sortable = true},
      {.name = "made", .type = FieldType::kTime, .sql = "made_at", .sortable = true},
      {.name = "seen", .type = FieldType::kMillis, .sql = "seen_ms", .sortable = true},
      {.name = "labels", .type = FieldType::kMap, .sql = "labels"},
      {.name = "groups", .type = FieldType::kList, .sql = "groups"},
  };
  return schema;
}

}  // namespace homeport::filter::testing
