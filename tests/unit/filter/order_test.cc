#include "libs/filter/order.h"

#include <catch2/catch.hpp>

#include "libs/base/reason.h"
#include "libs/base/strings.h"
#include "tests/unit/filter/schema.h"

namespace homeport::filter {
namespace {

TEST_CASE("every order ends with the unique key") {
  struct Row {
    const char* text;
    const char* sql;
  };
  for (const Row& row : {
           Row{"", "id"},
           Row{"name desc", "id DESC"},
           Row{"title", "title, id"},
           Row{" title  desc ", "title DESC, id DESC"},
           Row{"name,title", "id, title"},
           Row{"online desc, made", "online DESC, coalesce(made_at, 'epoch'::timestamptz), id"},
       }) {
    INFO(row.text);
    const auto order = ParseOrder(row.text, testing::TestSchema());
    REQUIRE(order.ok());
    CHECK(OrderBy(*order) == row.sql);
  }
}

TEST_CASE("orders that are refused") {
  struct Row {
    const char* text;
    const char* message;
  };
  for (const Row& row : {
           Row{"nothing", "order_by, at byte 0: sorts by name, title, online, made, seen only"},
           Row{"title, state",
               "order_by, at byte 6: sorts by name, title, online, made, seen only"},
           Row{"title up", "order_by, at byte 0: expected field, field asc or field desc"},
           Row{"title, title", "order_by, at byte 6: the field is named twice"},
           Row{"title,", "order_by, at byte 6: sorts by name, title, online, made, seen only"},
       }) {
    INFO(row.text);
    const auto order = ParseOrder(row.text, testing::TestSchema());
    REQUIRE_FALSE(order.ok());
    CHECK(Message(order.status()) == row.message);
  }
}

TEST_CASE("the place behind a row") {
  const auto order = ParseOrder("title desc, seen", testing::TestSchema());
  REQUIRE(order.ok());
  CHECK(KeyColumns(*order) == "title, seen_ms, id");
  const auto behind = Behind(*order, {"b", "7", "lamp"}, 2);
  REQUIRE(behind.ok());
  CHECK(behind->where ==
        "(title < $2::text) OR (title = $2::text AND seen_ms > $3::int8) OR "
        "(title = $2::text AND seen_ms = $3::int8 AND id > $4::text)");
  REQUIRE(behind->params.size() == 3);
  CHECK(behind->params[1].int8 == 7);
  CHECK(ReasonOf(Behind(*order, {"b", "x", "lamp"}, 2).status()) == "PAGE_TOKEN_INVALID");
}

}  // namespace
}  // namespace homeport::filter
