#include <catch2/catch.hpp>

#include "libs/base/reason.h"
#include "libs/base/strings.h"
#include "libs/filter/expression.h"

namespace homeport::filter {
namespace {

// The tree as a Lisp would write it.
std::string Show(const Expression& expression) {
  if (expression.kind == Expression::Kind::kRestriction) {
    const Restriction& r = expression.restriction;
    return fmt::format("{}{}{}{}{}{}{}", r.field, r.has_key ? "." : "", r.key, ToText(r.op),
                       r.value.quoted ? "'" : "", r.value.text, r.value.prefix ? "*" : "");
  }
  constexpr const char* kNames[] = {"and", "or", "not"};
  std::string shown = fmt::format("({}", kNames[static_cast<size_t>(expression.kind)]);
  for (const Expression& child : expression.children) shown += " " + Show(child);
  return shown + ")";
}

std::string Shown(std::string_view text) {
  const auto parsed = Parse(text);
  return parsed.ok() ? Show(*parsed) : Message(parsed.status());
}

TEST_CASE("filters become trees") {
  struct Row {
    const char* text;
    const char* tree;
  };
  for (const Row& row : {
           Row{"", "(and)"},
           Row{"  ", "(and)"},
           Row{"a=1", "a=1"},
           Row{" a  !=  b.c-d ", "a!=b.c-d"},
           Row{"a:x*", "a:x*"},
           Row{"a:*", "a:*"},
           Row{R"(a = "b c")", "a='b c"},
           Row{R"(a = 'it\'s "\*"')", "a='it's \"*\""},
           Row{R"(a = "b*")", "a='b*"},
           Row{"labels.room = hall", "labels.room=hall"},
           Row{"labels.a.b:*", "labels.a.b:*"},
           Row{R"(labels."a b" <= -5.5)", "labels.a b<=-5.5"},
           Row{"a=1 AND b=2 AND c=3", "(and a=1 b=2 c=3)"},
           Row{"a=1 b=2", "(and a=1 b=2)"},
           Row{"a=1 AND b=2 OR c=3", "(and a=1 (or b=2 c=3))"},
           Row{"(a=1 AND b=2) OR c=3", "(or (and a=1 b=2) c=3)"},
           Row{"NOT a=1", "(not a=1)"},
           Row{"-a=1 -b=2", "(and (not a=1) (not b=2))"},
           Row{"NOT (a=1 OR NOT b=2)", "(not (or a=1 (not b=2)))"},
           Row{"NOTE=1 ANDY=2", "(and NOTE=1 ANDY=2)"},
           Row{"name = \xE7\x81\xAF*", "name=\xE7\x81\xAF*"},
       }) {
    INFO(row.text);
    CHECK(Shown(row.text) == row.tree);
  }
}

TEST_CASE("refusals name the position") {
  struct Row {
    std::string text;
    const char* message;
  };
  std::string many = "a=1";
  for (int i = 0; i < 50; ++i) many += " a=1";
  for (const Row& row : {
           Row{"lamp", "filter, at byte 4: expected one of = != < <= > >= : behind the field"},
           Row{"a=", "filter, at byte 2: expected a value; quote what is not a plain word"},
           Row{"a=1)", "filter, at byte 3: expected AND, OR or the end"},
           Row{"(a=1", "filter, at byte 4: expected )"},
           Row{"a=1 AND", "filter, at byte 7: expected the name of a field"},
           Row{"a=\"b", "filter, at byte 2: the quote is not closed"},
           Row{"a=\"b\\", "filter, at byte 2: the quote is not closed"},
           Row{"a=\"*b\"", R"(filter, at byte 3: * stands at the end only; write \*)"},
           Row{"a=b*c", "filter, at byte 4: this character needs quotes around the value"},
           Row{"a=10:30", "filter, at byte 4: this character needs quotes around the value"},
           Row{"a.=1", "filter, at byte 2: expected a key behind the dot"},
           Row{"a=\xFF", "filter, at byte 0: not UTF-8"},
           Row{std::string("a=\0", 3), "filter, at byte 2: a control character"},
           Row{std::string(17, '(') + "a=1", "filter, at byte 17: nested deeper than 16"},
           Row{std::string(17, '-') + "a=1", "filter, at byte 17: nested deeper than 16"},
           Row{many, "filter, at byte 200: more than 50 comparisons"},
           Row{std::string(3000, 'a'), "filter, at byte 2048: longer than 2048 bytes"},
       }) {
    INFO(row.text);
    const auto parsed = Parse(row.text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(Message(parsed.status()) == row.message);
    CHECK(ReasonOf(parsed.status()) == "FILTER_INVALID");
    CHECK(parsed.status().GetPayload("homeport/detail/position").has_value());
  }
}

}  // namespace
}  // namespace homeport::filter
