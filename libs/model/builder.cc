#include "libs/model/builder.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <string>
#include <unordered_map>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/strings.h"
#include "libs/model/ids.h"
#include "libs/model/model_data.h"
#include "libs/model/names.h"

namespace homeport::model {
namespace {

// Every text once in one block. Texts are first announced, then the block is made, then Keep()
// gives their places in it.
class TextPool {
 public:
  std::string_view Keep(std::string_view text) {
    if (text.empty()) return {};
    const auto entry = places_.try_emplace(std::string(text)).first;
    return block_ != nullptr ? entry->second : std::string_view(entry->first);
  }

  void MakeBlock() {
    for (const auto& entry : places_) bytes_ += entry.first.size();
    block_ = std::make_unique<char[]>(bytes_);
    char* at = block_.get();
    for (auto& entry : places_) {
      std::copy(entry.first.begin(), entry.first.end(), at);
      entry.second = {at, entry.first.size()};
      at += entry.first.size();
    }
  }

  // REQUIRES: MakeBlock() was called, and Keep() only gave texts announced before it.
  void MoveTo(ModelData& data) {
    data.text = std::move(block_);
    data.text_bytes = bytes_;
  }

 private:
  std::unordered_map<std::string, std::string_view> places_;
  std::unique_ptr<char[]> block_;
  size_t bytes_ = 0;
};

// The keys of sibling specs, which have a PartText each.
template <typename Spec>
std::vector<std::string> KeysOf(const std::vector<Spec>& specs) {
  std::vector<NamedPart> parts;
  parts.reserve(specs.size());
  for (const Spec& spec : specs) {
    parts.push_back({std::string(NameFromUrn(spec.part.type)), spec.part.iid});
  }
  return AssignKeys(parts);
}

// The vectors never grow beyond what was reserved, so spans into them stay valid.
template <typename T>
void PushReserved(std::vector<T>& items, T item) {
  HP_CHECK(items.size() < items.capacity());
  items.push_back(std::move(item));
}

template <typename T>
std::span<const T> Tail(const std::vector<T>& items, size_t count) {
  return std::span<const T>(items).last(count);
}

// One run over a spec: fills the vectors in the order of the spec.
class Layout {
 public:
  Layout(const DeviceSpec& spec, TextPool& pool)
      : spec_(spec), pool_(pool), data_(std::make_unique<ModelData>()) {}

  std::unique_ptr<ModelData> Run() {
    Reserve();
    data_->urn = pool_.Keep(spec_.type);
    data_->description = pool_.Keep(spec_.description);
    const std::vector<std::string> keys = KeysOf(spec_.services);
    for (size_t i = 0; i < keys.size(); ++i) AddService(spec_.services[i], keys[i]);
    return std::move(data_);
  }

 private:
  // Where a part is found by people.
  struct Place {
    std::string_view path;
    std::string_view key;
  };

  void Reserve();
  void AddService(const ServiceSpec& spec, const std::string& key);
  void AddProperties(const ServiceSpec& spec, const std::string& service_key);
  void AddActions(const ServiceSpec& spec, const std::string& service_key);
  void AddEvents(const ServiceSpec& spec, const std::string& service_key);
  Place KeepPlace(const std::string& service_key, const std::string& key);
  std::span<const uint16_t> KeepPiids(const std::vector<uint16_t>& piids);
  Constraint KeepConstraint(const PropertySpec& spec);

  const DeviceSpec& spec_;
  TextPool& pool_;
  std::unique_ptr<ModelData> data_;
};

void Layout::Reserve() {
  size_t properties = 0, actions = 0, events = 0, listed_values = 0, piids = 0;
  for (const ServiceSpec& service : spec_.services) {
    properties += service.properties.size();
    actions += service.actions.size();
    events += service.events.size();
    for (const PropertySpec& property : service.properties) {
      listed_values += property.listed_values.size();
    }
    for (const ActionSpec& action : service.actions) piids += action.in.size() + action.out.size();
    for (const EventSpec& event : service.events) piids += event.arguments.size();
  }
  data_->services.reserve(spec_.services.size());
  data_->properties.reserve(properties);
  data_->actions.reserve(actions);
  data_->events.reserve(events);
  data_->listed_values.reserve(listed_values);
  data_->piids.reserve(piids);
}

void Layout::AddService(const ServiceSpec& spec, const std::string& key) {
  AddProperties(spec, key);
  AddActions(spec, key);
  AddEvents(spec, key);
  PushReserved(data_->services,
               Service{.siid = spec.part.iid,
                       .type = pool_.Keep(spec.part.type),
                       .key = pool_.Keep(key),
                       .description = pool_.Keep(spec.part.description),
                       .properties = Tail(data_->properties, spec.properties.size()),
                       .actions = Tail(data_->actions, spec.actions.size()),
                       .events = Tail(data_->events, spec.events.size())});
}

void Layout::AddProperties(const ServiceSpec& spec, const std::string& service_key) {
  const std::vector<std::string> keys = KeysOf(spec.properties);
  for (size_t i = 0; i < keys.size(); ++i) {
    const PropertySpec& property = spec.properties[i];
    const Place place = KeepPlace(service_key, keys[i]);
    PushReserved(data_->properties, Property{.siid = spec.part.iid,
                                             .piid = property.part.iid,
                                             .format = property.format,
                                             .access = property.access,
                                             .type = pool_.Keep(property.part.type),
                                             .path = place.path,
                                             .key = place.key,
                                             .unit = pool_.Keep(property.unit),
                                             .description = pool_.Keep(property.part.description),
                                             .constraint = KeepConstraint(property)});
  }
}

void Layout::AddActions(const ServiceSpec& spec, const std::string& service_key) {
  const std::vector<std::string> keys = KeysOf(spec.actions);
  for (size_t i = 0; i < keys.size(); ++i) {
    const ActionSpec& action = spec.actions[i];
    const Place place = KeepPlace(service_key, keys[i]);
    PushReserved(data_->actions, Action{.siid = spec.part.iid,
                                        .aiid = action.part.iid,
                                        .type = pool_.Keep(action.part.type),
                                        .path = place.path,
                                        .key = place.key,
                                        .description = pool_.Keep(action.part.description),
                                        .in = KeepPiids(action.in),
                                        .out = KeepPiids(action.out)});
  }
}

void Layout::AddEvents(const ServiceSpec& spec, const std::string& service_key) {
  const std::vector<std::string> keys = KeysOf(spec.events);
  for (size_t i = 0; i < keys.size(); ++i) {
    const EventSpec& event = spec.events[i];
    const Place place = KeepPlace(service_key, keys[i]);
    PushReserved(data_->events, Event{.siid = spec.part.iid,
                                      .eiid = event.part.iid,
                                      .type = pool_.Keep(event.part.type),
                                      .path = place.path,
                                      .key = place.key,
                                      .description = pool_.Keep(event.part.description),
                                      .arguments = KeepPiids(event.arguments)});
  }
}

Layout::Place Layout::KeepPlace(const std::string& service_key, const std::string& key) {
  const std::string_view path = pool_.Keep(fmt::format("{}.{}", service_key, key));
  return {path, path.substr(service_key.size() + 1)};
}

std::span<const uint16_t> Layout::KeepPiids(const std::vector<uint16_t>& piids) {
  for (const uint16_t piid : piids) PushReserved(data_->piids, piid);
  return Tail(data_->piids, piids.size());
}

Constraint Layout::KeepConstraint(const PropertySpec& spec) {
  if (spec.listed_values.empty()) return spec.constraint;
  for (const ListedValue& listed : spec.listed_values) {
    PushReserved(data_->listed_values, {listed.value, pool_.Keep(listed.description)});
  }
  return Tail(data_->listed_values, spec.listed_values.size());
}

template <typename Part, typename KeyOf>
std::vector<uint16_t> SortedBy(const std::vector<Part>& parts, KeyOf key_of) {
  std::vector<uint16_t> order(parts.size());
  std::iota(order.begin(), order.end(), uint16_t{0});
  std::stable_sort(order.begin(), order.end(), [&parts, &key_of](uint16_t a, uint16_t b) {
    return key_of(parts[a]) < key_of(parts[b]);
  });
  return order;
}

template <typename Part>
ModelData::Index MakeIndex(const std::vector<Part>& parts) {
  return {SortedBy(parts, [](const Part& part) { return IdKey(part); }),
          SortedBy(parts, [](const Part& part) { return part.path; })};
}

}  // namespace

Model BuildModel(const DeviceSpec& spec) {
  TextPool pool;
  (void)Layout(spec, pool).Run();  // announces the texts
  pool.MakeBlock();
  std::unique_ptr<ModelData> data = Layout(spec, pool).Run();
  pool.MoveTo(*data);
  data->service_by_id =
      SortedBy(data->services, [](const Service& service) { return service.siid; });
  data->property_index = MakeIndex(data->properties);
  data->action_index = MakeIndex(data->actions);
  data->event_index = MakeIndex(data->events);
  return Model(std::move(data));
}

}  // namespace homeport::model
