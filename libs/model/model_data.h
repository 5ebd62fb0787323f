#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "libs/model/model.h"

namespace homeport::model {

// What a Model owns. All views in it point into `text`, all spans into the vectors. Private to the
// library.
struct ModelData {
  std::unique_ptr<char[]> text;
  size_t text_bytes = 0;
  std::string_view urn;
  std::string_view description;
  std::vector<Service> services;
  std::vector<Property> properties;  // those of one service stand together, as do actions, events
  std::vector<Action> actions;
  std::vector<Event> events;
  std::vector<ListedValue> listed_values;
  std::vector<uint16_t> piids;  // of all argument lists

  // Positions in the vectors above, sorted by (siid, iid) and by path.
  struct Index {
    std::vector<uint16_t> by_id;
    std::vector<uint16_t> by_path;
  };
  std::vector<uint16_t> service_by_id;
  Index property_index;
  Index action_index;
  Index event_index;
};

}  // namespace homeport::model
