#include "services/registry/api/upgrade_check.h"

#include <vector>

#include "libs/base/reason.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/model/parse.h"
#include "services/registry/api/call.h"

namespace homeport::registry {
namespace {

constexpr std::string_view kReason = "MODEL_BREAKING";
// Clients take 8 KiB of trailers; this much of it is spent on differences.
constexpr size_t kDifferenceBytesMax = 3000;

std::vector<rpc::FieldViolation> Violations(const model::Comparison& comparison) {
  std::vector<rpc::FieldViolation> violations;
  size_t bytes = 0;
  for (const model::Difference& difference : comparison.differences) {
    if (difference.upgrade != model::Upgrade::kBreaking) continue;
    std::string text = difference.ToString();
    bytes += difference.path.size() + text.size();
    if (bytes > kDifferenceBytesMax) break;
    violations.push_back({difference.path, std::move(text)});
  }
  return violations;
}

}  // namespace

grpc::Status CheckModelJson(const std::string& model) {
  const absl::Status parsed = model::ParseModel(model).status();
  if (parsed.ok()) return grpc::Status::OK;
  const std::string message = Message(parsed);
  const size_t colon = message.find(':');
  return rpc::MakeError(grpc::StatusCode::INVALID_ARGUMENT, "MODEL_INVALID", message,
                        {{"path", colon == std::string::npos ? "" : message.substr(0, colon)}});
}

ModelGate UpgradeCheck::gate() {
  return [this](const std::string& was, const std::string& now) { return Check(was, now); };
}

absl::Status UpgradeCheck::Check(const std::string& was, const std::string& now) {
  if (was.empty()) {
    comparison_.upgrade = model::Upgrade::kAdditive;
    return absl::OkStatus();
  }
  if (now.empty()) {
    comparison_.upgrade = model::Upgrade::kBreaking;
    comparison_.differences = {
        {model::Upgrade::kBreaking, model::Aspect::kPart, "device", "a model", ""}};
  } else {
    HP_ASSIGN_OR_RETURN(const model::Model old_model, model::ParseModel(was));
    HP_ASSIGN_OR_RETURN(const model::Model new_model, model::ParseModel(now));
    comparison_ = model::Compare(old_model, new_model);
  }
  if (comparison_.upgrade != model::Upgrade::kBreaking || allow_breaking_) return absl::OkStatus();
  const std::vector<rpc::FieldViolation> violations = Violations(comparison_);
  return ErrorWithReason(
      absl::StatusCode::kFailedPrecondition, kReason,
      fmt::format("the new model breaks the present one, and allow_breaking is not set: {}",
                  violations.empty() ? "" : violations.front().description));
}

grpc::Status UpgradeCheck::ToAnswer(const absl::Status& status) const {
  if (ReasonOf(status) != kReason) return registry::ToAnswer(status);
  return rpc::MakeError(grpc::StatusCode::FAILED_PRECONDITION, kReason, Message(status),
                        {{"upgrade", std::string(ToText(comparison_.upgrade))},
                         {"differences", std::to_string(comparison_.differences.size())}},
                        Violations(comparison_));
}

}  // namespace homeport::registry
