#include "libs/model/shadow_path.h"

#include <catch2/catch.hpp>

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

}  // namespace
}  // namespace homeport::model
