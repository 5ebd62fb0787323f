// Any text as a filter, and as an order: it is refused, or becomes SQL in which nothing of it is.
#include <cstddef>
#include <cstdint>
#include <string>

#include "libs/base/check.h"
#include "libs/filter/compile.h"
#include "libs/filter/order.h"
#include "tests/unit/filter/schema.h"

namespace {

using homeport::filter::Condition;

// Characters that no piece of SQL of the compiler has: they could come from the input only.
void CheckSql(const std::string& sql) {
  for (const char c : sql) HP_CHECK(c >= ' ' && c < 0x7F && c != ';' && c != '\\' && c != '#');
  size_t quotes = 0;
  for (const char c : sql) quotes += c == '\'';
  HP_CHECK(quotes % 2 == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const homeport::filter::Schema& schema = homeport::filter::testing::TestSchema();
  const auto expression = homeport::filter::Parse(text);
  if (expression.ok()) {
    const auto condition = homeport::filter::Compile(*expression, schema, 1);
    if (condition.ok()) CheckSql(condition->where);
  }
  const auto order = homeport::filter::ParseOrder(text, schema);
  if (order.ok()) {
    CheckSql(homeport::filter::OrderBy(*order));
    const std::vector<std::string> keys(order->size(), std::string(text));
    const auto behind = homeport::filter::Behind(*order, keys, 1);
    if (behind.ok()) CheckSql(behind->where);
  }
  return 0;
}
