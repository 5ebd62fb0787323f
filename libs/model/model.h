#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

namespace homeport::model {

// A product model in the terms of MIoT-Spec-V2: services with properties, actions and
// events, each numbered by an iid that is unique among its siblings of one kind, not dense.
enum class Format : uint8_t {
  kBool,
  kUint8,
  kUint16,
  kUint32,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kFloat,
  kString,
};

// Any subset. None at all: the property is used only as an argument of actions or events.
enum Access : uint8_t { kRead = 1, kWrite = 2, kNotify = 4 };

struct IntRange {
  int64_t min, max, step;  // min <= max, step > 0, a whole number of steps between
};
struct FloatRange {
  double min, max, step;
};
struct ListedValue {
  int64_t value;  // meaning goes with the value, never with its place in the list
  std::string_view description;
};
using ValueList = std::span<const ListedValue>;
using Constraint = std::variant<std::monostate, IntRange, FloatRange, ValueList>;

// What all parts have. `key` is the part's name on paths: the URN's name, with -<iid> appended
// where siblings share it (then all of them get it).
struct Property {
  uint16_t siid, piid;
  Format format;
  uint8_t access;         // bits of Access
  std::string_view type;  // URN as given
  std::string_view path;  // <service key>.<property key>, the shadow's reported.<..>.<..>
  std::string_view key;   // the second half of path
  std::string_view unit;  // "" when none
  std::string_view description;
  Constraint constraint;
  [[nodiscard]] bool Can(Access wanted) const { return (access & wanted) != 0; }
};

struct Action {
  uint16_t siid, aiid;
  std::string_view type, path, key, description;
  std::span<const uint16_t> in, out;  // piids of the same service
};

struct Event {
  uint16_t siid, eiid;
  std::string_view type, path, key, description;
  std::span<const uint16_t> arguments;  // piids of the same service
};

struct Service {
  uint16_t siid;
  std::string_view type, key, description;
  std::span<const Property> properties;  // in the order of the spec
  std::span<const Action> actions;
  std::span<const Event> events;
};

struct ModelData;

// Immutable after ParseModel (model/parse.h) and then safe from any thread. Owns every text its
// parts point to: views, spans and pointers live as long as the Model and survive moving it.
// Compact, so that a pod can hold a whole catalogue: texts once each in one block.
class Model {
 public:
  explicit Model(std::unique_ptr<const ModelData> data);  // for ParseModel
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  [[nodiscard]] std::string_view urn() const;
  [[nodiscard]] std::string_view description() const;
  [[nodiscard]] std::span<const Service> services() const;
  [[nodiscard]] std::span<const Property> properties() const;  // of all services, in order
  [[nodiscard]] std::span<const Action> actions() const;
  [[nodiscard]] std::span<const Event> events() const;

  // Null when there is none. Logarithmic.
  [[nodiscard]] const Service* FindService(uint32_t siid) const;
  [[nodiscard]] const Property* FindProperty(uint32_t siid, uint32_t piid) const;
  [[nodiscard]] const Action* FindAction(uint32_t siid, uint32_t aiid) const;
  [[nodiscard]] const Event* FindEvent(uint32_t siid, uint32_t eiid) const;
  // By "<service key>.<key>".
  [[nodiscard]] const Service* FindService(std::string_view key) const;
  [[nodiscard]] const Property* FindProperty(std::string_view path) const;
  [[nodiscard]] const Action* FindAction(std::string_view path) const;
  [[nodiscard]] const Event* FindEvent(std::string_view path) const;

  // Bytes on the heap, for the memory gauge.
  [[nodiscard]] size_t MemoryBytes() const;

 private:
  std::unique_ptr<const ModelData> data_;
};

}  // namespace homeport::model
