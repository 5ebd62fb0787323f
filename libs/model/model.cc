#include "libs/model/model.h"

#include <algorithm>
#include <utility>

#include "libs/model/ids.h"
#include "libs/model/model_data.h"

namespace homeport::model {
namespace {

// The part whose key, by `key_of`, is `wanted`; `order` is sorted by it.
template <typename Part, typename Key, typename KeyOf>
const Part* Search(const std::vector<Part>& parts, const std::vector<uint16_t>& order,
                   const Key& wanted, KeyOf key_of) {
  const auto at = std::lower_bound(order.begin(), order.end(), wanted,
                                   [&parts, &key_of](uint16_t position, const Key& key) {
                                     return key_of(parts[position]) < key;
                                   });
  if (at == order.end() || key_of(parts[*at]) != wanted) return nullptr;
  return &parts[*at];
}

template <typename Part>
const Part* SearchId(const std::vector<Part>& parts, const std::vector<uint16_t>& by_id,
                     uint32_t siid, uint32_t iid) {
  return Search(parts, by_id, IdKey(siid, iid), [](const Part& part) { return IdKey(part); });
}

template <typename Part>
const Part* SearchPath(const std::vector<Part>& parts, const std::vector<uint16_t>& by_path,
                       std::string_view path) {
  return Search(parts, by_path, path, [](const Part& part) { return part.path; });
}

template <typename T>
size_t Bytes(const std::vector<T>& items) {
  return items.capacity() * sizeof(T);
}

}  // namespace

Model::Model(std::unique_ptr<const ModelData> data) : data_(std::move(data)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

std::string_view Model::urn() const { return data_->urn; }
std::string_view Model::description() const { return data_->description; }
std::span<const Service> Model::services() const { return data_->services; }
std::span<const Property> Model::properties() const { return data_->properties; }
std::span<const Action> Model::actions() const { return data_->actions; }
std::span<const Event> Model::events() const { return data_->events; }

const Service* Model::FindService(uint32_t siid) const {
  return Search(data_->services, data_->service_by_id, siid,
                [](const Service& service) { return uint32_t{service.siid}; });
}

const Property* Model::FindProperty(uint32_t siid, uint32_t piid) const {
  return SearchId(data_->properties, data_->property_index.by_id, siid, piid);
}

const Action* Model::FindAction(uint32_t siid, uint32_t aiid) const {
  return SearchId(data_->actions, data_->action_index.by_id, siid, aiid);
}

const Event* Model::FindEvent(uint32_t siid, uint32_t eiid) const {
  return SearchId(data_->events, data_->event_index.by_id, siid, eiid);
}

const Service* Model::FindService(std::string_view key) const {
  const auto found = std::find_if(data_->services.begin(), data_->services.end(),
                                  [key](const Service& service) { return service.key == key; });
  return found == data_->services.end() ? nullptr : &*found;
}

const Property* Model::FindProperty(std::string_view path) const {
  return SearchPath(data_->properties, data_->property_index.by_path, path);
}

const Action* Model::FindAction(std::string_view path) const {
  return SearchPath(data_->actions, data_->action_index.by_path, path);
}

const Event* Model::FindEvent(std::string_view path) const {
  return SearchPath(data_->events, data_->event_index.by_path, path);
}

size_t Model::MemoryBytes() const {
  const ModelData& d = *data_;
  size_t bytes = sizeof(ModelData) + d.text_bytes + Bytes(d.services) + Bytes(d.properties) +
                 Bytes(d.actions) + Bytes(d.events) + Bytes(d.listed_values) + Bytes(d.piids) +
                 Bytes(d.service_by_id);
  for (const ModelData::Index* index : {&d.property_index, &d.action_index, &d.event_index}) {
    bytes += Bytes(index->by_id) + Bytes(index->by_path);
  }
  return bytes;
}

}  // namespace homeport::model
