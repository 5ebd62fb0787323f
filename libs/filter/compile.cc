#include "libs/filter/compile.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::filter {
namespace {

bool IsNumber(std::string_view text) {
  if (!text.empty() && (text.front() == '-' || text.front() == '+')) text.remove_prefix(1);
  const size_t dot = std::min(text.find('.'), text.size());
  const auto digits = [](std::string_view part) {
    return !part.empty() &&
           std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
  };
  if (dot == text.size()) return digits(text);
  return digits(text.substr(0, dot)) && digits(text.substr(dot + 1));
}

std::string_view Named(Field::NameForm form, std::string_view value) {
  if (form == Field::NameForm::kLastId) return value.substr(value.rfind('/') + 1);
  if (form == Field::NameForm::kUnderTenant && value.starts_with("tenants/")) {
    const size_t end = value.find('/', std::string_view("tenants/").size());
    if (end != std::string_view::npos) return value.substr(end + 1);
  }
  return value;
}

std::string LikePattern(std::string_view prefix) {
  std::string pattern;
  for (const char c : prefix) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + '%';
}

// Follows the bounded depth of the expression.
class Compiler {
 public:
  Compiler(const Schema& schema, size_t first_param) : schema_(schema), next_(first_param) {}

  absl::StatusOr<Condition> Run(const Expression& expression) {
    HP_RETURN_IF_ERROR(Add(expression));
    return std::move(out_);
  }

 private:
  using Kind = Expression::Kind;

  absl::Status Add(const Expression& expression) {
    switch (expression.kind) {
      case Kind::kRestriction:
        return AddRestriction(expression.restriction);
      case Kind::kNot:
        Write("(");
        HP_RETURN_IF_ERROR(Add(expression.children.front()));
        Write(") IS NOT TRUE");
        return absl::OkStatus();
      case Kind::kAll:
        return AddJoined(expression.children, " AND ");
      case Kind::kAny:
        return AddJoined(expression.children, " OR ");
    }
    return absl::OkStatus();
  }

  absl::Status AddJoined(const std::vector<Expression>& children, std::string_view separator) {
    if (children.empty()) Write("true");
    for (size_t i = 0; i < children.size(); ++i) {
      Write(i == 0 ? "(" : separator);
      // IS NOT TRUE binds closer than AND, but not closer than an operator.
      Write("(");
      HP_RETURN_IF_ERROR(Add(children[i]));
      Write(")");
    }
    if (!children.empty()) Write(")");
    return absl::OkStatus();
  }

  absl::Status AddRestriction(const Restriction& restriction) {
    const Field* const field = FindField(schema_, restriction.field);
    if (field == nullptr) {
      return FilterError(restriction.position,
                         fmt::format("no field {}; known are {}", restriction.field, Names()));
    }
    if (restriction.has_key && field->type != FieldType::kMap) {
      return FilterError(restriction.position, fmt::format("{} has no keys", field->name));
    }
    if (restriction.op == Op::kNotEqual) {
      Restriction equal = restriction;
      equal.op = Op::kEqual;
      Write("(");
      HP_RETURN_IF_ERROR(AddTyped(*field, equal));
      Write(") IS NOT TRUE");
      return absl::OkStatus();
    }
    return AddTyped(*field, restriction);
  }

  absl::Status AddTyped(const Field& field, const Restriction& restriction) {
    switch (field.type) {
      case FieldType::kText:
        return AddText(field, restriction);
      case FieldType::kEnum:
        return AddEnum(field, restriction);
      case FieldType::kBool:
        return AddBool(field, restriction);
      case FieldType::kTime:
      case FieldType::kMillis:
        return AddTime(field, restriction);
      case FieldType::kMap:
        return restriction.has_key ? AddMapValue(field, restriction)
                                   : AddMapKey(field, restriction);
      case FieldType::kList:
        return AddList(field, restriction);
    }
    return absl::OkStatus();
  }

  absl::Status AddText(const Field& field, const Restriction& restriction) {
    const std::string_view value = Named(field.name_form, restriction.value.text);
    const bool equality = restriction.op == Op::kEqual || restriction.op == Op::kHas;
    if (restriction.value.any() && equality) {
      Write(fmt::format("{} <> ''", field.sql));
    } else if (restriction.value.prefix) {
      if (!equality) return NoPrefix(restriction);
      Write(fmt::format("{} LIKE {}", field.sql, Text(LikePattern(value))));
    } else {
      Write(fmt::format("{} {} {}", field.sql, Sign(restriction.op), Text(value)));
    }
    return absl::OkStatus();
  }

  absl::Status AddEnum(const Field& field, const Restriction& restriction) {
    HP_RETURN_IF_ERROR(OnlyEquality(field, restriction));
    const std::string_view value = restriction.value.text;
    if (std::find(field.values.begin(), field.values.end(), value) == field.values.end()) {
      return FilterError(restriction.value_position,
                         fmt::format("{} is one of {}", field.name, fmt::join(field.values, ", ")));
    }
    Write(fmt::format("{} = {}", field.sql, Text(value)));
    return absl::OkStatus();
  }

  absl::Status AddBool(const Field& field, const Restriction& restriction) {
    HP_RETURN_IF_ERROR(OnlyEquality(field, restriction));
    const std::string& value = restriction.value.text;
    if (value != "true" && value != "false") {
      return FilterError(restriction.value_position,
                         fmt::format("{} is true or false", field.name));
    }
    Param param;
    param.type = Param::Type::kBool;
    param.int8 = value == "true" ? 1 : 0;
    Write(fmt::format("{} = {}", field.sql, Bind(std::move(param), "bool")));
    return absl::OkStatus();
  }

  absl::Status AddTime(const Field& field, const Restriction& restriction) {
    const bool millis = field.type == FieldType::kMillis;
    if (restriction.value.any() && restriction.op != Op::kEqual && restriction.op != Op::kHas) {
      return NoPrefix(restriction);
    }
    if (restriction.value.any()) {
      Write(fmt::format("{} {}", field.sql, millis ? "> 0" : "IS NOT NULL"));
      return absl::OkStatus();
    }
    if (restriction.value.prefix) return NoPrefix(restriction);
    const absl::StatusOr<int64_t> micros = ParseTimeMicros(restriction.value.text);
    if (!micros.ok()) return FilterError(restriction.value_position, Message(micros.status()));
    Param param;
    param.type = Param::Type::kInt8;
    param.int8 = millis ? *micros / 1000 : *micros;
    const std::string bound = Bind(std::move(param), "int8");
    if (millis) {
      Write(fmt::format("({0} > 0 AND {0} {1} {2})", field.sql, Sign(restriction.op), bound));
    } else {
      Write(fmt::format("{} {} 'epoch'::timestamptz + {} * interval '1 microsecond'", field.sql,
                        Sign(restriction.op), bound));
    }
    return absl::OkStatus();
  }

  // field:key, field:*
  absl::Status AddMapKey(const Field& field, const Restriction& restriction) {
    if (restriction.op != Op::kHas) {
      return FilterError(restriction.position,
                         fmt::format("{0} has keys: write {0}.key or {0}:key", field.name));
    }
    if (restriction.value.any()) {
      Write(fmt::format("{} <> '{{}}'::jsonb", field.sql));
      return absl::OkStatus();
    }
    if (restriction.value.prefix) return NoPrefix(restriction);
    Write(fmt::format("{} ? {}", field.sql, Text(restriction.value.text)));
    return absl::OkStatus();
  }

  // field.key op value
  absl::Status AddMapValue(const Field& field, const Restriction& restriction) {
    const Literal& value = restriction.value;
    const bool equality = restriction.op == Op::kEqual || restriction.op == Op::kHas;
    if (value.prefix && !equality) return NoPrefix(restriction);
    const std::string key = Text(restriction.key);
    if (value.any()) {
      Write(fmt::format("{} ? {}", field.sql, key));
    } else if (value.prefix) {
      Write(fmt::format("({} ->> {}) LIKE {}", field.sql, key, Text(LikePattern(value.text))));
    } else if (equality) {
      // Containment in what is not empty is what the (partial) index on the map answers.
      Write(fmt::format("({0} <> '{{}}'::jsonb AND {0} @> jsonb_build_object({1}, {2}))", field.sql,
                        key, Text(value.text)));
    } else if (!value.quoted && IsNumber(value.text)) {
      Write(
          fmt::format("CASE WHEN {0} ->> {1} ~ '^[-+]?[0-9]{{1,30}}([.][0-9]{{1,30}})?$' "
                      "THEN ({0} ->> {1})::numeric {2} {3}::numeric ELSE false END",
                      field.sql, key, Sign(restriction.op), Text(value.text)));
    } else {
      Write(fmt::format("({} ->> {}) COLLATE \"C\" {} {}", field.sql, key, Sign(restriction.op),
                        Text(value.text)));
    }
    return absl::OkStatus();
  }

  absl::Status AddList(const Field& field, const Restriction& restriction) {
    if (restriction.op != Op::kHas) {
      return FilterError(restriction.position, fmt::format("write {}:value", field.name));
    }
    if (restriction.value.any()) {
      Write(fmt::format("{} <> '{{}}'::text[]", field.sql));
      return absl::OkStatus();
    }
    if (restriction.value.prefix) return NoPrefix(restriction);
    Write(fmt::format("({0} <> '{{}}'::text[] AND {0} @> ARRAY[{1}])", field.sql,
                      Text(restriction.value.text)));
    return absl::OkStatus();
  }

  static absl::Status OnlyEquality(const Field& field, const Restriction& restriction) {
    if (restriction.op != Op::kEqual && restriction.op != Op::kHas) {
      return FilterError(restriction.position, fmt::format("{} takes = and != only, not {}",
                                                           field.name, ToText(restriction.op)));
    }
    return restriction.value.prefix ? NoPrefix(restriction) : absl::OkStatus();
  }

  static absl::Status NoPrefix(const Restriction& restriction) {
    return FilterError(
        restriction.value_position,
        fmt::format("* cannot be used with {} {}", restriction.field, ToText(restriction.op)));
  }

  static std::string_view Sign(Op op) { return op == Op::kHas ? "=" : ToText(op); }

  std::string Names() const {
    std::vector<std::string_view> names;
    for (const Field& field : schema_) names.push_back(field.name);
    return fmt::format("{}", fmt::join(names, ", "));
  }

  std::string Text(std::string_view value) {
    Param param;
    param.text = std::string(value);
    return Bind(std::move(param), "text");
  }

  std::string Bind(Param param, std::string_view type) {
    out_.params.push_back(std::move(param));
    return fmt::format("${}::{}", next_++, type);
  }

  void Write(std::string_view sql) { out_.where += sql; }

  const Schema& schema_;
  size_t next_;
  Condition out_;
};

}  // namespace

const Field* FindField(const Schema& schema, std::string_view name) {
  for (const Field& field : schema) {
    if (field.name == name) return &field;
  }
  return nullptr;
}

absl::StatusOr<Condition> Compile(const Expression& expression, const Schema& schema,
                                  size_t first_param) {
  return Compiler(schema, first_param).Run(expression);
}

absl::StatusOr<int64_t> ParseTimeMicros(std::string_view text) {
  absl::Time time;
  std::string error;
  const absl::Time first = absl::FromUnixSeconds(-62'135'596'800);
  const absl::Time last = absl::FromUnixSeconds(253'402'300'800);
  const bool parsed = absl::ParseTime(absl::RFC3339_full,
                                      absl::string_view(text.data(), text.size()), &time, &error);
  if (!parsed || time < first || time >= last) {
    return absl::InvalidArgumentError("not a time like \"2026-01-31T12:00:00Z\"");
  }
  return absl::ToUnixMicros(time);
}

}  // namespace homeport::filter
