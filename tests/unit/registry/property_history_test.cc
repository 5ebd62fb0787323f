#include "services/registry/core/property_history.h"

#include <catch2/catch.hpp>

#include "libs/base/strings.h"

// Which reported values of the classic shadow become rows of history.
namespace homeport::registry {
namespace {

using internal::v1::UplinkMessage;
using Texts = std::vector<std::string>;

constexpr int64_t kNowMs = 1'700'000'000'123;

class OneProduct final : public ProductSource {
 public:
  const Product* Find(std::string_view id) const override { return id == "p" ? &product : nullptr; }
  bool HasRoom(std::string_view) const override { return true; }
  Product product;
};

// A device without a model whose product keeps `names`.
class Core {
 public:
  explicit Core(const std::vector<std::string>& names) {
    state_.id = "d";
    state_.product = "p";
    products_.product.id = "p";
    products_.product.history = PropertyFilter(names);
  }

  // The rows of a typed report, "name=value".
  Texts Report(std::string_view params, std::string_view more = "") {
    UplinkMessage message = Make(UplinkMessage::KIND_PROPERTIES);
    message.set_payload(fmt::format(R"({{"params":[{}]{}}})", params, more));
    return Apply(message);
  }
  Texts Update(std::string_view state, std::string_view shadow = "") {
    UplinkMessage message = Make(UplinkMessage::KIND_SHADOW_UPDATE);
    message.set_detail(std::string(shadow));
    message.set_payload(fmt::format(R"({{"state":{}}})", state));
    return Apply(message);
  }
  Texts Delete() { return Apply(Make(UplinkMessage::KIND_SHADOW_DELETE)); }

  Product& product() { return products_.product; }
  ConsumerLimits limits;
  std::vector<PropertyRow> rows;  // of the last message
  Tally tally;                    // of the last message

 private:
  static UplinkMessage Make(UplinkMessage::Kind kind) {
    UplinkMessage message;
    message.set_kind(kind);
    message.set_device("d");
    message.set_session(1);
    message.set_epoch(1);
    message.set_received_ms(kNowMs);
    return message;
  }
  Texts Apply(const UplinkMessage& message) {
    state_.named.try_emplace("n");
    Downlinks downlinks;
    Effects effects;
    ApplyMessage({message, "gateway", state_, products_, limits, kNowMs, effects, downlinks});
    rows = effects.properties;
    tally = effects.tally;
    Texts texts;
    for (const PropertyRow& row : rows) {
      CHECK(row.received_ms == kNowMs);
      texts.push_back(fmt::format("{}={}", row.name, row.value));
    }
    return texts;
  }

  DeviceState state_;
  OneProduct products_;
};

TEST_CASE("names of properties") {
  for (const char* good : {"a", "a.b", "a.b.c", "a.*", "*"}) CHECK(PropertyFilter::IsName(good));
  for (const char* bad : {"", ".", ".b", "a."}) CHECK_FALSE(PropertyFilter::IsName(bad));
  CHECK_FALSE(PropertyFilter::IsName(std::string(257, 'a')));
  CHECK_FALSE(PropertyFilter::IsName(std::string_view("a\0b", 3)));
  const PropertyFilter filter({"light.on", "meter.*", "mode"});
  CHECK(filter.Takes("light", "on"));
  CHECK_FALSE(filter.Takes("light", "brightness"));
  CHECK(filter.Takes("meter", "anything"));
  CHECK(filter.Takes("", "mode"));
  CHECK_FALSE(filter.Takes("", "light"));
  CHECK_FALSE(PropertyFilter({"*"}).empty());
  CHECK(PropertyFilter().empty());
}

TEST_CASE("a product that asks for nothing keeps nothing") {
  Core core({});
  CHECK(core.Report(R"({"name":"light.on","value":true})").empty());
  CHECK(core.tally.coalesced == 0);
}

TEST_CASE("a change is kept, the same value again is not") {
  Core core({"light.on", "light.level"});
  CHECK(core.Report(R"({"name":"light.on","value":true},{"name":"light.color","value":"red"})") ==
        Texts{"light.on=true"});
  CHECK(core.rows[0].number == 1);
  CHECK(core.Report(R"({"name":"light.on","value":true},{"name":"light.color","value":"blue"})")
            .empty());
  CHECK(core.tally.coalesced == 1);
  CHECK(core.tally.versions == 1);  // which is a version of the shadow all the same
  CHECK(core.Report(R"({"name":"light.level","value":9007199254740993},)"
                    R"({"name":"light.on","value":false})") ==
        Texts{"light.level=9007199254740993", "light.on=false"});
  CHECK(core.Report(R"({"name":"light.level","value":"high"})") == Texts{"light.level=\"high\""});
  CHECK_FALSE(core.rows[0].number.has_value());
  core.product().skip_unchanged = true;
  CHECK(core.Report(R"({"name":"light.on","value":false})").empty());
  CHECK(core.tally.coalesced == 1);
  CHECK(core.tally.versions == 0);
}

TEST_CASE("the time of a report is believed within a day") {
  Core core({"*"});
  REQUIRE(core.Report(R"({"name":"a.b","value":1})", fmt::format(R"(,"ts":{})", kNowMs - 5000))
              .size() == 1);
  CHECK(core.rows[0].reported_ms == kNowMs - 5000);
  REQUIRE(core.Report(R"({"name":"a.b","value":2})", R"(,"ts":12)").size() == 1);
  CHECK(core.rows[0].reported_ms == kNowMs);
}

TEST_CASE("updates of the classic shadow count, those of named ones do not") {
  Core core({"*"});
  CHECK(core.Update(R"({"reported":{"light":{"on":true},"mode":"eco"},"desired":{"x":1}})") ==
        Texts{"light.on=true", "mode=\"eco\""});
  CHECK(core.Update(R"({"reported":{"light":{"on":true,"level":3},"mode":"eco"}})") ==
        Texts{"light.level=3"});
  CHECK(core.tally.coalesced == 2);
  CHECK(core.Update(R"({"desired":{"light":{"on":false}}})").empty());
  CHECK(core.Update(R"({"reported":{"light":{"on":false}}})", "n").empty());
  CHECK(core.tally.versions == 1);
}

TEST_CASE("what is deeper than a property is kept whole") {
  Core core({"*"});
  CHECK(core.Update(R"({"reported":{"a":{"b":{"c":1,"d":[1]}}}})") ==
        Texts{R"(a.b={"c":1,"d":[1]})"});
  CHECK(core.Update(R"({"reported":{"a":{"b":{"c":2}}}})") == Texts{R"(a.b={"c":2,"d":[1]})"});
}

TEST_CASE("a property that goes is kept as null, however it goes") {
  Core core({"a.b", "a.c", "m"});
  const auto fill = [&] {
    CHECK(core.Update(R"({"reported":{"a":{"b":1,"c":2,"x":3},"m":4}})").size() == 3);
  };
  fill();
  CHECK(core.Update(R"({"reported":{"a":{"b":null,"none":null},"none":null}})") ==
        Texts{"a.b=null"});
  CHECK_FALSE(core.rows[0].number.has_value());
  CHECK(core.tally.coalesced == 0);
  CHECK(core.Update(R"({"reported":{"a":null,"m":null}})") == Texts{"a.c=null", "m=null"});
  fill();
  CHECK(core.Update(R"({"reported":{"a":5,"m":{"n":1}}})") ==
        Texts{"a.b=null", "a.c=null", "m=null"});
  CHECK(core.Update(R"({"reported":{"a":{"b":6}}})") == Texts{"a.b=6"});
  CHECK(core.Update(R"({"reported":null})") == Texts{"a.b=null"});
  fill();
  CHECK(core.Update("null") == Texts{"a.b=null", "a.c=null", "m=null"});
  fill();
  CHECK(core.Delete() == Texts{"a.b=null", "a.c=null", "m=null"});
}

TEST_CASE("what one message may add to history is bounded") {
  Core core({"*"});
  core.limits.history_values_max = 2;
  core.limits.history_value_bytes_max = 16;
  CHECK(core.Update(R"({"reported":{"a":1,"b":2,"c":3,"d":4}})") == Texts{"a=1", "b=2"});
  CHECK(core.tally.refusals[static_cast<size_t>(Refusal::kHistoryValues)] == 1);
  CHECK(core.tally.versions == 1);
  CHECK(core.Update(R"({"reported":{"a":"0123456789abcde","b":5}})") == Texts{"b=5"});
  CHECK(core.tally.refusals[static_cast<size_t>(Refusal::kHistoryValueBytes)] == 1);
  CHECK(core.Update(R"({"reported":{"\u0000":1}})").empty());
  CHECK(core.tally.refusals[static_cast<size_t>(Refusal::kInvalidName)] == 1);
}

}  // namespace
}  // namespace homeport::registry
