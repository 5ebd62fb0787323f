#include "libs/model/missing.h"

#include <utility>

namespace homeport::model {
namespace {

Code CodeOf(Part part) {
  switch (part) {
    case Part::kAction:
      return Code::kNoAction;
    case Part::kEvent:
      return Code::kNoEvent;
    default:
      return Code::kNoProperty;
  }
}

// Whether both numbers can be looked up.
bool IsFit(const GivenId& id) {
  return id.siid && id.iid && std::in_range<uint32_t>(*id.siid) && std::in_range<uint32_t>(*id.iid);
}

}  // namespace

Code MissingCode(const Model& model, const GivenId& id, Part part) {
  if (!id.siid || !id.iid || *id.siid < 0 || *id.iid < 0) return Code::kInvalidId;
  const bool has_service = std::in_range<uint32_t>(*id.siid) &&
                           model.FindService(static_cast<uint32_t>(*id.siid)) != nullptr;
  return has_service ? CodeOf(part) : Code::kNoService;
}

Code MissingCode(const Model& model, std::string_view path, Part part) {
  const size_t dot = path.find('.');
  if (dot == 0 || dot == path.npos || dot + 1 == path.size()) return Code::kInvalidId;
  // A vendor's name may hold dots itself (pm2.5-density), also a service's.
  for (size_t end = dot; end != path.npos; end = path.find('.', end + 1)) {
    if (model.FindService(path.substr(0, end)) != nullptr) return CodeOf(part);
  }
  return Code::kNoService;
}

const Property* FindProperty(const Model& model, const GivenId& id) {
  return IsFit(id)
             ? model.FindProperty(static_cast<uint32_t>(*id.siid), static_cast<uint32_t>(*id.iid))
             : nullptr;
}

const Action* FindAction(const Model& model, const GivenId& id) {
  return IsFit(id)
             ? model.FindAction(static_cast<uint32_t>(*id.siid), static_cast<uint32_t>(*id.iid))
             : nullptr;
}

const Event* FindEvent(const Model& model, const GivenId& id) {
  return IsFit(id)
             ? model.FindEvent(static_cast<uint32_t>(*id.siid), static_cast<uint32_t>(*id.iid))
             : nullptr;
}

}  // namespace homeport::model
