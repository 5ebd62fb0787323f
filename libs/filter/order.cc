#include "libs/filter/order.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"

namespace homeport::filter {
namespace {

constexpr size_t kOrderBytesMax = 256;

absl::Status OrderError(size_t position, std::string_view message) {
  return WithDetail(ErrorWithReason(absl::StatusCode::kInvalidArgument, "ORDER_INVALID",
                                    fmt::format("order_by, at byte {}: {}", position, message)),
                    "position", std::to_string(position));
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

std::string Sortable(const Schema& schema) {
  std::vector<std::string_view> names;
  for (const Field& field : schema) {
    if (field.sortable) names.push_back(field.name);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

absl::StatusOr<OrderTerm> ParseTerm(std::string_view text, size_t position, const Schema& schema) {
  text = Trimmed(text);
  const size_t space = std::min(text.find(' '), text.size());
  const std::string_view direction = Trimmed(text.substr(space));
  if (!direction.empty() && direction != "asc" && direction != "desc") {
    return OrderError(position, "expected field, field asc or field desc");
  }
  const Field* const field = FindField(schema, text.substr(0, space));
  if (field == nullptr || !field->sortable) {
    return OrderError(position, fmt::format("sorts by {} only", Sortable(schema)));
  }
  return OrderTerm{field, direction == "desc"};
}

// Nulls would leave the order: they count as the earliest time.
std::string SortSql(const Field& field) {
  if (field.type == FieldType::kTime) {
    return fmt::format("coalesce({}, 'epoch'::timestamptz)", field.sql);
  }
  return std::string(field.sql);
}

bool IsText(const Field& field) {
  return field.type == FieldType::kText || field.type == FieldType::kEnum;
}

absl::StatusOr<Param> KeyParam(const Field& field, const std::string& key) {
  Param param;
  if (IsText(field)) {
    param.text = key;
    return param;
  }
  const char* const end = key.data() + key.size();
  const auto [last, error] = std::from_chars(key.data(), end, param.int8);
  if (error != std::errc() || last != end) {
    return ErrorWithReason(absl::StatusCode::kInvalidArgument, "PAGE_TOKEN_INVALID",
                           "page_token: not one of ours");
  }
  param.type = field.type == FieldType::kBool ? Param::Type::kBool : Param::Type::kInt8;
  return param;
}

std::string KeySql(const Field& field, size_t number) {
  switch (field.type) {
    case FieldType::kTime:
      return fmt::format("('epoch'::timestamptz + ${}::int8 * interval '1 microsecond')", number);
    case FieldType::kMillis:
      return fmt::format("${}::int8", number);
    case FieldType::kBool:
      return fmt::format("${}::bool", number);
    default:
      return fmt::format("${}::text", number);
  }
}

}  // namespace

absl::StatusOr<Order> ParseOrder(std::string_view text, const Schema& schema) {
  if (text.size() > kOrderBytesMax) return OrderError(kOrderBytesMax, "too long");
  Order order;
  size_t at = 0;
  while (!Trimmed(text).empty() && at <= text.size()) {
    const size_t end = std::min(text.find(',', at), text.size());
    if (order.size() == kOrderTermsMax) return OrderError(at, "too many fields");
    HP_ASSIGN_OR_RETURN(const OrderTerm term, ParseTerm(text.substr(at, end - at), at, schema));
    const bool again = std::any_of(order.begin(), order.end(), [&](const OrderTerm& other) {
      return other.field == term.field;
    });
    if (again) return OrderError(at, "the field is named twice");
    order.push_back(term);
    at = end + 1;
  }
  const Field* const key = &schema.front();
  const bool total = std::any_of(order.begin(), order.end(),
                                 [key](const OrderTerm& term) { return term.field == key; });
  if (!total) order.push_back({key, !order.empty() && order.back().descending});
  return order;
}

std::string KeyColumns(const Order& order) {
  std::vector<std::string> columns;
  for (const OrderTerm& term : order) {
    const std::string expression = SortSql(*term.field);
    switch (term.field->type) {
      case FieldType::kTime:
        columns.push_back(fmt::format("(extract(epoch FROM {}) * 1000000)::int8", expression));
        break;
      case FieldType::kBool:
        columns.push_back(fmt::format("({})::int", expression));
        break;
      default:
        columns.push_back(expression);
    }
  }
  return fmt::format("{}", fmt::join(columns, ", "));
}

std::string OrderBy(const Order& order) {
  std::vector<std::string> terms;
  for (const OrderTerm& term : order) {
    terms.push_back(SortSql(*term.field) + (term.descending ? " DESC" : ""));
  }
  return fmt::format("{}", fmt::join(terms, ", "));
}

// (a > x) OR (a = x AND b > y) OR …
absl::StatusOr<Condition> Behind(const Order& order, const std::vector<std::string>& keys,
                                 size_t first_param) {
  Condition condition;
  std::string equal;
  for (size_t i = 0; i < order.size(); ++i) {
    const Field& field = *order[i].field;
    HP_ASSIGN_OR_RETURN(Param param, KeyParam(field, keys[i]));
    condition.params.push_back(std::move(param));
    const std::string expression = SortSql(field);
    const std::string key = KeySql(field, first_param + i);
    if (i > 0) condition.where += " OR ";
    condition.where +=
        fmt::format("({}{} {} {})", equal, expression, order[i].descending ? "<" : ">", key);
    equal += fmt::format("{} = {} AND ", expression, key);
  }
  return condition;
}

}  // namespace homeport::filter
