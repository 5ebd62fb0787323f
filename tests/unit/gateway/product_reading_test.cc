#include "services/gateway/identity/product_reading.h"

#include <catch2/catch.hpp>

#include "libs/base/strings.h"

namespace homeport::gateway {
namespace {

using internal::v1::GetProductConfigRequest;
using internal::v1::ProductConfig;
using Product = ProductReading::Product;

// What the registry has of a product: `models` versions of its model, `page` of them in an answer.
struct Registry {
  int64_t version = 1;
  int64_t models = 0;
  int64_t page = 10;
  bool has_room = true;

  [[nodiscard]] ProductConfig Answer(const GetProductConfigRequest& asked) const {
    ProductConfig answer;
    answer.set_product(asked.product());
    answer.set_tenant("default");
    answer.set_fleet_key(fmt::format("key-{}", version));
    answer.set_revision(std::to_string(version));
    answer.set_model_version(models);
    answer.set_allow_unregistered(has_room);
    if (asked.known_revision() == answer.revision()) return answer;
    for (int64_t number = asked.models_after() + 1; number <= models; ++number) {
      if (answer.models_size() == page) {
        answer.set_more_models(true);
        break;
      }
      answer.add_models()->set_number(number);
      answer.mutable_models()->rbegin()->set_json(
          fmt::format(R"({{"type":"urn:s:device:d:00000001:a-b:{}","services":[]}})", number));
    }
    return answer;
  }
};

struct Reader {
  TenantUsages usages;
  int answers = 0;

  absl::StatusOr<Product> Read(const Registry& registry, Product known = nullptr) {
    return Read([&](int) { return registry; }, std::move(known));
  }
  // `at(n)`: what the registry has when it is asked for the n-th time.
  template <typename At>
  absl::StatusOr<Product> Read(At at, Product known) {
    ProductReading reading("lamp", std::move(known));
    answers = 1;
    while (!reading.Take(at(answers).Answer(reading.Next()))) ++answers;
    return reading.Result(usages);
  }
};

TEST_CASE("a product is read with all versions of its model") {
  Reader reader;
  const Product product = reader.Read({.version = 7, .models = 3}).value();
  CHECK(reader.answers == 1);
  CHECK(product->product == "lamp");
  CHECK(product->fleet_key == "key-7");
  CHECK(product->revision == "7");
  CHECK(product->models->size() == 3);
  CHECK(product->ModelOf(0)->urn() == "urn:s:device:d:00000001:a-b:3");
  CHECK(product->ModelOf(2)->urn() == "urn:s:device:d:00000001:a-b:2");
}

TEST_CASE("models that do not fit into one answer come in several") {
  Reader reader;
  const Product product = reader.Read({.models = 5, .page = 2}).value();
  CHECK(reader.answers == 3);
  REQUIRE(product->models->size() == 5);
  CHECK(product->models->back().number == 5);
}

TEST_CASE("what is known and still right is shared, not read again") {
  Reader reader;
  const Registry registry{.models = 5, .page = 1};
  const Product first = reader.Read(registry).value();
  CHECK(reader.Read(registry, first).value() == first);
  CHECK(reader.answers == 1);
}

TEST_CASE("whether there is room for more devices may change beside the revision") {
  Reader reader;
  const Product first = reader.Read({.models = 2}).value();
  const Product then = reader.Read({.models = 2, .has_room = false}, first).value();
  CHECK(first->allow_unregistered);
  CHECK_FALSE(then->allow_unregistered);
  CHECK(then->models == first->models);
  CHECK(then->usage == first->usage);
}

TEST_CASE("a product of another revision than the known one is read anew") {
  Reader reader;
  const Product first = reader.Read({.version = 1, .models = 2}).value();
  const Product then = reader.Read({.version = 2, .models = 3}, first).value();
  CHECK(then->fleet_key == "key-2");
  CHECK(then->models->size() == 3);
  CHECK(first->models->size() == 2);
}

TEST_CASE("an answer without a revision tells nothing of what is known") {
  ProductConfig answer;
  TenantUsages usages;
  ProductReading first("lamp", nullptr);
  CHECK(first.Take(answer));
  ProductReading second("lamp", first.Result(usages).value());
  answer.set_fleet_key("another");
  CHECK(second.Take(answer));
  CHECK(second.Result(usages).value()->fleet_key == "another");
}

TEST_CASE("a product that changes between two answers is read from its beginning") {
  Reader reader;
  const auto at = [](int n) {
    return Registry{.version = n < 3 ? 1 : 2, .models = n < 3 ? 6 : 5, .page = 2};
  };
  const Product product = reader.Read(at, nullptr).value();
  CHECK(product->revision == "2");
  REQUIRE(product->models->size() == 5);
  CHECK(product->models->front().number == 1);
  CHECK(product->models->back().number == 5);
}

TEST_CASE("a product that never stands still is given up") {
  Reader reader;
  const auto at = [](int n) { return Registry{.version = n, .models = 9, .page = 2}; };
  CHECK(absl::IsAborted(reader.Read(at, nullptr).status()));
  CHECK(reader.answers < 20);
}

TEST_CASE("a model that is unusable is left out, and the next are still asked for") {
  ProductReading reading("lamp", nullptr);
  ProductConfig answer;
  answer.set_revision("1");
  answer.add_models()->set_number(4);
  answer.mutable_models(0)->set_json("{");
  answer.set_more_models(true);
  CHECK_FALSE(reading.Take(answer));
  CHECK(reading.Next().models_after() == 4);
  answer.mutable_models(0)->set_number(5);
  answer.mutable_models(0)->set_json(R"({"type":"urn:s:device:d:00000001:a-b:5","services":[]})");
  answer.set_more_models(false);
  CHECK(reading.Take(answer));
  TenantUsages usages;
  const Product product = reading.Result(usages).value();
  REQUIRE(product->models->size() == 1);
  CHECK(product->models->front().number == 5);
}

TEST_CASE("models that come again are not taken twice; if no others follow, that is the end") {
  ProductReading reading("lamp", nullptr);
  ProductConfig answer;
  answer.add_models()->set_number(1);
  answer.mutable_models(0)->set_json(R"({"type":"urn:s:device:d:00000001:a-b:1","services":[]})");
  answer.set_more_models(true);
  CHECK_FALSE(reading.Take(answer));
  SECTION("others follow") {
    answer.add_models()->set_number(2);
    answer.mutable_models(1)->set_json(R"({"type":"urn:s:device:d:00000001:a-b:2","services":[]})");
    answer.set_more_models(false);
    CHECK(reading.Take(answer));
    TenantUsages usages;
    CHECK(reading.Result(usages).value()->models->size() == 2);
  }
  SECTION("none") {
    CHECK(reading.Take(answer));
    TenantUsages usages;
    CHECK(absl::IsInternal(reading.Result(usages).status()));
  }
}

}  // namespace
}  // namespace homeport::gateway
