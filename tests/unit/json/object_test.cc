#include <catch2/catch.hpp>
#include <string>

#include "libs/json/object_index.h"
#include "libs/json/print.h"
#include "libs/json/value.h"

namespace homeport::json {
namespace {

TEST_CASE("an object keeps the order of its keys") {
  Object object;
  object.Set("b", 1);
  object.Set("a", 2);
  object.Set("c", 3);
  object.Set("b", 4);
  CHECK(Print(object) == R"({"b":4,"a":2,"c":3})");
  CHECK(object.Erase("a"));
  CHECK_FALSE(object.Erase("a"));
  CHECK(Print(object) == R"({"b":4,"c":3})");
}

TEST_CASE("typed lookups give nothing for another type") {
  Object object;
  object.Set("text", "t");
  object.Set("whole", 5.0);
  object.Set("yes", true);
  object.Set("list", Array{});
  object.Set("object", Object{});
  CHECK(*object.FindString("text") == "t");
  CHECK(object.FindString("yes") == nullptr);
  CHECK(object.FindInt64("whole") == 5);
  CHECK_FALSE(object.FindInt64("text"));
  CHECK(object.FindArray("list") != nullptr);
  CHECK(object.FindArray("object") == nullptr);
  CHECK(object.FindObject("object") != nullptr);
  CHECK(object.FindObject("none") == nullptr);
}

std::string Key(size_t i) { return "key-" + std::to_string(i); }

TEST_CASE("the index finds every key of objects of any size, in any order") {
  const size_t size = GENERATE(0u, 1u, 16u, 17u, 500u);
  Object object;
  for (size_t i = 0; i < size; ++i) object.Append(Key(i), static_cast<int64_t>(i));

  ObjectIndex index(object);
  for (size_t i = 0; i < size; ++i) CHECK(index.Find(Key(i)) == i);
  for (size_t i = size; i-- > 0;) CHECK(index.Find(Key(i)) == i);
  CHECK(index.Find("none") == ObjectIndex::kNotFound);
}

TEST_CASE("a hint that is right or wrong finds the same member") {
  Object object;
  object.Set("a", 1);
  object.Set("b", 2);
  for (size_t hint = 0; hint < 4; ++hint) {
    CHECK(*object.FindNear("b", hint) == Value(2));
    CHECK(object.FindNear("c", hint) == nullptr);
  }
}

}  // namespace
}  // namespace homeport::json
