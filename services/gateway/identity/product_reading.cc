#include "services/gateway/identity/product_reading.h"

#include <utility>

#include "libs/base/log.h"
#include "libs/base/status.h"
#include "libs/model/parse.h"
#include "libs/rpc/topic_rules.h"

namespace homeport::gateway {
namespace {

constexpr int kBeginningsMax = 4;

}  // namespace

internal::v1::GetProductConfigRequest ProductReading::Next() const {
  internal::v1::GetProductConfigRequest request;
  request.set_product(product_);
  request.set_models_after(models_up_to_);
  if (known_ != nullptr) request.set_known_revision(known_->revision);
  return request;
}

bool ProductReading::Take(internal::v1::ProductConfig answer) {
  const bool has_changed = models_up_to_ > 0 && answer.revision() != last_.revision();
  if (has_changed) {
    models_.clear();
    models_up_to_ = 0;
    return ++beginnings_ > kBeginningsMax;
  }
  last_ = std::move(answer);
  if (IsKnown()) return true;
  const int64_t before = models_up_to_;
  for (const internal::v1::ModelConfig& version : last_.models()) {
    if (version.number() > models_up_to_) Add(version);
  }
  is_stuck_ = last_.more_models() && models_up_to_ == before;
  return is_stuck_ || !last_.more_models();
}

bool ProductReading::IsKnown() const {
  return known_ != nullptr && !last_.revision().empty() && known_->revision == last_.revision();
}

// A model that cannot be used does not keep the product's other devices away.
void ProductReading::Add(const internal::v1::ModelConfig& version) {
  models_up_to_ = version.number();
  absl::StatusOr<model::Model> parsed = model::ParseModel(std::string_view(version.json()));
  if (parsed.ok()) {
    models_.push_back({version.number(), *std::move(parsed)});
    return;
  }
  log::Refusal("model_unusable", {{"product", product_},
                                  {"version", version.number()},
                                  {"error", parsed.status()},
                                  {"next", "devices that run it are taken to have none"}});
}

ProductReading::Product ProductReading::Known() const {
  if (known_->allow_unregistered == last_.allow_unregistered()) return known_;
  auto info = std::make_shared<ProductInfo>(*known_);
  info->allow_unregistered = last_.allow_unregistered();
  return info;
}

absl::StatusOr<ProductReading::Product> ProductReading::Result(TenantUsages& usages) {
  if (beginnings_ > kBeginningsMax) {
    return absl::AbortedError("the product changes faster than it can be read");
  }
  if (is_stuck_) return absl::InternalError("the registry has more models and does not send them");
  if (IsKnown()) return Known();
  auto info = std::make_shared<ProductInfo>();
  info->product = last_.product();
  info->tenant = last_.tenant();
  info->usage = usages.Of(info->tenant);
  info->fleet_key = last_.fleet_key();
  info->revision = last_.revision();
  info->allow_unregistered = last_.allow_unregistered();
  info->is_hub = last_.is_hub();
  info->model_version = last_.model_version();
  info->models = std::make_shared<const std::vector<model::Version>>(std::move(models_));
  HP_ASSIGN_OR_RETURN(info->policy,
                      auth::AccessPolicy::Compile(rpc::ToRules(last_.topic_policy())));
  return Product(std::move(info));
}

}  // namespace homeport::gateway
