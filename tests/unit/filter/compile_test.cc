#include "libs/filter/compile.h"

#include <catch2/catch.hpp>

#include "libs/base/strings.h"
#include "tests/unit/filter/schema.h"

namespace homeport::filter {
namespace {

// The condition, and behind it the parameters.
std::string Compiled(std::string_view text) {
  const auto expression = Parse(text);
  REQUIRE(expression.ok());
  const auto condition = Compile(*expression, testing::TestSchema(), 3);
  if (!condition.ok()) return Message(condition.status());
  std::string shown = condition->where;
  for (const Param& param : condition->params) {
    shown += param.type == Param::Type::kText ? fmt::format(" | {}", param.text)
                                              : fmt::format(" | {}", param.int8);
  }
  return shown;
}

TEST_CASE("conditions are parameterised SQL") {
  struct Row {
    const char* text;
    const char* sql;
  };
  for (const Row& row : {
           Row{"", "true"},
           Row{"title = \"'; DROP TABLE device --\"", "title = $3::text | '; DROP TABLE device --"},
           Row{"name = tenants/-/devices/lamp-1", "id = $3::text | lamp-1"},
           Row{"resource = tenants/-/devices/lamp*", "resource LIKE $3::text | devices/lamp%"},
           Row{"resource = devices/lamp", "resource = $3::text | devices/lamp"},
           Row{"name = la_p*", R"(id LIKE $3::text | la\_p%)"},
           Row{R"(title = "50%\\*")", R"(title LIKE $3::text | 50\%\\%)"},
           Row{"title:*", "title <> ''"},
           Row{"title >= b", "title >= $3::text | b"},
           Row{"title != b", "(title = $3::text) IS NOT TRUE | b"},
           Row{"state = ON", "state = $3::text | ON"},
           Row{"online = true", "online = $3::bool | 1"},
           Row{"made < \"2026-01-01T00:00:00Z\"",
               "made_at < 'epoch'::timestamptz + $3::int8 * interval '1 microsecond' | "
               "1767225600000000"},
           Row{"made:*", "made_at IS NOT NULL"},
           Row{"seen > \"2026-01-01T01:00:00+01:00\"",
               "(seen_ms > 0 AND seen_ms > $3::int8) | 1767225600000"},
           Row{"labels.room = hall",
               "(labels <> '{}'::jsonb AND labels @> jsonb_build_object($3::text, $4::text)) | "
               "room "
               "| hall"},
           Row{"labels.room:*", "labels ? $3::text | room"},
           Row{"labels:room", "labels ? $3::text | room"},
           Row{"labels.room = h*", "(labels ->> $3::text) LIKE $4::text | room | h%"},
           Row{"labels.n < 5",
               "CASE WHEN labels ->> $3::text ~ '^[-+]?[0-9]{1,30}([.][0-9]{1,30})?$' THEN "
               "(labels ->> $3::text)::numeric < $4::text::numeric ELSE false END | n | 5"},
           Row{"labels.n < \"5\"", "(labels ->> $3::text) COLLATE \"C\" < $4::text | n | 5"},
           Row{"groups:hall", "(groups <> '{}'::text[] AND groups @> ARRAY[$3::text]) | hall"},
           Row{"online=true (state=ON OR NOT state=OFF)",
               "((online = $3::bool) AND (((state = $4::text) OR ((state = $5::text) IS NOT "
               "TRUE)))) | 1 | ON | OFF"},
       }) {
    INFO(row.text);
    CHECK(Compiled(row.text) == row.sql);
  }
}

TEST_CASE("what a field does not take is refused where it stands") {
  struct Row {
    const char* text;
    const char* message;
  };
  for (const Row& row : {
           Row{"nothing = 1",
               "filter, at byte 0: no field nothing; known are name, title, state, "
               "online, made, seen, labels, resource, groups"},
           Row{"online = true title.x = 1", "filter, at byte 14: title has no keys"},
           Row{"state = MAYBE", "filter, at byte 8: state is one of ON, OFF"},
           Row{"state < ON", "filter, at byte 0: state takes = and != only, not <"},
           Row{"online = yes", "filter, at byte 9: online is true or false"},
           Row{"made > yesterday", "filter, at byte 7: not a time like \"2026-01-31T12:00:00Z\""},
           Row{"made > infinite-future",
               "filter, at byte 7: not a time like \"2026-01-31T12:00:00Z\""},
           Row{"title < b*", "filter, at byte 8: * cannot be used with title <"},
           Row{"labels = x", "filter, at byte 0: labels has keys: write labels.key or labels:key"},
           Row{"groups = x", "filter, at byte 0: write groups:value"},
           Row{"seen < *", "filter, at byte 7: * cannot be used with seen <"},
       }) {
    INFO(row.text);
    CHECK(Compiled(row.text) == row.message);
  }
}

}  // namespace
}  // namespace homeport::filter
