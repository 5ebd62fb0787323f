#include "libs/model/versions.h"

#include <algorithm>

namespace homeport::model {

const Model* Versions::Find(int64_t number) const {
  const auto found = std::find_if(all.begin(), all.end(), [number](const Version& candidate) {
    return candidate.number == number;
  });
  return found == all.end() ? nullptr : &found->model;
}

int64_t Versions::OfUrn(std::string_view urn) const {
  const auto found = std::find_if(all.rbegin(), all.rend(), [urn](const Version& candidate) {
    return candidate.model.urn() == urn;
  });
  return found == all.rend() ? 0 : found->number;
}

int64_t Versions::Running(int64_t named) const {
  return named != 0 && Find(named) != nullptr ? named : current;
}

}  // namespace homeport::model
