#include "libs/json/value.h"

#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>

namespace homeport::json {
namespace {

TEST_CASE("an integer is uint64 only when int64 cannot hold it") {
  struct Row {
    const char* name;
    Value value;
    Type type;
  };
  const Row row = GENERATE(Row{"int", 5, Type::kInt64}, Row{"negative", -5, Type::kInt64},
                           Row{"unsigned", 5u, Type::kInt64},
                           Row{"int64 max as uint64", uint64_t{INT64_MAX}, Type::kInt64},
                           Row{"above", uint64_t{INT64_MAX} + 1, Type::kUint64},
                           Row{"int64 min", INT64_MIN, Type::kInt64},
                           Row{"bool is no integer", true, Type::kBool});
  INFO(row.name);
  CHECK(row.value.type() == row.type);
}

TEST_CASE("equality of values") {
  const Value ab = Object();
  struct Row {
    const char* name;
    Value a, b;
    bool equal;
  };
  constexpr int64_t k2To53 = int64_t{1} << 53;
  const Row row = GENERATE(
      Row{"int and double", 1, 1.0, true}, Row{"int and other double", 1, 1.5, false},
      Row{"beyond the precision of double", k2To53 + 1, static_cast<double>(k2To53), false},
      Row{"at the precision of double", k2To53, static_cast<double>(k2To53), true},
      Row{"int64 max and 2^63", INT64_MAX, 9223372036854775808.0, false},
      Row{"2^63 as uint64 and double", uint64_t{1} << 63, 9223372036854775808.0, true},
      Row{"uint64 max and 2^64", UINT64_MAX, 18446744073709551616.0, false},
      Row{"uint64 and int64", UINT64_MAX, -1, false}, Row{"zeros", 0, -0.0, true},
      Row{"bool and number", true, 1, false}, Row{"null and false", nullptr, false, false},
      Row{"text and number", "1", 1, false}, Row{"text", "a", std::string("a"), true},
      Row{"arrays by order", Array{1, 2}, Array{2, 1}, false},
      Row{"arrays by value", Array{1, 2}, Array{1.0, 2.0}, true});
  INFO(row.name);
  CHECK((row.a == row.b) == row.equal);
  CHECK((row.b == row.a) == row.equal);
}

TEST_CASE("objects are equal in any order of keys") {
  Object a;
  a.Set("x", 1);
  a.Set("y", Array{1, "two"});
  Object b;
  b.Set("y", Array{1, "two"});
  CHECK_FALSE(a == b);
  b.Set("x", 1.0);
  CHECK(a == b);
  b.Set("x", 2);
  CHECK_FALSE(a == b);
}

TEST_CASE("numbers convert to int64 only when nothing is lost") {
  CHECK(Value(5).ToInt64() == 5);
  CHECK(Value(5.0).ToInt64() == 5);
  CHECK_FALSE(Value(5.5).ToInt64());
  CHECK_FALSE(Value(UINT64_MAX).ToInt64());
  CHECK_FALSE(Value(9223372036854775808.0).ToInt64());
  CHECK(Value(-9223372036854775808.0).ToInt64() == INT64_MIN);
  CHECK_FALSE(Value(std::numeric_limits<double>::quiet_NaN()).ToInt64());
  CHECK_FALSE(Value("5").ToInt64());
  CHECK(Value(UINT64_MAX).ToDouble() == 18446744073709551616.0);
}

TEST_CASE("a copy is independent") {
  Object object;
  object.Set("list", Array{1});
  Value a = object;
  Value b = a;
  b.IfObject()->Find("list")->IfArray()->push_back(2);
  CHECK(a.Find("list")->IfArray()->size() == 1);
  CHECK(b.Find("list")->IfArray()->size() == 2);
}

}  // namespace
}  // namespace homeport::json
