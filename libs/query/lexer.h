// Splits query text into tokens. Used by the parser only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/query/query.h"

namespace fleetcast::query {

struct Token {
  enum class Kind : uint8_t {
    kEnd,
    kName,    // Identifier or keyword; `text` as written.
    kQuoted,  // [[…]]; `text` is what stands inside.
    kString,  // `text` without quotes and escapes.
    kNumber,  // `text` is a JSON number literal (hexadecimal already converted).
    kSymbol,  // `text`: one of = != < <= > >= ( ) [ ] , . ; * + - / %
  };
  Kind kind = Kind::kEnd;
  std::string text;
  Position position;
};

// The tokens of `text`, the last one kEnd. `reason` is that of the errors.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view text, size_t bytes_max, Profile profile,
                                            std::string_view reason);

}  // namespace fleetcast::query
