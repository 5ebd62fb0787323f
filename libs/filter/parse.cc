#include <string>
#include <utility>

#include "libs/base/ascii.h"
#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/filter/expression.h"
#include "libs/json/utf8.h"

namespace homeport::filter {
namespace {

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsNameChar(char c) { return IsAlphanumeric(c) || c == '_' || c == '-'; }
bool IsWordChar(char c) {
  return IsNameChar(c) || c == '.' || c == '+' || c == '/' || c == '@' ||
         static_cast<unsigned char>(c) >= 0x80;
}

struct Operator {
  std::string_view text;
  Op op;
};
// Longer ones before their beginnings.
constexpr Operator kOperators[] = {
    {"!=", Op::kNotEqual}, {"<=", Op::kLessEqual}, {">=", Op::kGreaterEqual}, {"=", Op::kEqual},
    {"<", Op::kLess},      {">", Op::kGreater},    {":", Op::kHas},
};

// Recursive descent, no deeper than limits.depth_max.
class Parser {
 public:
  Parser(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

  absl::StatusOr<Expression> Run() {
    SkipSpace();
    if (at_ == text_.size()) return Expression();
    HP_ASSIGN_OR_RETURN(Expression expression, ParseExpression());
    if (at_ != text_.size()) return FilterError(at_, "expected AND, OR or the end");
    return expression;
  }

 private:
  using Kind = Expression::Kind;

  // expression = sequence { "AND" sequence }; sequence = factor { factor }
  absl::StatusOr<Expression> ParseExpression() {
    std::vector<Expression> parts;
    do {
      HP_ASSIGN_OR_RETURN(Expression factor, ParseFactor());
      parts.push_back(std::move(factor));
      if (TakeKeyword("AND")) continue;
      if (at_ == text_.size() || text_[at_] == ')') break;
    } while (true);
    return Join(Kind::kAll, std::move(parts));
  }

  // factor = term { "OR" term }
  absl::StatusOr<Expression> ParseFactor() {
    std::vector<Expression> parts;
    do {
      HP_ASSIGN_OR_RETURN(Expression term, ParseTerm());
      parts.push_back(std::move(term));
    } while (TakeKeyword("OR"));
    return Join(Kind::kAny, std::move(parts));
  }

  // term = [ "NOT" | "-" ] ( "(" expression ")" | restriction )
  absl::StatusOr<Expression> ParseTerm() {
    if (TakeKeyword("NOT") || TakeChar('-')) {
      if (++depth_ > limits_.depth_max) return TooDeep();
      HP_ASSIGN_OR_RETURN(Expression term, ParseTerm());
      --depth_;
      Expression negation;
      negation.kind = Kind::kNot;
      negation.children.push_back(std::move(term));
      return negation;
    }
    if (!TakeChar('(')) return ParseRestriction();
    if (++depth_ > limits_.depth_max) return TooDeep();
    HP_ASSIGN_OR_RETURN(Expression inner, ParseExpression());
    if (!TakeChar(')')) return FilterError(at_, "expected )");
    --depth_;
    return inner;
  }

  absl::StatusOr<Expression> ParseRestriction() {
    if (++restrictions_ > limits_.restrictions_max) {
      return FilterError(at_, fmt::format("more than {} comparisons", limits_.restrictions_max));
    }
    Expression expression;
    expression.kind = Kind::kRestriction;
    Restriction& restriction = expression.restriction;
    restriction.position = at_;
    while (at_ < text_.size() && IsNameChar(text_[at_])) restriction.field += text_[at_++];
    if (restriction.field.empty()) return FilterError(at_, "expected the name of a field");
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      restriction.has_key = true;
      HP_RETURN_IF_ERROR(ParseKey(restriction.key));
    }
    SkipSpace();
    HP_RETURN_IF_ERROR(ParseOperator(restriction.op));
    restriction.value_position = at_;
    HP_RETURN_IF_ERROR(ParseLiteral(restriction.value));
    SkipSpace();
    return expression;
  }

  absl::Status ParseKey(std::string& key) {
    const size_t start = at_;
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
      Literal quoted;
      HP_RETURN_IF_ERROR(ParseQuoted(quoted));
      if (quoted.prefix) return FilterError(start, "a key cannot end with *");
      key = std::move(quoted.text);
    } else {
      // A key may have dots itself: labels.a.b is the key "a.b".
      while (at_ < text_.size() && (IsNameChar(text_[at_]) || text_[at_] == '.')) {
        key += text_[at_++];
      }
    }
    return key.empty() ? FilterError(start, "expected a key behind the dot") : absl::OkStatus();
  }

  absl::Status ParseOperator(Op& op) {
    for (const Operator& candidate : kOperators) {
      if (text_.substr(at_, candidate.text.size()) != candidate.text) continue;
      at_ += candidate.text.size();
      op = candidate.op;
      SkipSpace();
      return absl::OkStatus();
    }
    return FilterError(at_, "expected one of = != < <= > >= : behind the field");
  }

  absl::Status ParseLiteral(Literal& literal) {
    if (at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'')) {
      return ParseQuoted(literal);
    }
    const size_t start = at_;
    while (at_ < text_.size() && IsWordChar(text_[at_])) literal.text += text_[at_++];
    if (at_ < text_.size() && text_[at_] == '*') {
      ++at_;
      literal.prefix = true;
    }
    if (at_ == start) return FilterError(at_, "expected a value; quote what is not a plain word");
    if (at_ < text_.size() && !IsSpace(text_[at_]) && text_[at_] != ')') {
      return FilterError(at_, "this character needs quotes around the value");
    }
    return absl::OkStatus();
  }

  absl::Status ParseQuoted(Literal& literal) {
    const size_t start = at_;
    const char quote = text_[at_++];
    literal.quoted = true;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (literal.prefix) return FilterError(at_ - 1, R"(* stands at the end only; write \*)");
      if (text_[at_] == '*') {
        literal.prefix = true;
      } else {
        if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
        literal.text += text_[at_];
      }
      ++at_;
    }
    if (at_ == text_.size()) return FilterError(start, "the quote is not closed");
    ++at_;
    return absl::OkStatus();
  }

  // Only a whole word is one: `ORder` is a field. Only in capitals (AIP-160).
  bool TakeKeyword(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    const size_t end = at_ + word.size();
    if (end < text_.size() && !IsSpace(text_[end]) && text_[end] != '(') return false;
    at_ = end;
    SkipSpace();
    return true;
  }

  bool TakeChar(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    SkipSpace();
    return true;
  }

  void SkipSpace() {
    while (at_ < text_.size() && IsSpace(text_[at_])) ++at_;
  }

  absl::Status TooDeep() const {
    return FilterError(at_, fmt::format("nested deeper than {}", limits_.depth_max));
  }

  static Expression Join(Kind kind, std::vector<Expression> parts) {
    if (parts.size() == 1) return std::move(parts.front());
    Expression joined;
    joined.kind = kind;
    joined.children = std::move(parts);
    return joined;
  }

  const std::string_view text_;
  const Limits& limits_;
  size_t at_ = 0;
  size_t depth_ = 0;
  size_t restrictions_ = 0;
};

absl::Status CheckText(std::string_view text, const Limits& limits) {
  if (text.size() > limits.bytes_max) {
    return FilterError(limits.bytes_max, fmt::format("longer than {} bytes", limits.bytes_max));
  }
  if (!json::IsUtf8(text)) return FilterError(0, "not UTF-8");
  for (size_t i = 0; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) < 0x20 && !IsSpace(text[i])) {
      return FilterError(i, "a control character");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view ToText(Op op) {
  for (const Operator& candidate : kOperators) {
    if (candidate.op == op) return candidate.text;
  }
  return "";
}

absl::Status FilterError(size_t position, std::string_view message) {
  return WithDetail(ErrorWithReason(absl::StatusCode::kInvalidArgument, "FILTER_INVALID",
                                    fmt::format("filter, at byte {}: {}", position, message)),
                    "position", std::to_string(position));
}

absl::StatusOr<Expression> Parse(std::string_view text, const Limits& limits) {
  HP_RETURN_IF_ERROR(CheckText(text, limits));
  return Parser(text, limits).Run();
}

}  // namespace homeport::filter
