#pragma once

#include "libs/filter/compile.h"
#include "libs/postgres/params.h"

namespace homeport::registry {

// Appends the parameters of a condition.
inline void AddParams(const filter::Condition& condition, postgres::Params& params) {
  for (const filter::Param& param : condition.params) {
    switch (param.type) {
      case filter::Param::Type::kText:
        params.Text(param.text);
        break;
      case filter::Param::Type::kInt8:
        params.Int8(param.int8);
        break;
      case filter::Param::Type::kBool:
        params.Bool(param.int8 != 0);
        break;
    }
  }
}

}  // namespace homeport::registry
