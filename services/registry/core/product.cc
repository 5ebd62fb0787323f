#include "services/registry/core/product.h"

#include <algorithm>

namespace homeport::registry {

const model::Model* Product::FindModel(int64_t number) const {
  const auto found =
      std::find_if(models.begin(), models.end(),
                   [number](const ModelVersion& candidate) { return candidate.number == number; });
  return found == models.end() ? nullptr : &found->model;
}

int64_t Product::VersionOfUrn(std::string_view urn) const {
  const auto found =
      std::find_if(models.rbegin(), models.rend(),
                   [urn](const ModelVersion& candidate) { return candidate.model.urn() == urn; });
  return found == models.rend() ? 0 : found->number;
}

int64_t Product::RunningVersion(int64_t named) const {
  return named != 0 && FindModel(named) != nullptr ? named : model_version;
}

}  // namespace homeport::registry
