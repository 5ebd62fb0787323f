#include "libs/model/shadow_path.h"

#include <catch2/catch.hpp>
#include <vector>

#include "tests/unit/model/lamp.h"

namespace homeport::model {
namespace {

TEST_CASE("every property has its place in the shadow and back") {
  const Model lamp = Lamp();
  for (const Property& property : lamp.properties()) {
    const ShadowPath path = ToShadowPath(property);
    CHECK(FromShadowPath(lamp, path.service, path.property) == &property);
  }
  CHECK(ToShadowPath(*lamp.FindProperty(7, 2)).service == "switch-7");
  CHECK(ToShadowPath(*lamp.FindProperty(7, 2)).property == "on-2");
  CHECK(FromShadowPath(lamp, "light", "none") == nullptr);
  CHECK(FromShadowPath(lamp, "none", "on") == nullptr);
}

TEST_CASE("typed values out of a state") {
  const Model lamp = Lamp();
  const json::Value state = J(R"({"switch-3":{"on":true},"other":1,
      "light":{"brightness":7,"on":null,"unknown":5},"device-information":3})");
  const std::vector<FoundProperty> found = FindProperties(lamp, *state.IfObject());
  REQUIRE(found.size() == 2);
  CHECK(found[0].property->path == "light.brightness");
  CHECK(*found[0].value == json::Value(7));
  CHECK(found[1].property->path == "switch-3.on");
}

}  // namespace
}  // namespace homeport::model
