#include "services/registry/stream/isolation.h"

#include "libs/base/check.h"

namespace homeport::registry {

Isolation::Isolation(const StreamId& id, size_t messages)
    : id_(id), messages_(messages), failing_(messages), hopeless_(messages == 0) {
  SkipFound();
}

size_t Isolation::end() const {
  return failing_ == passing_ ? messages_ : passing_ + (failing_ - passing_) / 2;
}

void Isolation::Passed() {
  HP_CHECK(!IsWhole());
  passing_ = end();
  SkipFound();
}

void Isolation::Failed() {
  if (passing_ == messages_) hopeless_ = true;
  failing_ = end();
  SkipFound();
}

void Isolation::SkipFound() {
  if (failing_ != passing_ + 1) return;
  skipped_.push_back(passing_);
  passing_ = failing_;
}

}  // namespace homeport::registry
