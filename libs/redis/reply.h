// What Redis answers to one command.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fleetcast::redis {

// A value; error replies never become one (they fail the whole call, see client.h).
struct Reply {
  enum class Kind { kNil, kInteger, kText, kArray };

  Kind kind = Kind::kNil;
  int64_t integer = 0;          // kInteger
  std::string text;             // kText: bulk strings and simple ones such as "OK".
  std::vector<Reply> elements;  // kArray

  bool is_nil() const { return kind == Kind::kNil; }
};

}  // namespace fleetcast::redis
