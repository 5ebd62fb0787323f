#include "services/fleet/sim/device_sim.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include "libs/base/check.h"
#include "services/fleet/sim/behaviours.h"

namespace homeport::fleet {
namespace {

constexpr double kDayS = 24 * 3600;
constexpr double kNoiseShare = 0.1;  // of a daily wave's height
constexpr double kReplacedAt = 5;    // percent at which somebody changes the battery

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

double Stepped(double value, double min, double max, double step) {
  const double on_step = step > 0 ? min + std::round((value - min) / step) * step : value;
  return std::clamp(on_step, min, max);
}

// The nearest value that the property can have.
json::Value Fit(const model::Property& property, double value) {
  if (property.format == model::Format::kBool) return value != 0;
  value = std::visit(
      Overloaded{[&](const model::IntRange& r) {
                   return Stepped(value, static_cast<double>(r.min), static_cast<double>(r.max),
                                  static_cast<double>(r.step));
                 },
                 [&](const model::FloatRange& r) { return Stepped(value, r.min, r.max, r.step); },
                 [&](const auto&) { return value; }},
      property.constraint);
  if (property.format == model::Format::kFloat) {
    return std::round(value * 1e6) / 1e6;  // prints as short as it is
  }
  return static_cast<int64_t>(std::llround(value));
}

double ToNumber(const json::Value& value) {
  if (const bool* flag = value.IfBool()) return *flag ? 1 : 0;
  return value.ToDouble().value_or(0);
}

json::Value FirstText(const Kind& kind, const model::Property& property, std::string_view id) {
  if (property.key == "manufacturer") return "Homeport";
  if (property.key == "model") return kind.spec.product;
  if (property.key == "serial-number") return id;
  return "1.0.0";
}

}  // namespace

DeviceSim::DeviceSim(const Kind& kind, std::string_view id, uint64_t seed)
    : kind_(kind), random_(seed), phase_(Uniform(0, 2 * std::numbers::pi)) {
  for (const model::Property& property : kind.model.properties()) {
    values_.push_back(property.format == model::Format::kString ? FirstText(kind, property, id)
                                                                : Fit(property, 0));
  }
  gates_.resize(kind.rules.size());
  for (const Kind::Rule& rule : kind.rules) {
    raw_.push_back(FirstValue(*rule.spec));
    values_[kind.IndexOf(*rule.property)] = Fit(*rule.property, raw_.back());
  }
}

double DeviceSim::Uniform(double from, double to) {
  return std::uniform_real_distribution<double>(from, to)(random_);
}

double DeviceSim::FirstValue(const PropertyRule& rule) {
  return rule.signal == Signal::kWalk ? rule.base + Uniform(-rule.spread, rule.spread) : rule.base;
}

bool DeviceSim::Happens(double passed_s, double mean_interval_s) {
  return Uniform(0, 1) < 1 - std::exp(-passed_s / mean_interval_s);
}

double DeviceSim::Number(std::string_view path) const {
  const model::Property* property = kind_.model.FindProperty(path);
  HP_CHECK(property != nullptr);
  return ToNumber(Get(*property));
}

void DeviceSim::Write(std::string_view path, double value) {
  const model::Property* property = kind_.model.FindProperty(path);
  HP_CHECK(property != nullptr);
  Write(*property, Fit(*property, value));
}

void DeviceSim::Write(const model::Property& property, json::Value value) {
  json::Value& stored = values_[kind_.IndexOf(property)];
  const bool changed = stored != value;
  stored = std::move(value);
  if (in_command_ && property.Can(model::kNotify) &&
      std::find(commanded_.begin(), commanded_.end(), &property) == commanded_.end()) {
    commanded_.push_back(&property);
  }
  if (changed && property.format == model::Format::kBool) EmitFor(property, *stored.IfBool());
}

void DeviceSim::EmitFor(const model::Property& property, bool value) {
  for (const Kind::BooleanEvents& rule : kind_.events) {
    if (rule.property == &property) {
      events_.push_back({value ? rule.when_true : rule.when_false, {}});
    }
  }
}

void DeviceSim::Emit(std::string_view path, json::Array arguments) {
  const model::Event* event = kind_.model.FindEvent(path);
  HP_CHECK(event != nullptr);
  events_.push_back({event, std::move(arguments)});
}

void DeviceSim::Advance(const Passed& passed) {
  clock_s_ += passed.device_s;
  commanded_ago_s_ = std::min(commanded_ago_s_ + passed.real_s, kLeftAloneS);
  for (size_t i = 0; i < kind_.rules.size(); ++i) MoveSignal(i, passed);
  const BehaviourFunctions& functions = FunctionsOf(kind_.spec.behaviour);
  if (functions.advance != nullptr) functions.advance(*this, passed);
}

void DeviceSim::MoveSignal(size_t i, const Passed& passed) {
  const Kind::Rule& rule = kind_.rules[i];
  const PropertyRule& spec = *rule.spec;
  const double current = ToNumber(Get(*rule.property));
  double& raw = raw_[i];
  switch (spec.signal) {
    case Signal::kHeld:
      return;
    case Signal::kToggle:
    case Signal::kPick: {
      if (left_alone() || !Happens(passed.device_s, spec.period_s)) return;
      const double other =
          spec.signal == Signal::kToggle ? 1 - current : PickOther(*rule.property, current);
      Write(*rule.property, Fit(*rule.property, other));
      const BehaviourFunctions& functions = FunctionsOf(kind_.spec.behaviour);
      if (functions.was_set != nullptr) functions.was_set(*this, *rule.property, true);
      return;
    }
    case Signal::kDaily: {
      const double wave = std::sin(2 * std::numbers::pi * clock_s_ / kDayS + phase_);
      raw = spec.base + spec.spread * (wave + Uniform(-kNoiseShare, kNoiseShare));
      break;
    }
    case Signal::kWalk: {
      const double forgotten = 1 - std::exp(-passed.device_s / spec.period_s);
      raw += (spec.base - raw) * forgotten + Uniform(-1, 1) * spec.spread * std::sqrt(forgotten);
      break;
    }
    case Signal::kDrain:
      // A command may have set it anew; the fraction of a percent does not matter then.
      raw = (std::abs(raw - current) <= 1 ? raw : current) - passed.device_s / spec.period_s;
      if (raw < kReplacedAt) raw = 100;
      break;
    case Signal::kPower:
      raw = ToNumber(Get(*rule.source)) != 0 ? spec.base * (1 + Uniform(-spec.spread, spec.spread))
                                             : 0;
      break;
    case Signal::kEnergy:
      raw += ToNumber(Get(*rule.source)) * passed.device_s / 3.6e6;
      break;
  }
  Write(*rule.property, Fit(*rule.property, raw));
}

double DeviceSim::PickOther(const model::Property& property, double current) {
  const auto between = [&](double min, double max, double step) {
    const double picked = Stepped(Uniform(min, max), min, max, step);
    return picked != current ? picked : current == min ? max : min;
  };
  return std::visit(
      Overloaded{[&](const model::IntRange& r) {
                   return between(static_cast<double>(r.min), static_cast<double>(r.max),
                                  static_cast<double>(r.step));
                 },
                 [&](const model::FloatRange& r) { return between(r.min, r.max, r.step); },
                 [&](const model::ValueList& list) {
                   auto at = std::uniform_int_distribution<size_t>(0, list.size() - 1);
                   return static_cast<double>(list[at(random_)].value);
                 },
                 [&](std::monostate) { return current; }},
      property.constraint);
}

void DeviceSim::Set(const model::Property& property, const json::Value& value) {
  in_command_ = true;
  commanded_ago_s_ = 0;
  Write(property, value);
  const BehaviourFunctions& functions = FunctionsOf(kind_.spec.behaviour);
  if (functions.was_set != nullptr) functions.was_set(*this, property, false);
  in_command_ = false;
}

DeviceSim::ActionResult DeviceSim::Act(const model::Action& action, const json::Array& /*in*/) {
  in_command_ = true;
  commanded_ago_s_ = 0;
  ActionResult result = FunctionsOf(kind_.spec.behaviour).act(*this, action);
  in_command_ = false;
  return result;
}

void DeviceSim::Reported(const Properties& properties) {
  for (const model::Property* property : properties) {
    for (size_t i = 0; i < kind_.rules.size(); ++i) {
      if (kind_.rules[i].property == property) {
        gates_[i].Reported(clock_s_, ToNumber(Get(*property)));
      }
    }
  }
}

DeviceSim::Properties DeviceSim::TakeCommanded() {
  Properties taken = std::exchange(commanded_, {});
  Reported(taken);
  return taken;
}

DeviceSim::Properties DeviceSim::TakeDue() {
  Properties taken;
  for (size_t i = 0; i < kind_.rules.size(); ++i) {
    const Kind::Rule& rule = kind_.rules[i];
    const double value = ToNumber(Get(*rule.property));
    if (gates_[i].Due(rule.spec->report, clock_s_, value)) taken.push_back(rule.property);
  }
  Reported(taken);
  return taken;
}

DeviceSim::Properties DeviceSim::TakeStalest() {
  const Kind::Rule* stalest = nullptr;
  double most = -1;
  for (size_t i = 0; i < kind_.rules.size(); ++i) {
    const double staleness = gates_[i].Staleness(kind_.rules[i].spec->report, clock_s_);
    if (staleness <= most) continue;
    most = staleness;
    stalest = &kind_.rules[i];
  }
  if (stalest == nullptr) return {};
  Properties taken = {stalest->property};
  Reported(taken);
  return taken;
}

DeviceSim::Properties DeviceSim::TakeAll() {
  Properties taken;
  for (const model::Property& property : kind_.model.properties()) {
    if (property.Can(model::kNotify)) taken.push_back(&property);
  }
  commanded_.clear();
  Reported(taken);
  return taken;
}

std::vector<DeviceSim::HappenedEvent> DeviceSim::TakeEvents() { return std::exchange(events_, {}); }

}  // namespace homeport::fleet
