#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "services/registry/core/stream_id.h"

namespace homeport::registry {

// Finds the messages of one stream entry that PostgreSQL refuses, so that they alone are left out.
// It says what to try next and learns how that ended: a prefix of the entry, written and rolled
// back, until a prefix that passes and the next longer one that fails have been found; the message
// between them is skipped, and the entry tried as a whole again. Plain data.
class Isolation {
 public:
  // An entry that has failed as a whole, alone in its transaction.
  Isolation(const StreamId& id, size_t messages);

  [[nodiscard]] const StreamId& id() const { return id_; }
  // The first so many messages are to be applied, but for skipped().
  [[nodiscard]] size_t end() const;
  // Whether this is the entry as a whole: then commit, else roll back.
  [[nodiscard]] bool IsWhole() const { return end() == messages_; }
  [[nodiscard]] const std::vector<size_t>& skipped() const { return skipped_; }
  // Every message is skipped, and still it fails: the entry itself is to be skipped.
  [[nodiscard]] bool IsHopeless() const { return hopeless_; }

  void Passed();  // what end() said. REQUIRES: !IsWhole()
  void Failed();

 private:
  void SkipFound();

  StreamId id_;
  size_t messages_;
  size_t passing_ = 0;  // this prefix, without those skipped, passes
  size_t failing_;      // this one does not; == passing_: not known, the whole is to be tried
  std::vector<size_t> skipped_;
  bool hopeless_ = false;
};

}  // namespace homeport::registry
