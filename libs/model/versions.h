#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "libs/model/model.h"

namespace homeport::model {

// A version of a product's model, as the registry numbers them from 1.
struct Version {
  int64_t number = 0;
  Model model;
};

// All versions of a product's model, in the order of their numbers, and the current one; 0: its
// devices have no model. What gateways and the registry judge a device by is found here. Pure.
struct Versions {
  std::span<const Version> all;
  int64_t current = 0;

  // Null where there is no such version.
  [[nodiscard]] const Model* Find(int64_t number) const;
  // The newest version with that URN; 0 where there is none.
  [[nodiscard]] int64_t OfUrn(std::string_view urn) const;
  // The version that a device runs which says it runs `named`; 0 stands for nothing said.
  [[nodiscard]] int64_t Running(int64_t named) const;
};

}  // namespace homeport::model
