#pragma once

#include "libs/filter/compile.h"

namespace homeport::filter::testing {

// One field of every type.
inline const Schema& TestSchema() {
  static const Schema schema = {
      {.name = "name",
       .type = FieldType::kText,
       .sql = "id",
       .name_form = Field::NameForm::kLastId,
       .sortable = true},
      {.name = "title", .type = FieldType::kText, .sql = "title", .sortable = true},
      {.name = "state", .type = FieldType::kEnum, .sql = "state", .values = {"ON", "OFF"}},
      {.name = "online", .type = FieldType::kBool, .sql = "online", .sortable = true},
      {.name = "made", .type = FieldType::kTime, .sql = "made_at", .sortable = true},
      {.name = "seen", .type = FieldType::kMillis, .sql = "seen_ms", .sortable = true},
      {.name = "labels", .type = FieldType::kMap, .sql = "labels"},
      {.name = "resource",
       .type = FieldType::kText,
       .sql = "resource",
       .name_form = Field::NameForm::kUnderTenant},
      {.name = "groups", .type = FieldType::kList, .sql = "groups"},
  };
  return schema;
}

}  // namespace homeport::filter::testing
