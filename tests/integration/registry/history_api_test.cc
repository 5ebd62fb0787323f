#include <catch2/catch.hpp>

#include "homeport/history/v1/history.grpc.pb.h"
#include "homeport/presence/v1/presence.grpc.pb.h"
#include "homeport/topology/v1/topology.grpc.pb.h"
#include "tests/integration/registry/api.h"

// HistoryService, TopologyService and PresenceService of a whole registry process.
namespace homeport::registry::testing {
namespace {

using History = history::v1::HistoryService::Stub;
using Topology = topology::v1::TopologyService::Stub;
using PresenceStub = presence::v1::PresenceService::Stub;

const std::string kName = "tenants/-/devices/lamp-1";
constexpr int64_t kMinuteMs = 60'000;

UplinkMessage Telemetry(const std::string& channel, const std::string& payload, int64_t at_ms) {
  UplinkMessage message = Message(UplinkMessage::KIND_TELEMETRY, "lamp-1");
  message.set_detail(channel);
  message.set_payload(payload);
  message.set_received_ms(at_ms);
  return message;
}

void SetTime(google::protobuf::Timestamp& time, int64_t ms) {
  time.set_seconds(ms / 1000);
  time.set_nanos(static_cast<int32_t>(ms % 1000) * 1'000'000);
}

// A registered device with telemetry of its own times.
struct Past {
  Past() {
    gateway.Append({Connected("lamp-1")});
    REQUIRE(api.world.Becomes("SELECT count(*) FROM device", "1"));
    api.world.Run("UPDATE device SET created_at = now() - interval '1 day'");
    history = history::v1::HistoryService::NewStub(api.channel());
  }
  void Say(const std::vector<UplinkMessage>& messages) {
    gateway.Append(messages);
    said += messages.size();
    REQUIRE(api.world.Becomes("SELECT count(*) FROM telemetry", std::to_string(said)));
  }
  std::vector<std::string> List(history::v1::ListTelemetryRequest request) {
    std::vector<std::string> payloads;
    do {
      history::v1::ListTelemetryResponse page;
      REQUIRE(api.Call("user", *history, &History::ListTelemetry, request, &page).ok());
      CHECK(page.telemetry_size() <= 2);
      for (const auto& row : page.telemetry()) payloads.push_back(row.payload());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return payloads;
  }

  Api api;
  Gateway gateway{api.world};
  std::unique_ptr<History> history;
  size_t said = 0;
  const int64_t start_ms = SystemClock().Wall().value / 60'000 * 60'000 - 60 * kMinuteMs;
};

TEST_CASE("telemetry is listed by pages, either way, by channel and by time") {
  Past past;
  past.Say({Telemetry("a", "1", past.start_ms), Telemetry("a", "2", past.start_ms),
            Telemetry("b", "3", past.start_ms + 1), Telemetry("a", "4", past.start_ms + 2),
            Telemetry("a", "5", past.start_ms + 3)});
  history::v1::ListTelemetryRequest request;
  request.set_parent(kName);
  request.set_page_size(2);
  using Texts = std::vector<std::string>;
  CHECK(past.List(request) == Texts{"1", "2", "3", "4", "5"});
  request.set_newest_first(true);
  CHECK(past.List(request) == Texts{"5", "4", "3", "2", "1"});
  request.set_channel("a");
  CHECK(past.List(request) == Texts{"5", "4", "2", "1"});
  SetTime(*request.mutable_start_time(), past.start_ms + 1);
  SetTime(*request.mutable_end_time(), past.start_ms + 3);
  CHECK(past.List(request) == Texts{"4"});
}

TEST_CASE("a page of large rows ends before it is too large to be sent") {
  Past past;
  past.api.world.Run(
      "INSERT INTO telemetry (device, received_at, channel, payload) SELECT 'lamp-1',"
      " date_trunc('second', now()) - i * interval '1 second', 'a', convert_to(repeat('x', "
      "200000), 'UTF8')"
      " FROM generate_series(1, 40) AS i");
  history::v1::ListTelemetryRequest request;
  request.set_parent(kName);
  history::v1::ListTelemetryResponse page;
  int rows = 0, pages = 0;
  do {
    REQUIRE(past.api.Call("user", *past.history, &History::ListTelemetry, request, &page).ok());
    rows += page.telemetry_size();
    ++pages;
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  CHECK(rows == 40);
  CHECK(pages == 3);
}

TEST_CASE("nothing of a former device of that id is shown") {
  Past past;
  past.Say({Telemetry("a", "old", past.start_ms)});
  past.api.world.Run("UPDATE device SET created_at = now()");
  history::v1::ListTelemetryRequest request;
  request.set_parent(kName);
  request.set_page_size(2);
  CHECK(past.List(request).empty());
}

TEST_CASE("a page token is good for its own request only") {
  Past past;
  past.Say({Telemetry("a", "1", past.start_ms), Telemetry("a", "2", past.start_ms + 1)});
  history::v1::ListTelemetryRequest request;
  request.set_parent(kName);
  request.set_page_size(1);
  history::v1::ListTelemetryResponse page;
  REQUIRE(past.api.Call("user", *past.history, &History::ListTelemetry, request, &page).ok());
  request.set_page_token(page.next_page_token());
  request.set_channel("b");
  CHECK(ReasonFor(past.api.Call("user", *past.history, &History::ListTelemetry, request, &page)) ==
        "PAGE_TOKEN_INVALID");
  request.clear_channel();
  CHECK(past.api.Call("user", *past.history, &History::ListTelemetry, request, &page).ok());
  request.set_page_token("zz");
  CHECK(ReasonFor(past.api.Call("user", *past.history, &History::ListTelemetry, request, &page)) ==
        "PAGE_TOKEN_INVALID");
  request.clear_page_token();
  CHECK(ReasonFor(past.api.Call("user", *past.history, &History::ListTelemetry, request, &page,
                                "other")) == "DEVICE_NOT_FOUND");
}

TEST_CASE("events are listed with their arguments") {
  Past past;
  UplinkMessage event = Message(UplinkMessage::KIND_EVENT, "lamp-1");
  event.set_detail("2/1");
  event.set_payload(R"({"arguments":[8]})");
  past.gateway.Append({event});
  REQUIRE(past.api.world.Becomes("SELECT count(*) FROM event", "1"));
  history::v1::ListEventsRequest request;
  request.set_parent(kName);
  history::v1::ListEventsResponse page;
  REQUIRE(past.api.Call("user", *past.history, &History::ListEvents, request, &page).ok());
  REQUIRE(page.events_size() == 1);
  CHECK(page.events(0).event() == "light.pressed");
  CHECK(page.events(0).arguments_json() == past.api.world.Sql("SELECT arguments FROM event"));
  request.set_event("light.released");
  REQUIRE(past.api.Call("user", *past.history, &History::ListEvents, request, &page).ok());
  CHECK(page.events_size() == 0);
}

TEST_CASE("windows over the numbers of a channel; a counter that begins anew counts in full") {
  Past past;
  past.Say({Telemetry("kwh", "90", past.start_ms - 5), Telemetry("kwh", "100", past.start_ms),
            Telemetry("kwh", "no number", past.start_ms + 1),
            Telemetry("kwh", "103.5", past.start_ms + 2), Telemetry("x", "7", past.start_ms + 3),
            Telemetry("kwh", "2", past.start_ms + 2 * kMinuteMs),
            Telemetry("kwh", "6", past.start_ms + 2 * kMinuteMs + 1)});
  history::v1::AggregateTelemetryRequest request;
  request.set_parent(kName);
  request.set_channel("kwh");
  SetTime(*request.mutable_start_time(), past.start_ms);
  SetTime(*request.mutable_end_time(), past.start_ms + 5 * kMinuteMs);
  request.mutable_window()->set_seconds(60);
  request.set_page_size(2);
  std::vector<history::v1::Window> windows;
  int pages = 0;
  do {
    history::v1::AggregateTelemetryResponse page;
    REQUIRE(
        past.api.Call("user", *past.history, &History::AggregateTelemetry, request, &page).ok());
    windows.insert(windows.end(), page.windows().begin(), page.windows().end());
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  CHECK(pages == 3);
  REQUIRE(windows.size() == 2);
  CHECK(windows[0].start_time().seconds() * 1000 == past.start_ms);
  CHECK(windows[0].count() == 2);
  CHECK(windows[0].min() == 100);
  CHECK(windows[0].max() == 103.5);
  CHECK(windows[0].avg() == 101.75);
  CHECK(windows[0].first() == 100);
  CHECK(windows[0].last() == 103.5);
  CHECK(windows[0].increase() == 13.5);  // from the sample before the window
  CHECK(windows[1].start_time().seconds() * 1000 == past.start_ms + 2 * kMinuteMs);
  CHECK(windows[1].increase() == 6);  // a reset to 2, and 4 more
  request.mutable_window()->set_seconds(0);
  history::v1::AggregateTelemetryResponse page;
  CHECK(ReasonFor(past.api.Call("user", *past.history, &History::AggregateTelemetry, request,
                                &page)) == "FIELD_INVALID");
}

UplinkMessage BrightnessAt(int brightness, int64_t at_ms) {
  UplinkMessage message = Brightness("lamp-1", brightness);
  message.set_received_ms(at_ms);
  return message;
}

// A lamp whose product keeps its brightness, and what it has reported.
struct PastValues : Past {
  PastValues() {
    product::v1::UpdateProductRequest settings;
    product::v1::GetProductRequest get;
    get.set_name(fmt::format("tenants/-/products/{}", kProduct));
    REQUIRE(
        api.Call("operator", *api.products, &Products::GetProduct, get, settings.mutable_product())
            .ok());
    product::v1::Product product;
    const auto update = [&] {
      return ReasonFor(
          api.Call("operator", *api.products, &Products::UpdateProduct, settings, &product));
    };
    auto& names = *settings.mutable_product()->mutable_history()->mutable_properties();
    names.Add("light.");
    CHECK(update() == "FIELD_INVALID");
    names.Clear();
    names.Add("light.*");
    settings.mutable_product()->mutable_history()->set_retention_days(31);
    CHECK(update() == "FIELD_INVALID");
    settings.mutable_product()->mutable_history()->set_retention_days(30);
    REQUIRE(update().empty());
    REQUIRE(product.history().properties_size() == 1);
    CHECK(product.history().properties(0) == "light.*");
    CHECK(product.history().retention_days() == 30);
    // Pods hear of it within a second.
    CHECK(Eventually([&] {
      gateway.Append({BrightnessAt(1 + ++reports % 2, start_ms - kMinuteMs)});
      return api.world.Becomes("SELECT version FROM shadow", std::to_string(reports)) &&
             api.world.Sql("SELECT count(*) FROM property_sample") != "0";
    }));
    api.world.Run("DELETE FROM property_sample");
  }
  void Report(const std::vector<UplinkMessage>& messages, size_t rows) {
    gateway.Append(messages);
    REQUIRE(api.world.Becomes("SELECT count(*) FROM property_sample", std::to_string(rows)));
  }
  int reports = 0;
};

TEST_CASE("values of a property are listed by pages, either way and by time") {
  PastValues past;
  const int64_t at = past.start_ms;
  UplinkMessage off = homeport::registry::testing::Report(
      "lamp-1", R"({"params":[{"siid":2,"piid":1,"value":true}]})");
  off.set_received_ms(at + 1);
  past.Report({BrightnessAt(80, at), BrightnessAt(80, at), off, BrightnessAt(81, at + 1),
               BrightnessAt(82, at + 2), BrightnessAt(83, at + 3)},
              5);
  history::v1::ListPropertyValuesRequest request;
  request.set_parent(kName);
  request.set_page_size(2);
  history::v1::ListPropertyValuesResponse page;
  const auto call = [&] {
    return past.api.Call("user", *past.history, &History::ListPropertyValues, request, &page);
  };
  CHECK(ReasonFor(call()) == "FIELD_INVALID");
  request.set_property("light.brightness");
  const auto list = [&] {
    std::vector<int64_t> values;
    do {
      REQUIRE(call().ok());
      CHECK(page.property_values_size() <= 2);
      for (const auto& value : page.property_values()) values.push_back(value.value().int_value());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return values;
  };
  CHECK(list() == std::vector<int64_t>{80, 81, 82, 83});
  request.set_newest_first(true);
  CHECK(list() == std::vector<int64_t>{83, 82, 81, 80});
  request.set_page_size(1);  // the last one
  REQUIRE(call().ok());
  CHECK(page.property_values(0).receive_time().nanos() == (at + 3) % 1000 * 1'000'000);
  request.set_page_size(2);
  SetTime(*request.mutable_start_time(), at + 1);
  SetTime(*request.mutable_end_time(), at + 3);
  CHECK(list() == std::vector<int64_t>{82, 81});
  request.set_property("light.on");
  REQUIRE(call().ok());
  REQUIRE(page.property_values_size() == 1);
  CHECK(page.property_values(0).value().bool_value());
  CHECK(ReasonFor(past.api.Call("user", *past.history, &History::ListPropertyValues, request, &page,
                                "other")) == "DEVICE_NOT_FOUND");
  // Its history goes with a device.
  past.api.world.Run("UPDATE device SET deleted_at = now(), purge_at = now()");
  CHECK(past.api.world.Becomes("SELECT count(*) FROM property_sample", "0"));
}

TEST_CASE("a value that was removed, and one that is no scalar") {
  PastValues past;
  past.api.world.Run(fmt::format(
      "INSERT INTO property_sample (device, name, received_at, reported_at, value) VALUES"
      " ('lamp-1', 'a', to_timestamp({0}), to_timestamp({0}), 'null'),"
      " ('lamp-1', 'a', to_timestamp({0}), to_timestamp({0} - 7), '[1]'),"
      " ('lamp-1', 'a', to_timestamp({0}), to_timestamp({0}), '18446744073709551615')",
      past.start_ms / 1000));
  history::v1::ListPropertyValuesRequest request;
  request.set_parent(kName);
  request.set_property("a");
  history::v1::ListPropertyValuesResponse page;
  REQUIRE(past.api.Call("user", *past.history, &History::ListPropertyValues, request, &page).ok());
  REQUIRE(page.property_values_size() == 3);
  CHECK(page.property_values(0).kind_case() == history::v1::PropertyValue::KIND_NOT_SET);
  CHECK(page.property_values(1).value_json() == "[1]");
  CHECK(page.property_values(1).report_time().seconds() == past.start_ms / 1000 - 7);
  CHECK(page.property_values(2).value_json() == "18446744073709551615");
}

TEST_CASE("windows over the values of a property") {
  PastValues past;
  const int64_t at = past.start_ms;
  const auto on = [&](bool value, int64_t at_ms) {
    UplinkMessage message = homeport::registry::testing::Report(
        "lamp-1", fmt::format(R"({{"params":[{{"siid":2,"piid":1,"value":{}}}]}})", value));
    message.set_received_ms(at_ms);
    return message;
  };
  past.Report({BrightnessAt(90, at - 5), on(true, at), BrightnessAt(95, at), on(false, at + 1),
               BrightnessAt(99, at + 2), on(true, at + 3), BrightnessAt(2, at + 3 * kMinuteMs),
               BrightnessAt(6, at + 3 * kMinuteMs + 1)},
              8);
  history::v1::AggregatePropertyRequest request;
  request.set_parent(kName);
  request.set_property("light.brightness");
  SetTime(*request.mutable_start_time(), at);
  SetTime(*request.mutable_end_time(), at + 5 * kMinuteMs);
  request.mutable_window()->set_seconds(60);
  request.set_page_size(2);
  int pages = 0;
  const auto list = [&] {
    std::vector<history::v1::Window> windows;
    pages = 0;
    do {
      history::v1::AggregatePropertyResponse page;
      REQUIRE(
          past.api.Call("user", *past.history, &History::AggregateProperty, request, &page).ok());
      windows.insert(windows.end(), page.windows().begin(), page.windows().end());
      request.set_page_token(page.next_page_token());
      ++pages;
    } while (!request.page_token().empty());
    return windows;
  };
  const auto brightness = list();
  CHECK(pages == 3);
  REQUIRE(brightness.size() == 2);
  CHECK(brightness[0].count() == 2);
  CHECK(brightness[0].min() == 95);
  CHECK(brightness[0].max() == 99);
  CHECK(brightness[0].avg() == 97);
  CHECK(brightness[0].first() == 95);
  CHECK(brightness[0].last() == 99);
  CHECK(brightness[0].increase() == 9);  // from the value before the window
  CHECK(brightness[1].start_time().seconds() * 1000 == at + 3 * kMinuteMs);
  CHECK(brightness[1].increase() == 6);  // a reset to 2, and 4 more
  request.set_property("light.on");
  const auto power = list();
  REQUIRE(power.size() == 1);
  CHECK(power[0].count() == 3);
  CHECK(power[0].avg() == Approx(2.0 / 3));
  request.clear_property();
  history::v1::AggregatePropertyResponse page;
  CHECK(ReasonFor(past.api.Call("user", *past.history, &History::AggregateProperty, request,
                                &page)) == "FIELD_INVALID");
}

TEST_CASE("an operator attaches, lists, moves and detaches children") {
  Api api;
  api.world.Run(
      "INSERT INTO product (id, tenant, fleet_key, is_hub) VALUES ('test.hub', 'default', 'k', "
      "true);"
      "INSERT INTO device (id, tenant, product) VALUES ('hub-1', 'default', 'test.hub'),"
      " ('hub-2', 'default', 'test.hub'), ('lamp-9', 'default', 'test.light.one')");
  const auto stub = topology::v1::TopologyService::NewStub(api.channel());
  topology::v1::AttachChildRequest attach;
  attach.set_parent("tenants/-/devices/hub-1");
  attach.set_child_id("sensor-1");
  attach.set_product("tenants/-/products/test.light.one");
  attach.set_link("zigbee");
  topology::v1::AttachChildResponse attached;
  const auto try_attach = [&](const char* scope = "operator") {
    return ReasonFor(api.Call(scope, *stub, &Topology::AttachChild, attach, &attached));
  };
  CHECK(try_attach("user") == "PERMISSION_DENIED");
  CHECK(try_attach().empty());
  CHECK(try_attach().empty());  // again
  CHECK(api.world.Becomes("SELECT string_agg(hub || ' ' || child, ' ') FROM hub_child",
                          "hub-1 sensor-1"));
  attach.set_parent("tenants/-/devices/hub-2");
  CHECK(try_attach() == "CHILD_CONFLICT");
  attach.set_move(true);
  CHECK(try_attach().empty());
  CHECK(api.world.Becomes("SELECT string_agg(hub || ' ' || child, ' ') FROM hub_child",
                          "hub-2 sensor-1"));
  attach.set_parent("tenants/-/devices/lamp-9");
  CHECK(try_attach() == "NOT_A_HUB");
  attach.set_parent("tenants/-/devices/none");
  CHECK(try_attach() == "DEVICE_NOT_FOUND");
  attach.set_parent("tenants/-/devices/hub-1");
  attach.set_link("smoke");
  CHECK(try_attach() == "FIELD_INVALID");
  api.world.Run("UPDATE tenant SET devices_max = 1");  // sensor-1
  attach.set_link("zigbee");
  int tried = 0;
  CHECK(Eventually([&] {
    attach.set_child_id(fmt::format("extra-{}", ++tried));
    return try_attach() == "QUOTA_EXCEEDED";
  }));
  attach.set_child_id("sensor-1");

  topology::v1::ListChildrenRequest list;
  list.set_parent("tenants/-/devices/hub-2");
  topology::v1::ListChildrenResponse children;
  REQUIRE(api.Call("user", *stub, &Topology::ListChildren, list, &children).ok());
  REQUIRE(children.children_size() == 1);
  CHECK(children.children(0) == "tenants/default/devices/sensor-1");

  const auto presences = presence::v1::PresenceService::NewStub(api.channel());
  presence::v1::GetPresenceRequest get;
  get.set_name("tenants/-/devices/sensor-1");
  presence::v1::Presence presence;
  CHECK(Eventually([&] {
    return api.Call("user", *presences, &PresenceStub::GetPresence, get, &presence).ok() &&
           !presence.stale();
  }));
  CHECK(presence.hub() == "tenants/default/devices/hub-2");
  CHECK(presence.silence().seconds() == 10'200);
  CHECK_FALSE(presence.online());
  CHECK(ReasonFor(api.Call("user", *presences, &PresenceStub::GetPresence, get, &presence,
                           "other")) == "DEVICE_NOT_FOUND");

  topology::v1::DetachChildRequest detach;
  detach.set_parent("tenants/-/devices/hub-1");
  detach.set_child_id("sensor-1");
  topology::v1::DetachChildResponse detached;
  CHECK(ReasonFor(api.Call("operator", *stub, &Topology::DetachChild, detach, &detached)) ==
        "DEVICE_NOT_FOUND");
  detach.set_parent("tenants/-/devices/hub-2");
  CHECK(api.Call("operator", *stub, &Topology::DetachChild, detach, &detached).ok());
  CHECK(api.world.Becomes("SELECT count(*) FROM hub_child WHERE child = 'sensor-1'", "0"));
}

TEST_CASE("a read says so when the stream is not consumed") {
  Api api;
  Gateway gateway(api.world);
  gateway.Append({Connected("lamp-1")});
  const auto stub = presence::v1::PresenceService::NewStub(api.channel());
  presence::v1::GetPresenceRequest get;
  get.set_name(kName);
  presence::v1::Presence presence;
  REQUIRE(Eventually([&] {
    return api.Call("user", *stub, &PresenceStub::GetPresence, get, &presence).ok() &&
           presence.online() && !presence.stale();
  }));
  CHECK(presence.has_last_seen_time());
  // As when no pod owns the partition: its rows are another's, and old.
  api.world.Run(
      "UPDATE stream_offset SET owner = 'gone', fence = fence + 1, caught_up_ms = 1,"
      " lease_until = now() + interval '1 minute'");
  REQUIRE(api.Call("user", *stub, &PresenceStub::GetPresence, get, &presence).ok());
  CHECK(presence.stale());
}

}  // namespace
}  // namespace homeport::registry::testing
