#include "libs/model/missing.h"

#include <catch2/catch.hpp>

#include "tests/unit/model/lamp.h"

namespace homeport::model {
namespace {

constexpr auto kNothing = std::nullopt;

TEST_CASE("why a part is not there, by number") {
  struct Row {
    const char* name;
    GivenId id;
    Part part;
    Code code;
  };
  const Row row = GENERATE_COPY(
      Row{"no service", {5, 1}, Part::kProperty, Code::kNoService},
      Row{"no service of an action", {5, 1}, Part::kAction, Code::kNoService},
      Row{"no service of an event", {5, 1}, Part::kEvent, Code::kNoService},
      Row{"a service beyond all", {int64_t{1} << 40, 1}, Part::kProperty, Code::kNoService},
      Row{"no property", {2, 99}, Part::kProperty, Code::kNoProperty},
      Row{"a property beyond all", {2, int64_t{1} << 40}, Part::kProperty, Code::kNoProperty},
      Row{"no action", {2, 99}, Part::kAction, Code::kNoAction},
      Row{"no event", {2, 99}, Part::kEvent, Code::kNoEvent},
      Row{"zero is a number", {2, 0}, Part::kProperty, Code::kNoProperty},
      Row{"negative siid", {-1, 1}, Part::kProperty, Code::kInvalidId},
      Row{"negative piid", {2, -1}, Part::kProperty, Code::kInvalidId},
      Row{"negative piid of no service", {5, -1}, Part::kAction, Code::kInvalidId},
      Row{"no siid", {kNothing, 1}, Part::kProperty, Code::kInvalidId},
      Row{"no piid", {2, kNothing}, Part::kEvent, Code::kInvalidId});
  INFO(row.name);
  const Model lamp = Lamp();
  CHECK(FindProperty(lamp, row.id) == nullptr);
  CHECK(MissingCode(lamp, row.id, row.part) == row.code);
}

TEST_CASE("why a part is not there, by name") {
  struct Row {
    const char* path;
    Part part;
    Code code;
  };
  const Row row = GENERATE(Row{"nosuch.on", Part::kProperty, Code::kNoService},
                           Row{"nosuch.toggle", Part::kAction, Code::kNoService},
                           Row{"nosuch.overheated", Part::kEvent, Code::kNoService},
                           // Two of the name: each has its number in its name.
                           Row{"switch.on", Part::kProperty, Code::kNoService},
                           Row{"light.nosuch", Part::kProperty, Code::kNoProperty},
                           Row{"light.pm2.5-density", Part::kProperty, Code::kNoProperty},
                           Row{"light.nosuch", Part::kAction, Code::kNoAction},
                           Row{"light.nosuch", Part::kEvent, Code::kNoEvent},
                           Row{"light", Part::kProperty, Code::kInvalidId},
                           Row{"light.", Part::kProperty, Code::kInvalidId},
                           Row{".on", Part::kProperty, Code::kInvalidId});
  INFO(row.path);
  CHECK(MissingCode(Lamp(), row.path, row.part) == row.code);
}

}  // namespace
}  // namespace homeport::model
