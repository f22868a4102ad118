// The rules for the contents of a twin's section, token by token, before anything is built. Internal to this folder.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "libs/json/twin_rules.h"

namespace fleetcast::json {

// Most bytes of a path that an error quotes; longer ones are clipped.
inline constexpr size_t kPathInErrorMax = 256;

// Follows the tokens of a section or patch in their order. Each call answers what is wrong with the token, nullptr when
// nothing is. Checks what ParseSection promises but for the rules of JSON itself.
class SectionGuard {
 public:
  explicit SectionGuard(Section section) : section_(section) {}

  const char* Key(std::string_view key);
  const char* Open(bool is_object);
  const char* Close();
  // A string or key is being read and has `bytes` so far.
  const char* TextSoFar(bool is_key, size_t bytes) const;
  const char* String(std::string_view text);
  const char* Number(std::string_view literal);
  const char* Bool();
  const char* Null();

  // All tokens of `value`, which was read as a part of something else. What is wrong, and in `path` where.
  const char* Check(const Value& value, std::string& path);

  // What INVALID_TWIN says: `fault` at `path` (as "a.b[2]") of the section, `position` bytes after
  // the beginning of its text.
  absl::Status Refusal(std::string_view path, std::string_view fault, std::optional<size_t> position) const;

  // Inside a member that is dropped: `$metadata` and `$version` at the root of properties. Nothing is checked there.
  bool is_skipping() const { return is_skipping_; }

 private:
  struct Frame {
    bool is_object;
    size_t size;  // Of what an array holds so far; counted inside arrays only.
  };

  // A scalar of `size`.
  const char* Scalar(size_t size);
  const char* Grow(size_t size);
  void EndValue();

  const Section section_;
  bool is_skipping_ = false;
  int arrays_ = 0;  // Around the next token.
  std::vector<Frame> frames_;
};

// Bytes of `text` that count in a twin: all but control characters (C0, C1).
size_t TwinTextSize(std::string_view text);

}  // namespace fleetcast::json
