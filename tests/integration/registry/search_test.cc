#include <algorithm>
#include <random>
#include <set>

#include "libs/filter/order.h"
#include "services/registry/store/device_table.h"
#include "services/registry/store/json_map.h"
#include "tests/integration/registry/api.h"

// Search: filters against a naive reading of them, and pages while devices come and go.
namespace homeport::registry::testing {
namespace {

using device::v1::Device;
using device::v1::ListDevicesRequest;
using device::v1::ListDevicesResponse;

constexpr int64_t kFirstMs = 1'767'225'600'000;  // 2026-01-01T00:00:00Z

// Devices of every kind: each value is drawn from few, so that filters find some.
std::vector<DeviceRow> MakeDevices(World& world, size_t count) {
  std::minstd_rand random(7);
  const auto one_of = [&random](std::initializer_list<const char*> values) {
    return std::string(values.begin()[random() % values.size()]);
  };
  std::vector<DeviceRow> rows;
  for (size_t i = 0; i < count; ++i) {
    DeviceRow row;
    row.id = fmt::format("{}-{:03}", one_of({"lamp", "plug", "Lamp"}), i);
    row.tenant = "default";
    row.product = one_of({"test.light.one", "test.plug.one"});
    row.display_name = one_of({"", "hall", "Hall 50%", "a_b"});
    row.firmware_version = one_of({"", "1.2", "1.10"});
    if (random() % 2 == 0) row.labels["room"] = one_of({"hall", "bath", ""});
    if (random() % 3 == 0) row.labels["zone"] = one_of({"n", "s"});
    if (random() % 2 == 0) row.attributes["floor"] = one_of({"1", "2", "10", "-3.5", "roof"});
    if (random() % 2 == 0) row.groups = {one_of({"a", "b"}), "c"};
    row.retired = random() % 8 == 0;
    row.disabled = row.retired || random() % 4 == 0;
    row.online = random() % 2 == 0;
    row.presence_ms = random() % 3 == 0 ? 0 : kFirstMs + static_cast<int64_t>(random() % 5) * 1000;
    row.created_ms = kFirstMs + static_cast<int64_t>(random() % 5) * 60'000;
    rows.push_back(row);
  }
  for (const DeviceRow& row : rows) {
    std::string groups;
    for (const std::string& group : row.groups) groups += (groups.empty() ? "" : ",") + group;
    world.Run(fmt::format(
        "INSERT INTO device (id, tenant, product, display_name, firmware_version, labels,"
        " attributes, device_groups, retired, disabled, online, presence_ms, created_at) VALUES "
        "('{}', 'default', '{}', '{}', '{}', '{}', '{}', '{{{}}}', {}, {}, {}, {},"
        " to_timestamp({}::int8 / 1000.0))",
        row.id, row.product, row.display_name, row.firmware_version, ToJson(row.labels),
        ToJson(row.attributes), groups, row.retired, row.disabled, row.online, row.presence_ms,
        row.created_ms));
  }
  return rows;
}

// The naive reading.
template <typename T>
bool Compares(filter::Op op, const T& a, const T& b) {
  using filter::Op;
  switch (op) {
    case Op::kLess:
      return a < b;
    case Op::kLessEqual:
      return a <= b;
    case Op::kGreater:
      return a > b;
    case Op::kGreaterEqual:
      return a >= b;
    default:
      return a == b;
  }
}

bool MatchesText(const filter::Restriction& r, const std::string& text) {
  if (r.value.any()) return !text.empty();
  if (r.value.prefix) return text.starts_with(r.value.text);
  return Compares(r.op, text, r.value.text);
}

std::string StateOf(const DeviceRow& row) {
  if (row.retired) return "RETIRED";
  if (row.disabled) return "DISABLED";
  return row.presence_ms == 0 ? "PROVISIONED" : "ACTIVE";
}

bool MatchesMap(const filter::Restriction& r, const StringMap& map) {
  if (!r.has_key) return r.value.any() ? !map.empty() : map.contains(r.value.text);
  const auto found = map.find(r.key);
  if (found == map.end()) return false;
  if (r.value.any()) return true;
  if (r.value.prefix) return found->second.starts_with(r.value.text);
  const bool number =
      !r.value.quoted && r.value.text.find_first_not_of("-.0123456789") == std::string::npos;
  if (r.op == filter::Op::kEqual || r.op == filter::Op::kHas || !number) {
    return Compares(r.op, found->second, r.value.text);
  }
  char* end = nullptr;
  const double value = std::strtod(found->second.c_str(), &end);
  if (end == found->second.c_str() || *end != '\0') return false;
  return Compares(r.op, value, std::atof(r.value.text.c_str()));
}

bool MatchesPositive(const filter::Restriction& r, const DeviceRow& row) {
  if (r.field == "name") return MatchesText(r, row.id);
  if (r.field == "product") return MatchesText(r, "tenants/-/products/" + row.product);
  if (r.field == "display_name") return MatchesText(r, row.display_name);
  if (r.field == "firmware_version") return MatchesText(r, row.firmware_version);
  if (r.field == "state") return StateOf(row) == r.value.text;
  if (r.field == "online") return row.online == (r.value.text == "true");
  if (r.field == "labels") return MatchesMap(r, row.labels);
  if (r.field == "attributes") return MatchesMap(r, row.attributes);
  if (r.field == "groups") {
    return r.value.any() ? !row.groups.empty()
                         : std::count(row.groups.begin(), row.groups.end(), r.value.text) > 0;
  }
  const int64_t time = r.field == "create_time" ? row.created_ms : row.presence_ms;
  if (time == 0) return false;
  return r.value.any() || Compares(r.op, time, *filter::ParseTimeMicros(r.value.text) / 1000);
}

bool Matches(const filter::Expression& expression, const DeviceRow& row) {
  using Kind = filter::Expression::Kind;
  const auto matches = [&row](const filter::Expression& child) { return Matches(child, row); };
  const auto& children = expression.children;
  switch (expression.kind) {
    case Kind::kAll:
      return std::all_of(children.begin(), children.end(), matches);
    case Kind::kAny:
      return std::any_of(children.begin(), children.end(), matches);
    case Kind::kNot:
      return !Matches(children.front(), row);
    default:
      filter::Restriction positive = expression.restriction;
      if (positive.op != filter::Op::kNotEqual) return MatchesPositive(positive, row);
      positive.op = filter::Op::kEqual;
      return !MatchesPositive(positive, row);
  }
}

std::string RandomFilter(std::minstd_rand& random, int depth) {
  static const std::vector<std::string> kLeaves = {"name = lamp*",
                                                   "name != \"plug-001\"",
                                                   "product = tenants/-/products/test.plug.one",
                                                   "display_name = hall",
                                                   "display_name = \"Hall 50%*\"",
                                                   "display_name = \"a_b\"",
                                                   "display_name:*",
                                                   "display_name >= I",
                                                   "firmware_version < 1.2",
                                                   "state = ACTIVE",
                                                   "state != RETIRED",
                                                   "state = PROVISIONED",
                                                   "online = true",
                                                   "online != true",
                                                   "create_time > \"2026-01-01T00:02:00Z\"",
                                                   "create_time = \"2026-01-01T00:01:00Z\"",
                                                   "presence_time:*",
                                                   "presence_time <= \"2026-01-01T00:00:02Z\"",
                                                   "presence_time != \"2026-01-01T00:00:02Z\"",
                                                   "labels.room = hall",
                                                   "labels.room = \"\"",
                                                   "labels.room:*",
                                                   "labels.room != bath",
                                                   "labels.room = b*",
                                                   "labels:zone",
                                                   "labels:*",
                                                   "labels.room > bath",
                                                   "attributes.floor < 10",
                                                   "attributes.floor >= -3.5",
                                                   "attributes.floor < \"10\"",
                                                   "attributes.floor = 10",
                                                   "groups:a",
                                                   "groups:*"};
  if (depth == 0 || random() % 3 == 0) return kLeaves[random() % kLeaves.size()];
  const std::string left = RandomFilter(random, depth - 1);
  const std::string right = RandomFilter(random, depth - 1);
  switch (random() % 4) {
    case 0:
      return fmt::format("({} AND {})", left, right);
    case 1:
      return fmt::format("({} OR {})", left, right);
    case 2:
      return fmt::format("NOT ({} {})", left, right);
    default:
      return fmt::format("-{}", left);
  }
}

TEST_CASE("PostgreSQL reads filters as they are meant") {
  World world;
  const std::vector<DeviceRow> rows = MakeDevices(world, 120);
  std::minstd_rand random(11);
  size_t found_some = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string text = RandomFilter(random, 3);
    INFO(text);
    DeviceSearch search;
    search.tenant = TenantId("default");
    search.limit = 1000;
    const auto parsed = filter::Parse(text);
    REQUIRE(parsed.ok());
    search.filter = *parsed;
    search.order = *filter::ParseOrder("", DeviceSchema());
    const auto found = SearchDevices(world.db(), search);
    REQUIRE(found.status() == absl::OkStatus());
    std::set<std::string> expected, ids;
    for (const DeviceRow& row : rows) {
      if (Matches(*parsed, row)) expected.insert(row.id);
    }
    for (const DeviceRow& row : found->rows) ids.insert(row.id);
    CHECK(ids == expected);
    found_some += !ids.empty() && ids.size() < rows.size();
  }
  CHECK(found_some > 150);
}

std::vector<std::string> Pages(
    Api& api, ListDevicesRequest list, int32_t size,
    const std::function<void(size_t)>& between = [](size_t) {}) {
  std::vector<std::string> names;
  list.set_parent("tenants/-");
  list.set_page_size(size);
  for (size_t page = 0;; ++page) {
    ListDevicesResponse response;
    const grpc::Status status =
        api.Call("user", *api.devices, &Devices::ListDevices, list, &response);
    REQUIRE(status.error_message() == "");
    CHECK(response.devices_size() <= size);
    for (const Device& device : response.devices()) {
      names.push_back(device.name().substr(std::string("tenants/default/devices/").size()));
    }
    if (response.next_page_token().empty()) return names;
    list.set_page_token(response.next_page_token());
    between(page);
  }
}

TEST_CASE("pages of every order and size hold every device once, in order") {
  Api api;
  std::vector<DeviceRow> rows = MakeDevices(api.world, 60);
  for (const char* order :
       {"", "name desc", "display_name", "display_name desc, online", "online desc, create_time",
        "presence_time desc", "firmware_version, product desc", "create_time, name desc"}) {
    ListDevicesRequest list;
    list.set_order_by(order);
    const std::vector<std::string> all = Pages(api, list, 1000);
    CHECK(std::set<std::string>(all.begin(), all.end()).size() == rows.size());
    for (const int size : {1, 7, 59, 60}) {
      INFO(order << ", " << size << " a page");
      CHECK(Pages(api, list, size) == all);
    }
  }
  ListDevicesRequest list;
  const std::vector<std::string> by_name = Pages(api, list, 13);
  CHECK(std::is_sorted(by_name.begin(), by_name.end()));
}

TEST_CASE("pages neither repeat nor skip while devices come and go") {
  Api api;
  std::vector<std::string> there;
  for (const DeviceRow& row : MakeDevices(api.world, 60)) there.push_back(row.id);
  ListDevicesRequest list;
  list.set_order_by("create_time desc");
  list.set_filter("name != \"nobody\"");
  const std::vector<std::string> names = Pages(api, list, 7, [&](size_t page) {
    for (const char* time : {"2026-01-01", "2026-01-02", "2025-01-01"}) {
      api.world.Run(
          fmt::format("INSERT INTO device (id, tenant, product, created_at) VALUES "
                      "('new-{}-{}', 'default', 'p', '{}')",
                      page, time, time));
    }
  });
  std::multiset<std::string> seen(names.begin(), names.end());
  for (const std::string& id : there) CHECK(seen.count(id) == 1);
  for (const std::string& id : seen) CHECK(seen.count(id) == 1);
}

TEST_CASE("a page token goes with its list only") {
  Api api;
  (void)MakeDevices(api.world, 5);
  ListDevicesRequest list;
  list.set_parent("tenants/-");
  list.set_page_size(2);
  list.set_filter("name:*");
  ListDevicesResponse page;
  REQUIRE(api.Call("user", *api.devices, &Devices::ListDevices, list, &page).ok());
  const std::string token = page.next_page_token();
  CHECK(token.find("lamp") == std::string::npos);
  const auto reason = [&](const std::string& with, const char* filter, const char* order) {
    list.set_page_token(with);
    list.set_filter(filter);
    list.set_order_by(order);
    return ReasonFor(api.Call("user", *api.devices, &Devices::ListDevices, list, &page));
  };
  CHECK(reason(token, "name:*", "") == "");
  CHECK(reason(token, "", "") == "PAGE_TOKEN_INVALID");
  CHECK(reason(token, "name:*", "name desc") == "PAGE_TOKEN_INVALID");
  CHECK(reason(token + "x", "name:*", "") == "PAGE_TOKEN_INVALID");
  CHECK(reason("lamp-1", "name:*", "") == "PAGE_TOKEN_INVALID");
  CHECK(reason("", "name", "") == "FILTER_INVALID");
  CHECK(reason("", "", "color") == "ORDER_INVALID");
  list.set_page_size(-1);
  CHECK(reason("", "", "") == "FIELD_INVALID");
}

TEST_CASE("deleted devices are listed where asked for, other tenants' never") {
  Api api;
  (void)MakeDevices(api.world, 1200);
  api.world.Run(
      "INSERT INTO device (id, tenant, product) VALUES ('foreign', 'other', 'p');"
      "UPDATE device SET deleted_at = now(), purge_at = now() + interval '1 day' WHERE id LIKE "
      "'plug%'");
  const int64_t all = std::stoll(api.world.Sql("SELECT count(*) FROM device")) - 1;
  const int64_t kept =
      std::stoll(api.world.Sql("SELECT count(*) FROM device WHERE deleted_at IS NULL")) - 1;
  ListDevicesRequest list;
  CHECK(static_cast<int64_t>(Pages(api, list, 1000).size()) == kept);
  list.set_show_deleted(true);
  CHECK(static_cast<int64_t>(Pages(api, list, 1000).size()) == all);
}

}  // namespace
}  // namespace homeport::registry::testing
