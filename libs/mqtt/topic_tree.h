#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace homeport::mqtt {

// Topic filters in a tree of levels, each with values of type T; Match visits the values of every
// filter that matches a topic, once for each filter (MQTT 5 section 4.7). Branches without values
// are removed. Recurses once per level: callers bound the levels (libs/mqtt/limits.h). Not
// thread-safe.
template <typename T>
class TopicTree {
 public:
  // REQUIRES: `filter` is valid and not a shared one. The same value may be added again.
  void Add(std::string_view filter, T value) {
    Node* node = &root_;
    for (Levels levels(filter); !levels.end; levels.Next()) {
      std::unique_ptr<Node>& child = node->children[std::string(levels.level)];
      if (!child) child = std::make_unique<Node>();
      node = child.get();
    }
    node->values.push_back(std::move(value));
    ++size_;
  }

  // Removes the value once; false when it was not there.
  bool Remove(std::string_view filter, const T& value) {
    const bool removed = RemoveFrom(root_, Levels(filter), value);
    if (removed) --size_;
    return removed;
  }

  // REQUIRES: `topic` is a valid topic name. `visit` must not change the tree.
  template <typename Visit>
  void Match(std::string_view topic, Visit visit) const {
    // Wildcards in the first level do not match names that begin with '$' [MQTT-4.7.2-1].
    MatchFrom(root_, Levels(topic), !topic.empty() && topic[0] == '$', visit);
  }

  [[nodiscard]] size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

 private:
  struct Node {
    std::map<std::string, std::unique_ptr<Node>, std::less<>> children;
    std::vector<T> values;
  };

  // Walks what '/' separates; "a/" has the levels "a" and "".
  struct Levels {
    explicit Levels(std::string_view text) : rest(text) { Next(); }
    void Next() {
      end = done;
      const size_t slash = rest.find('/');
      level = rest.substr(0, slash);
      done = slash == std::string_view::npos;
      rest = done ? std::string_view() : rest.substr(slash + 1);
    }
    std::string_view rest;
    std::string_view level;
    bool done = false;  // `level` is the last one
    bool end = false;   // past the last one
  };

  static bool RemoveFrom(Node& node, Levels levels, const T& value) {
    if (levels.end) {
      const auto at = std::find(node.values.begin(), node.values.end(), value);
      if (at == node.values.end()) return false;
      node.values.erase(at);
      return true;
    }
    const auto child = node.children.find(levels.level);
    if (child == node.children.end()) return false;
    levels.Next();
    const bool removed = RemoveFrom(*child->second, levels, value);
    if (child->second->values.empty() && child->second->children.empty()) {
      node.children.erase(child);
    }
    return removed;
  }

  template <typename Visit>
  static void MatchFrom(const Node& node, Levels levels, bool literal_only, Visit& visit) {
    // "a/#" matches "a" too [MQTT-4.7.1-2].
    if (!literal_only) VisitChild(node, "#", visit);
    if (levels.end) {
      for (const T& value : node.values) visit(value);
      return;
    }
    Levels next = levels;
    next.Next();
    if (const auto child = node.children.find(levels.level); child != node.children.end()) {
      MatchFrom(*child->second, next, false, visit);
    }
    if (literal_only) return;
    if (const auto child = node.children.find("+"); child != node.children.end()) {
      MatchFrom(*child->second, next, false, visit);
    }
  }

  template <typename Visit>
  static void VisitChild(const Node& node, std::string_view level, Visit& visit) {
    const auto child = node.children.find(level);
    if (child == node.children.end()) return;
    for (const T& value : child->second->values) visit(value);
  }

  Node root_;
  size_t size_ = 0;
};

}  // namespace homeport::mqtt
