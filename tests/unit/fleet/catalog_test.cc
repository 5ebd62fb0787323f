#include <catch2/catch.hpp>
#include <set>

#include "libs/base/ids.h"
#include "libs/base/strings.h"
#include "libs/model/arguments.h"
#include "libs/model/compatibility.h"
#include "libs/model/validate.h"
#include "services/fleet/sim/device_sim.h"

namespace homeport::fleet {
namespace {

TEST_CASE("every kind of the catalogue has a model with what its table names") {
  const auto kinds = MakeCatalog();
  INFO((kinds.ok() ? std::string() : Message(kinds.status())));
  REQUIRE(kinds.ok());
  CHECK(kinds->size() >= 8);
  std::set<std::string_view> products;
  for (const auto& kind : *kinds) {
    INFO(kind->spec.name);
    CHECK(IsValidProductId(kind->spec.product));
    CHECK(kind->spec.product.size() <= 23);  // MIoT's documented limit of a model's name
    CHECK(products.insert(kind->spec.product).second);
    CHECK(kind->model.urn().find("urn:miot-spec-v2:device:") == 0);
    CHECK(kind->model.FindService("device-information") != nullptr);
    CHECK(kind->model.FindService("device-information") == kind->model.FindService(1));
    const model::Comparison same = model::Compare(kind->model, kind->model);
    CHECK(same.upgrade == model::Upgrade::kSame);
    CHECK(same.differences.empty());
  }
}

// A week in the life of each kind, in steps of every size.
TEST_CASE("whatever time passes, a device only reports values that its model allows") {
  const auto kinds = MakeCatalog();
  REQUIRE(kinds.ok());
  for (const auto& kind : *kinds) {
    INFO(kind->spec.name);
    DeviceSim device(*kind, "device-1", 7);
    double step_s = 0.3;
    for (double now_s = 0; now_s < 7 * 24 * 3600; now_s += step_s) {
      step_s = step_s > 900 ? 0.3 : step_s * 1.7;
      device.Advance({step_s, step_s});
      for (const model::Property* property : device.TakeAll()) {
        const auto checked = model::ValidateReport(kind->model, property->siid, property->piid,
                                                   device.Get(*property));
        if (!checked.ok()) FAIL(std::string(property->path) << ": " << int(checked.code));
      }
      for (const auto& event : device.TakeEvents()) {
        if (!model::ValidateEvent(kind->model, *event.event, event.arguments).ok()) {
          FAIL(std::string(event.event->path));
        }
      }
    }
  }
}

}  // namespace
}  // namespace homeport::fleet
